"""Invoices: drafted from lines that wait, posted with a number, and frozen."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from billing import selectors
from billing.domain.pricing import InvoiceTotals, invoice_totals
from billing.enums import DraftLineState, InvoiceState
from billing.events import InvoicePosted
from billing.models import (
    BillingProfile,
    CreditNote,
    DocumentCounter,
    DraftLine,
    Invoice,
    InvoiceLine,
)
from billing.permissions import POST, PREPARE
from billing.services import common
from billing.services.lines import tell_screens
from clients.models import Client
from msp.core import audit, clock
from msp.core.errors import Refused
from msp.core.events import publish
from msp.core.money import Money, quantum
from msp.core.permissions import require
from msp.core.scope import Principal


@transaction.atomic
def draft_invoice(client_id: int, *, period: date, by: Principal) -> Invoice:
    """Put a client's waiting lines of a month on its draft invoice, made if there is none.

    Asked again with nothing new it returns the draft, or the newest posted invoice of the month: a
    second run makes no second invoice. One transaction at a time bills a client.

    Errors: NotVisible; NotAllowed; Refused while a line has no amount (`exceptions`), without a
    billing profile (`no_profile`), or if there is nothing to bill (`nothing`).
    """
    client = common.client_for(by, client_id, PREPARE)
    return _draft(client, common.month(period), by=by)


@transaction.atomic
def discard_invoice(public_id: UUID | str, *, by: Principal) -> None:
    """Throw a draft invoice away; its lines wait again.

    Errors: NotVisible; NotAllowed; Refused if it is posted.
    """
    invoice = _locked(public_id, by=by, permission=PREPARE)
    if invoice.is_posted:
        raise Refused(_("A posted invoice stays; write a credit note."), code="posted")
    DraftLine.objects.filter(invoice=invoice).update(invoice=None)
    audit.record("invoice.discarded", invoice, by=by, before={"period": str(invoice.period)})
    client = invoice.client
    invoice.delete()
    tell_screens(client)


@transaction.atomic
def post_invoice(client_id: int, *, period: date, by: Principal) -> Invoice:
    """Draft and post the invoice of a client for a month, in one transaction.

    A second run, also at the same moment, returns the invoice of the first.

    Errors: as `draft_invoice` and `post_draft`.
    Publishes: InvoicePosted, once.
    """
    client = common.client_for(by, client_id, POST)
    invoice = _draft(client, common.month(period), by=by)
    return invoice if invoice.is_posted else _post(invoice, by=by)


@transaction.atomic
def post_draft(public_id: UUID | str, *, by: Principal) -> Invoice:
    """Give a draft invoice its number and freeze it. Posting again does nothing.

    Errors: NotVisible; NotAllowed; Refused while a line has no amount or for an empty draft.
    Publishes: InvoicePosted, once.
    """
    invoice = _locked(public_id, by=by, permission=POST)
    return invoice if invoice.is_posted else _post(invoice, by=by)


def _draft(client: Client, period: date, *, by: Principal) -> Invoice:
    common.hold("client", client.pk)
    lines = list(
        DraftLine.objects.loose()
        .filter(client=client, period=period)
        .select_for_update(of=("self",))
        .order_by("pk")
    )
    of_period = Invoice.objects.filter(client=client, period=period)
    draft = of_period.exclude(state=InvoiceState.POSTED).first()
    if not lines:
        newest = draft or of_period.order_by("-number").first()
        if newest is None:
            raise Refused(_("Nothing waits to be invoiced for this month."), code="nothing")
        return newest  # type: ignore[no-any-return]
    _refuse_exceptions(lines, client.currency)
    _profile(client)
    if draft is None:
        draft = Invoice.objects.create(
            client=client,
            period=period,
            currency=client.currency,
            currency_places=_places(client.currency),
        )
        audit.record("invoice.drafted", draft, by=by, after={"period": str(period)})
    DraftLine.objects.filter(pk__in=[line.pk for line in lines]).update(
        invoice=draft, changed_at=clock.now()
    )
    tell_screens(client)
    return draft


def _post(invoice: Invoice, *, by: Principal) -> Invoice:
    client = invoice.client
    lines = list(
        DraftLine.objects.waiting()
        .filter(invoice=invoice)
        .select_for_update(of=("self",))
        .order_by("line_kind", "first_day", "pk")
    )
    if not lines:
        raise Refused(_("Nothing is on this invoice."), code="nothing")
    _refuse_exceptions(lines, invoice.currency)
    profile = _profile(client)
    totals = invoice_totals(
        [
            (Money(line.amount, line.currency), profile.tax_ratio)
            for line in lines
            if line.amount is not None
        ],
        invoice.currency,
    )
    today = clock.today(client.zone)
    InvoiceLine.objects.bulk_create(
        _line(invoice, line, position, profile) for position, line in enumerate(lines, start=1)
    )
    DraftLine.objects.filter(pk__in=[line.pk for line in lines]).update(
        state=DraftLineState.INVOICED, changed_at=clock.now()
    )
    invoice.due_on = today + timedelta(days=profile.payment_days)
    number = freeze(invoice, totals, buyer(profile), issued_on=today, by=by)
    publish(InvoicePosted(invoice_id=invoice.pk, number=number, client_id=client.pk))
    tell_screens(client)
    return invoice


def freeze(
    document: Invoice | CreditNote,
    totals: InvoiceTotals,
    buyer_facts: dict[str, str],
    *,
    issued_on: date,
    by: Principal,
) -> int:
    """Give a document its totals, its parties and the next number of its kind; return the number.

    The counter's row stays locked until the transaction ends, so a posting that fails leaves no
    gap. The database checks that the lines add up.
    """
    document.net, document.tax = totals.net.amount, totals.tax.amount
    document.total = totals.gross.amount
    document.tax_parts = [
        {"ratio": str(part.tax_ratio), "net": str(part.net.amount), "tax": str(part.tax.amount)}
        for part in totals.taxes
    ]
    document.seller, document.buyer = seller(), buyer_facts
    document.issued_on = issued_on
    document.posted_at, document.posted_by = clock.now(), common.person(by)
    number = _next_number(document._meta.model_name or "")
    document.number = number
    document.state = InvoiceState.POSTED
    document.save()
    audit.record(
        f"{document._meta.model_name}.posted",
        document,
        by=by,
        after={
            "number": document.number,
            "net": str(document.net),
            "tax": str(document.tax),
            "total": str(document.total),
            "currency": document.currency,
        },
    )
    return number


def seller() -> dict[str, str]:
    """Return who sends documents, as it is kept on each; a semicolon begins a new line."""
    return {
        "name": settings.MSP_NAME,
        "address": _in_lines(settings.MSP_ADDRESS),
        "tax_id": settings.MSP_TAX_ID,
        "bank": _in_lines(settings.MSP_BANK),
        "phone": settings.MSP_PHONE,
    }


def _in_lines(text: str) -> str:
    return "\n".join(part.strip() for part in text.split(";") if part.strip())


def buyer(profile: BillingProfile) -> dict[str, str]:
    """Return whom a document is for, as it is kept there."""
    return {
        "name": profile.invoice_name,
        "address": profile.address,
        "tax_id": profile.tax_id,
        "reference": profile.reference,
    }


def _line(invoice: Invoice, line: DraftLine, position: int, profile: BillingProfile) -> InvoiceLine:
    same: dict[str, Any] = {
        name: getattr(line, name)
        for name in (
            "line_kind", "description", "clause", "coverage", "first_day", "last_day", "quantity",
            "unit", "price_per", "price_source", "evidence", "unit_price", "amount",
        )
    }  # fmt: skip
    return InvoiceLine(
        client_id=invoice.client_id,
        invoice=invoice,
        draft_line=line,
        position=position,
        tax_ratio=profile.tax_ratio,
        **same,
    )


def _locked(public_id: UUID | str, *, by: Principal, permission: str) -> Invoice:
    found = common.seen(Invoice, by, public_id=public_id)
    require(by, permission, found.client_id)
    common.hold("client", found.client_id)
    return common.seen(Invoice, by, lock=True, pk=found.pk)


def _next_number(kind: str) -> int:
    counter = DocumentCounter.objects.select_for_update().filter(name=kind).first()
    if counter is None:
        DocumentCounter.objects.get_or_create(name=kind)
        counter = DocumentCounter.objects.select_for_update().get(name=kind)
    number = counter.next_number
    DocumentCounter.objects.filter(name=kind).update(next_number=number + 1)
    return number


def _refuse_exceptions(lines: list[DraftLine], currency: str) -> None:
    if any(line.exception or line.currency != currency for line in lines):
        raise Refused(
            _("Some lines have no amount yet: set the price, or leave them out."),
            code="exceptions",
        )


def _profile(client: Client) -> BillingProfile:
    profile = selectors.profile_for(client)
    if profile is None:
        raise Refused(
            _("%(name)s has no billing profile: say to whom invoices go.") % {"name": client.name},
            code="no_profile",
        )
    return profile


def _places(currency: str) -> int:
    return max(0, -int(quantum(currency).as_tuple().exponent))
