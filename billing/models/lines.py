"""What waits to be invoiced."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from billing.enums import DraftLineState, LineException, LineKind, Unit
from billing.models.prices import MONEY
from billing.querysets import DraftLineQuerySet
from msp.core import clock
from msp.core.tenancy import PublicIdModel, TenantManager, TenantModel, client_key
from tickets.enums import Coverage


class LineFacts(models.Model):
    """What a line says, before and after it is invoiced.

    The amount is `quantity × unit_price ÷ price_per`, rounded once: 75 minutes × 120 an hour ÷ 60,
    or 12 days × 900 a month ÷ 30. So neither hours nor prices of a day are rounded on the way.
    `evidence` holds the facts behind the line, as they were: a time entry, or the days of a fee.
    """

    line_kind = models.CharField(_("charged"), max_length=20, choices=LineKind.choices)
    description = models.TextField(_("description"))
    clause = models.CharField(_("clause"), max_length=120, blank=True)
    coverage = models.CharField(
        _("coverage"), max_length=10, choices=Coverage.choices, default=Coverage.BILLABLE
    )
    first_day = models.DateField(_("from"))
    last_day = models.DateField(_("until"))
    quantity = models.DecimalField(_("quantity"), max_digits=14, decimal_places=4)
    unit = models.CharField(_("unit"), max_length=10, choices=Unit.choices)
    price_per = models.PositiveIntegerField(default=1)
    price_source = models.CharField(_("price by"), max_length=200, blank=True)
    evidence = models.JSONField(default=dict)

    class Meta:
        abstract = True


class DraftLine(LineFacts, PublicIdModel, TenantModel):
    """Something done or owed that no invoice has yet: once for each source and period.

    Written by `billing.services.lines` from approved time and by `billing.services.fees` from
    contracts; repriced while it waits; frozen once invoiced. Without an amount it carries an
    exception and cannot be invoiced.
    """

    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="+")
    contract = models.ForeignKey("clients.Contract", models.PROTECT, null=True, related_name="+")
    contract_line = models.ForeignKey(
        "billing.ContractLine", models.PROTECT, null=True, related_name="+"
    )
    time_entry = models.OneToOneField(
        "tickets.TimeEntry", models.PROTECT, null=True, related_name="+"
    )
    source_ref = models.CharField(max_length=80)
    #: The first day of the month it belongs to, by the client's calendar.
    period = models.DateField(_("month"))
    unit_price = models.DecimalField(_("price"), null=True, **MONEY)
    amount = models.DecimalField(_("amount"), null=True, **MONEY)
    currency = models.CharField(_("currency"), max_length=3)
    exception = models.CharField(
        _("exception"), max_length=20, choices=LineException.choices, blank=True
    )
    exception_text = models.CharField(max_length=200, blank=True)
    state = models.CharField(
        _("state"), max_length=10, choices=DraftLineState.choices, default=DraftLineState.DRAFT
    )
    drop_reason = models.CharField(_("why it is left out"), max_length=250, blank=True)
    invoice = models.ForeignKey(
        "billing.Invoice", models.PROTECT, null=True, related_name="draft_lines"
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)
    changed_at = models.DateTimeField(default=clock.now)

    objects = TenantManager.from_queryset(DraftLineQuerySet)()

    class Meta:
        constraints = [
            client_key("billing_draftline"),
            models.UniqueConstraint(
                fields=["contract", "line_kind", "source_ref", "period"],
                name="billing_draftline_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(state__in=DraftLineState.values), name="billing_draftline_state_known"
            ),
            models.CheckConstraint(
                condition=Q(line_kind__in=LineKind.values), name="billing_draftline_kind_known"
            ),
            # A line has an amount or says why not: it never becomes zero by silence.
            models.CheckConstraint(
                condition=Q(exception="", amount__isnull=False, unit_price__isnull=False)
                | Q(exception__in=LineException.values, amount__isnull=True),
                name="billing_draftline_amount_or_exception",
            ),
            models.CheckConstraint(
                condition=~Q(coverage=Coverage.COVERED) | Q(amount=0),
                name="billing_draftline_covered_is_free",
            ),
            models.CheckConstraint(
                condition=~Q(coverage=Coverage.COVERED) | ~Q(clause=""),
                name="billing_draftline_covered_names_clause",
            ),
            models.CheckConstraint(
                condition=~Q(state=DraftLineState.INVOICED)
                | Q(invoice__isnull=False, exception=""),
                name="billing_draftline_invoiced_whole",
            ),
            models.CheckConstraint(
                condition=~Q(state=DraftLineState.DROPPED)
                | (Q(invoice__isnull=True) & ~Q(drop_reason="")),
                name="billing_draftline_dropped_with_reason",
            ),
        ]
        indexes = [
            # Ready to bill: waiting lines by client and month.
            models.Index(
                fields=["client", "period"],
                name="billing_draftline_waiting",
                condition=Q(state="draft"),
            ),
        ]

    def __str__(self) -> str:
        return self.description
