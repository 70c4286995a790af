"""Portal pages of invoices, for those who pay the bills."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse

from billing import selectors
from billing.presentation import document_context
from billing.querysets import BILLING_ROLES
from billing.views.parts import ROWS, PersonRequest, pdf_answer
from billing.words import month_words
from msp.core.errors import NotVisible
from msp.core.pages import render_page
from msp.core.scope import scope_of


def _refuse_others(request: PersonRequest) -> None:
    """For a contact who does not pay the bills there are no such pages. Errors: NotVisible."""
    if not scope_of(request.user).contact_roles & BILLING_ROLES:
        raise NotVisible


def invoices(request: PersonRequest) -> HttpResponse:
    """List the company's invoices, newest first."""
    _refuse_others(request)
    before = request.GET.get("before", "")
    is_number = before.isdecimal() and len(before) < 10  # int() refuses "²" and 5,000 digits
    rows = selectors.posted_page(request.user, before=int(before) if is_number else None, size=ROWS)
    context = {
        "invoices": rows[:ROWS],
        "next_url": f"?before={rows[ROWS - 1].number}" if len(rows) > ROWS else "",
    }
    return render_page(request, "portal/billing/invoice_list.html", context)


def invoice(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Show an invoice; each line opens to its days and minutes."""
    found = selectors.get_invoice(request.user, public_id)
    lines = selectors.invoice_lines(request.user, found)
    context = document_context(found, lines) | {
        "invoice": found,
        "month": month_words(found.period),
        "credits": selectors.credit_notes_of(request.user, found),
        "tickets": selectors.tickets_shown(request.user, lines),
    }
    return render_page(request, "portal/billing/invoice_detail.html", context)


def invoice_pdf(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Give the PDF as it was issued."""
    return pdf_answer(selectors.get_invoice(request.user, public_id))


def credit_note_pdf(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Give the PDF of a credit note as it was issued."""
    return pdf_answer(selectors.get_credit_note(request.user, public_id))
