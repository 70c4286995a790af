"""Invoices and credit notes as screens ask for them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from django.db.models import Count, DecimalField, OuterRef, Prefetch, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from billing.domain.pricing import InvoiceTotals, invoice_totals
from billing.enums import InvoiceState
from billing.models import (
    CreditNote,
    CreditNoteLine,
    DraftLine,
    Invoice,
    InvoiceLine,
)
from billing.selectors.contracts import profile_for
from clients import selectors as client_selectors
from clients.models import Client
from msp.core.errors import NotVisible
from msp.core.money import Money
from msp.core.scope import Principal
from tickets import selectors as ticket_selectors

D = TypeVar("D", Invoice, CreditNote)
_RELATED = ("client__merged_into", "posted_by")
_NOTHING = Value(Decimal(0))


def invoice_list(user: Principal, *, state: str = "") -> QuerySet[Invoice]:
    """Return the invoices a person sees, newest first, each with what was `credited` of it.

    The bytes of the PDF are not read.
    """
    sums = (
        CreditNote.objects.filter(invoice=OuterRef("pk"), state=InvoiceState.POSTED)
        .order_by()
        .values("invoice")
        .annotate(sum=Sum("total"))
        .values("sum")
    )
    rows = Invoice.objects.seen_by(user)
    if state:
        rows = rows.filter(state=state)
    return (  # type: ignore[no-any-return]
        rows.select_related(*_RELATED)
        .annotate(credited=Coalesce(Subquery(sums), _NOTHING, output_field=DecimalField()))
        .order_by("-pk")
    )


def posted_page(user: Principal, *, before: int | None, size: int) -> list[Invoice]:
    """Return posted invoices by number downward from `before`, and one more than `size`."""
    rows = invoice_list(user, state=InvoiceState.POSTED).order_by("-number")
    if before is not None:
        rows = rows.filter(number__lt=before)
    return list(rows[: size + 1])


def draft_invoices(user: Principal) -> list[Invoice]:
    """Return draft invoices, oldest month first, each with its `line_count` and `line_sum`."""
    return list(
        Invoice.objects.seen_by(user)
        .exclude(state=InvoiceState.POSTED)
        .select_related("client")
        .annotate(
            line_count=Count("draft_lines"),
            line_sum=Coalesce(Sum("draft_lines__amount"), _NOTHING, output_field=DecimalField()),
        )
        .order_by("period", "pk")
    )


def open_draft(user: Principal, client: Client, period: date) -> Invoice | None:
    """Return the draft invoice of a client's month."""
    rows = Invoice.objects.seen_by(user).filter(client=client, period=period)
    return rows.exclude(state=InvoiceState.POSTED).first()  # type: ignore[no-any-return]


def tickets_shown(user: Principal, lines: Iterable[InvoiceLine | DraftLine]) -> set[int]:
    """Return the numbers of the tickets behind lines that a person may open."""
    numbers = {line.evidence["ticket"] for line in lines if "ticket" in line.evidence}
    rows = ticket_selectors.ticket_list(user).filter(number__in=numbers)
    return set(rows.values_list("number", flat=True))


def invoices_of(user: Principal, client: Client) -> QuerySet[Invoice]:
    """Return the invoices of a client and its merged family, newest first."""
    return invoice_list(user).filter(client__in=client_selectors.family_ids(client))


def get_invoice(user: Principal, public_id: UUID | str) -> Invoice:
    """Return an invoice. Errors: NotVisible, for absent and not-yours alike."""
    found = invoice_list(user).filter(public_id=public_id).first()
    if found is None:
        raise NotVisible
    return found


def invoice_lines(user: Principal, invoice: Invoice) -> list[InvoiceLine] | list[DraftLine]:
    """Return what is on an invoice: the posted lines with what was `credited`, or the draft's."""
    if not invoice.is_posted:
        return list(
            DraftLine.objects.seen_by(user)
            .filter(invoice=invoice)
            .select_related("client", "contract")
            .order_by("line_kind", "first_day", "pk")
        )
    lines: list[InvoiceLine] = list(
        InvoiceLine.objects.seen_by(user)
        .filter(invoice=invoice)
        .annotate(credited=Coalesce(Sum("credits__amount"), _NOTHING, output_field=DecimalField()))
        .order_by("position")
    )
    return lines


def expected_totals(invoice: Invoice, lines: list[DraftLine]) -> InvoiceTotals | None:
    """Return what a draft would come to; None while it has no profile, or a line no amount."""
    profile = profile_for(invoice.client)
    if profile is None:
        return None
    amounts = [
        (Money(line.amount, line.currency), profile.tax_ratio)
        for line in lines
        if line.amount is not None and line.currency == invoice.currency
    ]
    return invoice_totals(amounts, invoice.currency) if len(amounts) == len(lines) else None


def credit_notes_of(user: Principal, invoice: Invoice) -> QuerySet[CreditNote]:
    """Return the credit notes of an invoice, oldest first."""
    return (  # type: ignore[no-any-return]
        CreditNote.objects.seen_by(user).filter(invoice=invoice).order_by("pk")
    )


def get_credit_note(user: Principal, public_id: UUID | str) -> CreditNote:
    """Return a credit note with its invoice and lines. Errors: NotVisible."""
    found: CreditNote | None = (
        CreditNote.objects.seen_by(user)
        .select_related(*_RELATED, "invoice")
        .prefetch_related(
            Prefetch("lines", CreditNoteLine.objects.seen_by(user).order_by("position"))
        )
        .filter(public_id=public_id)
        .first()
    )
    if found is None:
        raise NotVisible
    return found


def pdf_bytes(document: Invoice | CreditNote) -> bytes | None:
    """Return the PDF of a document that the caller has reached; None while it waits."""
    return bytes(document.pdf.content) if document.pdf is not None else None
