"""What a contract costs, and how a client is billed."""

from __future__ import annotations

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from billing.enums import LineKind
from billing.models.prices import MONEY, days_held
from billing.querysets import BillingQuerySet, HoldsQuerySet
from msp.core import clock
from msp.core.tenancy import PublicIdModel, TenantManager, TenantModel, client_key
from tickets.enums import WorkType


class BillingProfile(PublicIdModel, TenantModel):
    """How one client is billed: to whom, with which tax, payable when. Without it nothing is."""

    client = models.OneToOneField("clients.Client", models.PROTECT, related_name="+")
    invoice_name = models.CharField(_("name on the invoice"), max_length=160)
    address = models.TextField(_("invoice address"))
    tax_id = models.CharField(_("tax number"), max_length=40, blank=True)
    #: Share of the net, 0 to 1: 0.23 is 23 per cent.
    tax_ratio = models.DecimalField(_("tax rate"), max_digits=7, decimal_places=6)
    payment_days = models.PositiveSmallIntegerField(_("days to pay"), default=30)
    email = models.EmailField(_("invoice e-mail"), max_length=254, blank=True)
    reference = models.CharField(_("client's reference"), max_length=120, blank=True)
    changed_at = models.DateTimeField(default=clock.now)

    objects = TenantManager.from_queryset(BillingQuerySet)()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(tax_ratio__gte=0) & Q(tax_ratio__lte=1),
                name="billing_billingprofile_tax_is_a_share",
            ),
            models.CheckConstraint(
                condition=~Q(invoice_name="") & ~Q(address=""),
                name="billing_billingprofile_addressed",
            ),
        ]

    def __str__(self) -> str:
        return self.invoice_name


class ContractLine(PublicIdModel, TenantModel):
    """One thing a contract charges for, from a day until a day, both included.

    `flat`: `amount` a month, pro rata by the day. `time_and_material`: `amount` an hour, for the
    work type (or any), before the client's own prices and the price book. Only its end changes; a
    new amount is a new line under the same key, and lines of one key never overlap.
    """

    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="+")
    contract = models.ForeignKey("clients.Contract", models.PROTECT, related_name="+")
    key = models.SlugField(_("key"), max_length=60)
    name = models.CharField(_("name"), max_length=120)
    kind = models.CharField(_("charged"), max_length=20, choices=LineKind.choices)
    work_type = models.CharField(_("work"), max_length=10, choices=WorkType.choices, blank=True)
    amount = models.DecimalField(_("amount"), **MONEY)
    currency = models.CharField(_("currency"), max_length=3)
    increment_minutes = models.PositiveSmallIntegerField(_("billed in steps of, min"), default=15)
    minimum_minutes = models.PositiveSmallIntegerField(_("at least, min"), default=0)
    starts_on = models.DateField(_("from"))
    ends_on = models.DateField(_("until"), null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects = TenantManager.from_queryset(HoldsQuerySet)()

    class Meta:
        ordering = ["name", "starts_on"]
        constraints = [
            client_key("billing_contractline"),
            ExclusionConstraint(
                name="billing_contractline_no_overlap",
                expressions=[
                    ("contract", RangeOperators.EQUAL),
                    ("key", RangeOperators.EQUAL),
                    (days_held(), RangeOperators.OVERLAPS),
                ],
                condition=Q(withdrawn_at__isnull=True),
            ),
            models.CheckConstraint(
                condition=Q(kind__in=LineKind.values), name="billing_contractline_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(work_type="") | Q(work_type__in=WorkType.values),
                name="billing_contractline_work_known",
            ),
            models.CheckConstraint(
                condition=Q(amount__gte=0) & Q(increment_minutes__gte=1),
                name="billing_contractline_sound",
            ),
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                name="billing_contractline_ends_after_start",
            ),
        ]

    def __str__(self) -> str:
        return self.name
