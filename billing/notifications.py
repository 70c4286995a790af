"""Which message a posted document becomes, and for whom."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext as _

from billing import selectors
from billing.models import CreditNote, Invoice
from billing.words import day_words
from clients import selectors as client_selectors
from clients.enums import ContactRole
from clients.models import Contact
from msp.core import notify
from msp.core.scope import Principal
from msp.core.templatetags.ui import money


def about_invoice(invoice: Invoice, *, by: Principal) -> None:
    """Mail an invoice's figures to the client's invoice address, else to its billing contacts."""
    words = _words(invoice) | {"due": day_words(invoice.due_on) if invoice.due_on else ""}
    _mail(
        invoice,
        by=by,
        key=f"invoice.posted:{invoice.pk}",
        subject=_("Invoice %(name)s from %(seller)s") % words,
        body=_(
            "Invoice %(name)s over %(total)s is ready. It is due on %(due)s.\n\n"
            "In the portal you find it as a PDF, and what each line is made of."
        )
        % words,
        url=reverse("portal:invoice", args=[invoice.public_id]),
    )


def about_credit_note(note: CreditNote, *, by: Principal) -> None:
    """Mail what is given back to those who got the invoice."""
    words = _words(note) | {"invoice": note.invoice.name, "reason": note.reason}
    _mail(
        note,
        by=by,
        key=f"creditnote.posted:{note.pk}",
        subject=_("Credit note %(name)s from %(seller)s") % words,
        body=_("We give back %(total)s of invoice %(invoice)s.\n\n%(reason)s") % words,
        url=reverse("portal:invoice", args=[note.invoice.public_id]),
    )


def _mail(
    document: Invoice | CreditNote, *, by: Principal, key: str, subject: str, body: str, url: str
) -> None:
    profile = selectors.profile_for(document.client)
    if profile is not None and profile.email:
        notify.mail(
            profile.email, key=key, subject=subject, body=body, url=url,
            client_id=document.client_id,
        )  # fmt: skip
        return
    for contact in _billing_contacts(document, by=by):
        notify.mail(
            contact.email, key=key, subject=subject, body=body,
            url=url if contact.user_id else "", client_id=document.client_id,
            recipient=contact.user if contact.user_id else None,
        )  # fmt: skip


def _billing_contacts(document: Invoice | CreditNote, *, by: Principal) -> list[Contact]:
    rows = client_selectors.contacts_of(by, document.client)
    return list(rows.filter(roles__contains=[ContactRole.BILLING]))


def _words(document: Invoice | CreditNote) -> dict[str, str]:
    return {
        "name": document.name,
        "seller": document.seller.get("name", ""),
        "total": money(document.total, document.currency),
    }
