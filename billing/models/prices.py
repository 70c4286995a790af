"""The price book, and prices agreed with one client."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value
from django.utils.translation import gettext_lazy as _

from billing.querysets import HoldsQuerySet
from msp.core import clock
from msp.core.tenancy import GlobalModel, PublicIdModel, TenantManager, TenantModel
from tickets.enums import WorkType

#: Digits of an amount of money, and of a price: four places serve every currency.
MONEY: dict[str, Any] = {"max_digits": 19, "decimal_places": 4}


def days_held() -> Func:
    """Return the days from a row's start to its end, both included; no end means for ever."""
    return Func(
        F("starts_on"),
        F("ends_on"),
        Value("[]"),
        function="daterange",
        output_field=DateRangeField(),
    )


class HourlyTerms(models.Model):
    """A price of an hour, and how minutes are rounded before they are priced."""

    price_per_hour = models.DecimalField(_("price per hour"), **MONEY)
    increment_minutes = models.PositiveSmallIntegerField(_("billed in steps of, min"), default=15)
    minimum_minutes = models.PositiveSmallIntegerField(_("at least, min"), default=0)

    class Meta:
        abstract = True


class PriceItem(PublicIdModel, GlobalModel):
    """Something with a price in the MSP's price book. So far: an hour of one sort of work."""

    key = models.SlugField(_("key"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=120)
    work_type = models.CharField(
        _("work"), max_length=10, choices=WorkType.choices, unique=True, null=True, blank=True
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(work_type__isnull=True) | Q(work_type__in=WorkType.values),
                name="billing_priceitem_work_known",
            )
        ]

    def __str__(self) -> str:
        return self.name


class PriceVersion(HourlyTerms, PublicIdModel, GlobalModel):
    """The price of an item from one day on, until the next version begins; it never changes.

    Since a version ends where the next begins, versions cannot overlap. A wrong one is withdrawn,
    never corrected, so that what a line was priced by stays readable.
    """

    item = models.ForeignKey(PriceItem, models.PROTECT, related_name="versions")
    currency = models.CharField(_("currency"), max_length=3)
    valid_from = models.DateField(_("from"))
    withdrawn_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    created_by = models.ForeignKey("core.User", models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item", "currency", "valid_from"],
                condition=Q(withdrawn_at__isnull=True),
                name="billing_priceversion_one_a_day",
            ),
            models.CheckConstraint(
                condition=Q(price_per_hour__gte=0) & Q(increment_minutes__gte=1),
                name="billing_priceversion_sound",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item}: {self.price_per_hour} {self.currency} from {self.valid_from}"


class ClientPrice(HourlyTerms, PublicIdModel, TenantModel):
    """A price agreed with one client, which goes before the price book."""

    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="+")
    item = models.ForeignKey(PriceItem, models.PROTECT, related_name="+")
    currency = models.CharField(_("currency"), max_length=3)
    starts_on = models.DateField(_("from"))
    ends_on = models.DateField(_("until"), null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    created_by = models.ForeignKey("core.User", models.PROTECT, null=True, related_name="+")

    objects = TenantManager.from_queryset(HoldsQuerySet)()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="billing_clientprice_no_overlap",
                expressions=[
                    ("client", RangeOperators.EQUAL),
                    ("item", RangeOperators.EQUAL),
                    ("currency", RangeOperators.EQUAL),
                    (days_held(), RangeOperators.OVERLAPS),
                ],
                condition=Q(withdrawn_at__isnull=True),
            ),
            models.CheckConstraint(
                condition=Q(price_per_hour__gte=0) & Q(increment_minutes__gte=1),
                name="billing_clientprice_sound",
            ),
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                name="billing_clientprice_ends_after_start",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item}: {self.price_per_hour} {self.currency} from {self.starts_on}"
