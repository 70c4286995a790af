"""What was charged: invoices and credit notes, frozen once posted."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from billing.enums import InvoiceState
from billing.models.lines import LineFacts
from billing.models.prices import MONEY
from billing.querysets import CreditNoteLineQuerySet, DocumentQuerySet, InvoiceLineQuerySet
from msp.core import clock
from msp.core.tenancy import GlobalModel, PublicIdModel, TenantManager, TenantModel, client_key

FIRST_NUMBER = 1001


class DocumentCounter(GlobalModel):
    """One row for each kind of document; hands out numbers, locked while one is posted."""

    name = models.CharField(max_length=20, primary_key=True)
    next_number = models.BigIntegerField(default=FIRST_NUMBER)

    def __str__(self) -> str:
        return f"{self.name}: {self.next_number}"


class Document(PublicIdModel, TenantModel):
    """What invoices and credit notes share.

    A number comes only with posting, from a locked row, so numbers have no gap. From then on a
    trigger refuses every change but the PDF, once. `tax_parts` is a list of `{"ratio", "net",
    "tax"}`, texts of decimals; `seller` and `buyer` are as they were on that day.
    """

    number = models.BigIntegerField(_("number"), null=True, unique=True, editable=False)
    state = models.CharField(
        _("state"), max_length=10, choices=InvoiceState.choices, default=InvoiceState.DRAFT
    )
    currency = models.CharField(_("currency"), max_length=3)
    #: Decimal places of the currency: what the database checks the tax to.
    currency_places = models.PositiveSmallIntegerField(default=2)
    net = models.DecimalField(_("net"), default=0, **MONEY)
    tax = models.DecimalField(_("tax"), default=0, **MONEY)
    total = models.DecimalField(_("total"), default=0, **MONEY)
    tax_parts = models.JSONField(default=list)
    seller = models.JSONField(default=dict)
    buyer = models.JSONField(default=dict)
    issued_on = models.DateField(_("date"), null=True)
    posted_at = models.DateTimeField(null=True)
    posted_by = models.ForeignKey("core.User", models.PROTECT, null=True, related_name="+")
    pdf = models.OneToOneField("core.Blob", models.PROTECT, null=True, related_name="+")
    pdf_problem = models.CharField(max_length=250, blank=True)
    pdf_tried_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects = TenantManager.from_queryset(DocumentQuerySet)()

    PREFIX = ""

    class Meta:
        abstract = True

    @property
    def name(self) -> str:
        """How people call it: INV-1001, or a draft."""
        return f"{self.PREFIX}-{self.number}" if self.number else _now("Draft")

    @property
    def is_posted(self) -> bool:
        return self.state == InvoiceState.POSTED


def _document_rules(table: str) -> list[models.CheckConstraint]:
    posted = Q(state=InvoiceState.POSTED)
    return [
        models.CheckConstraint(
            condition=Q(state__in=InvoiceState.values), name=f"{table}_state_known"
        ),
        models.CheckConstraint(
            condition=Q(
                posted, number__isnull=False, posted_at__isnull=False, issued_on__isnull=False
            )
            | (~posted & Q(number__isnull=True, pdf__isnull=True)),
            name=f"{table}_number_when_posted",
        ),
        models.CheckConstraint(
            condition=Q(total=F("net") + F("tax")), name=f"{table}_net_and_tax_is_total"
        ),
    ]


class Invoice(Document):
    """What a client owes for one month: a draft that can be thrown away, then posted for good."""

    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="+")
    period = models.DateField(_("month"))
    due_on = models.DateField(_("due"), null=True)

    PREFIX = "INV"

    class Meta:
        constraints = [
            client_key("billing_invoice"),
            *_document_rules("billing_invoice"),
            models.UniqueConstraint(
                fields=["client", "period"],
                condition=~Q(state="posted"),
                name="billing_invoice_one_draft",
            ),
        ]
        indexes = [
            # The list of posted invoices, newest first, of all and of one client.
            models.Index(
                fields=["-number"], name="billing_invoice_newest", condition=Q(state="posted")
            ),
            models.Index(fields=["client", "-number"], name="billing_invoice_client"),
            # The hourly sweep: PDFs that are still to be made.
            models.Index(
                fields=["id"],
                name="billing_invoice_without_pdf",
                condition=Q(state="posted", pdf__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class InvoiceLine(LineFacts, PublicIdModel, TenantModel):
    """One line of a posted invoice; written while posting, and never again."""

    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="+")
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="lines")
    #: A draft line is invoiced once, whatever happens.
    draft_line = models.OneToOneField("billing.DraftLine", models.PROTECT, related_name="+")
    position = models.PositiveIntegerField()
    unit_price = models.DecimalField(_("price"), **MONEY)
    amount = models.DecimalField(_("amount"), **MONEY)
    tax_ratio = models.DecimalField(_("tax rate"), max_digits=7, decimal_places=6)

    objects = TenantManager.from_queryset(InvoiceLineQuerySet)()

    class Meta:
        ordering = ["position"]
        constraints = [
            client_key("billing_invoiceline"),
            models.UniqueConstraint(
                fields=["invoice", "position"], name="billing_invoiceline_position"
            ),
            models.CheckConstraint(
                condition=~Q(coverage="covered") | Q(amount=0),
                name="billing_invoiceline_covered_is_free",
            ),
        ]

    def __str__(self) -> str:
        return self.description


class CreditNote(Document):
    """What is given back of a posted invoice, in whole or in part. Amounts are positive."""

    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="+")
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="credit_notes")
    reason = models.CharField(_("reason"), max_length=250)

    PREFIX = "CN"

    class Meta:
        constraints = [
            client_key("billing_creditnote"),
            *_document_rules("billing_creditnote"),
            models.CheckConstraint(condition=~Q(reason=""), name="billing_creditnote_has_reason"),
        ]
        indexes = [
            # The hourly sweep: PDFs that are still to be made.
            models.Index(
                fields=["id"],
                name="billing_creditnote_without_pdf",
                condition=Q(state="posted", pdf__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class CreditNoteLine(PublicIdModel, TenantModel):
    """How much of one invoice line is given back; never more than the line, over all credits."""

    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="+")
    credit_note = models.ForeignKey(CreditNote, models.PROTECT, related_name="lines")
    invoice_line = models.ForeignKey(InvoiceLine, models.PROTECT, related_name="credits")
    position = models.PositiveIntegerField()
    description = models.TextField(_("description"))
    amount = models.DecimalField(_("amount"), **MONEY)
    tax_ratio = models.DecimalField(_("tax rate"), max_digits=7, decimal_places=6)

    objects = TenantManager.from_queryset(CreditNoteLineQuerySet)()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["credit_note", "invoice_line"], name="billing_creditnoteline_once"
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0), name="billing_creditnoteline_gives_back"
            ),
        ]

    def __str__(self) -> str:
        return self.description
