"""PDFs of posted documents: made once, kept as the record; what fails waits and is tried again."""

from __future__ import annotations

import hashlib
import logging
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import translation

from billing import pdf, selectors
from billing.models import CreditNote, Invoice
from billing.permissions import VIEW
from billing.presentation import document_context
from billing.services import common
from billing.services.lines import tell_screens
from msp.core import clock
from msp.core.models import Blob
from msp.core.permissions import require
from msp.core.queue import enqueue
from msp.core.scope import Principal

log = logging.getLogger(__name__)

D = TypeVar("D", Invoice, CreditNote)


def render_invoice(invoice_id: int, *, by: Principal) -> bool:
    """Make the PDF of a posted invoice unless there is one; return whether there is one now.

    Without Pango it keeps waiting, with the sentence that says what to install.

    Errors: NotVisible.
    """
    return _render(Invoice, invoice_id, by=by)


def render_credit_note(credit_note_id: int, *, by: Principal) -> bool:
    """Make the PDF of a credit note unless there is one; return whether there is one now.

    Errors: NotVisible.
    """
    return _render(CreditNote, credit_note_id, by=by)


def retry_pdf(public_id: UUID | str, *, by: Principal) -> None:
    """Ask the worker to try again soon for the PDF of an invoice and its credit notes.

    Errors: NotVisible; NotAllowed.
    """
    invoice = common.seen(Invoice, by, public_id=public_id)
    require(by, VIEW, invoice.client_id)
    enqueue("billing.render_waiting", once=True)


def render_waiting(*, by: Principal) -> int:
    """Make the PDFs that wait, each in a transaction of its own; return how many were made."""
    made = 0
    for model, render in ((Invoice, render_invoice), (CreditNote, render_credit_note)):
        rows = model.objects.visible_to(by).without_pdf().order_by("pk")
        for pk in list(rows.values_list("pk", flat=True)):
            try:
                if not render(pk, by=by):
                    return made  # this machine cannot; the others would say the same
                made += 1
            except Exception:
                log.exception("The PDF of %s %s could not be made.", model.__name__, pk)
    return made


@transaction.atomic
def _render(model: type[D], pk: int, *, by: Principal) -> bool:
    document = common.seen(model, by, lock=True, pk=pk)
    if document.pdf_id is not None:
        return True
    if not document.is_posted:
        return False
    document.pdf_tried_at = clock.now()
    try:
        content = pdf.from_html(_html(document, by=by))
    except pdf.PdfUnavailable as problem:
        document.pdf_problem = str(problem)[:250]
        document.save(update_fields=["pdf_problem", "pdf_tried_at"])
        tell_screens(document.client)
        return False
    document.pdf = Blob.objects.create(
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        content_type="application/pdf",
        client_id=document.client_id,
        content=content,
    )
    document.pdf_problem = ""
    document.save(update_fields=["pdf", "pdf_problem", "pdf_tried_at"])
    tell_screens(document.client)
    return True


def _html(document: Invoice | CreditNote, *, by: Principal) -> str:
    """Return the document from the template that its page shows, in the installation's language."""
    lines = (
        selectors.invoice_lines(by, document)
        if isinstance(document, Invoice)
        else list(document.lines.order_by("position"))
    )
    with translation.override(settings.LANGUAGE_CODE):
        return render_to_string("billing/document_pdf.html", document_context(document, lines))
