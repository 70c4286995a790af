"""What billing does when something happened: one service call each."""

from __future__ import annotations

from billing import notifications
from billing.events import CreditNotePosted, InvoicePosted
from billing.models import CreditNote, Invoice
from billing.services import lines, pdfs
from msp.core.scope import SystemPrincipal
from tickets.events import TimeEntryApproved

_BILLING = SystemPrincipal("billing")


def draft_line_for_time(event: TimeEntryApproved) -> None:
    """Make the draft line of approved time, once."""
    lines.draft_line_for_time(event.time_entry_id, by=_BILLING)


def render_invoice(event: InvoicePosted) -> None:
    """Make the invoice's PDF, or leave it waiting where this machine cannot."""
    pdfs.render_invoice(event.invoice_id, by=_BILLING)


def render_credit_note(event: CreditNotePosted) -> None:
    """Make the credit note's PDF, or leave it waiting where this machine cannot."""
    pdfs.render_credit_note(event.credit_note_id, by=_BILLING)


def tell_about_invoice(event: InvoicePosted) -> None:
    """Mail the client that an invoice is there."""
    invoice = Invoice.objects.select_related("client__merged_into").get(pk=event.invoice_id)
    notifications.about_invoice(invoice, by=_BILLING)


def tell_about_credit_note(event: CreditNotePosted) -> None:
    """Mail the client that something is given back."""
    note = CreditNote.objects.select_related("client__merged_into", "invoice").get(
        pk=event.credit_note_id
    )
    notifications.about_credit_note(note, by=_BILLING)
