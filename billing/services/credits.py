"""Credit notes: what is given back of a posted invoice, which itself never changes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import DecimalField, Sum, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from billing.domain.pricing import invoice_totals
from billing.events import CreditNotePosted
from billing.models import CreditNote, CreditNoteLine, Invoice, InvoiceLine
from billing.permissions import POST
from billing.services import common
from billing.services.invoicing import freeze
from billing.services.lines import tell_screens
from msp.core import clock
from msp.core.errors import BadInput, Refused
from msp.core.events import publish
from msp.core.money import Money, round_money
from msp.core.permissions import require
from msp.core.scope import Principal


@transaction.atomic
def credit_invoice(
    public_id: UUID | str,
    *,
    by: Principal,
    reason: str,
    amounts: Mapping[UUID, Decimal] | None = None,
    token: str = "",
) -> CreditNote:
    """Give back all that is left of a posted invoice, or net `amounts` of its lines by public id.

    Never more than a line is worth, over all credit notes. The same `token` credits once.

    Errors: NotVisible; NotAllowed; BadInput for an amount or line that is wrong; Refused if the
    invoice is a draft (`not_posted`) or nothing is left of it (`credited`).
    Publishes: CreditNotePosted.
    """
    found = common.seen(Invoice, by, public_id=public_id)
    require(by, POST, found.client_id)
    common.hold("client", found.client_id)
    invoice = common.seen(Invoice, by, lock=True, pk=found.pk)
    note_id = common.id_for(by, token)
    made = CreditNote.objects.filter(public_id=note_id, invoice=invoice).first()
    if made is not None:
        return made  # type: ignore[no-any-return]
    if not invoice.is_posted:
        raise Refused(_("A draft is thrown away, not credited."), code="not_posted")
    reason = common.need(reason, "reason", most=250)
    lines = _credited_lines(invoice, amounts)
    note = CreditNote.objects.create(
        public_id=note_id,
        client_id=invoice.client_id,
        invoice=invoice,
        reason=reason,
        currency=invoice.currency,
        currency_places=invoice.currency_places,
    )
    CreditNoteLine.objects.bulk_create(
        CreditNoteLine(
            client_id=invoice.client_id,
            credit_note=note,
            invoice_line=line,
            position=position,
            description=line.description,
            amount=amount,
            tax_ratio=line.tax_ratio,
        )
        for position, (line, amount) in enumerate(lines, start=1)
    )
    totals = invoice_totals(
        [(Money(amount, invoice.currency), line.tax_ratio) for line, amount in lines],
        invoice.currency,
    )
    today = clock.today(invoice.client.zone)
    number = freeze(note, totals, invoice.buyer, issued_on=today, by=by)
    publish(CreditNotePosted(credit_note_id=note.pk, number=number, client_id=invoice.client_id))
    tell_screens(invoice.client)
    return note


def _credited_lines(
    invoice: Invoice, amounts: Mapping[UUID, Decimal] | None
) -> list[tuple[InvoiceLine, Decimal]]:
    rows = (
        InvoiceLine.objects.filter(invoice=invoice)
        .annotate(
            given=Coalesce(Sum("credits__amount"), Value(Decimal(0)), output_field=DecimalField())
        )
        .order_by("position")
    )
    lines = {line.public_id: line for line in rows}
    if amounts is None:
        left = [(line, line.amount - line.given) for line in lines.values()]
        whole: list[tuple[InvoiceLine, Decimal]] = [
            (line, amount) for line, amount in left if amount > 0
        ]
        if not whole:
            raise Refused(_("Nothing is left of this invoice to give back."), code="credited")
        return whole
    if set(amounts) - set(lines):
        raise BadInput(_("This line is not on the invoice."), field="amounts")
    chosen: list[tuple[InvoiceLine, Decimal]] = []
    for public_id, line in lines.items():
        amount = amounts.get(public_id, Decimal(0))
        if not amount.is_finite() or amount < 0:
            raise BadInput(_("Amounts to give back are positive."), field="amounts")
        if amount > line.amount - line.given:
            raise BadInput(
                _("Line %(position)s: more than is left of it.") % {"position": line.position},
                field="amounts",
            )
        if amount != round_money(amount, invoice.currency):
            raise BadInput(
                _("Line %(position)s: too many decimal places.") % {"position": line.position},
                field="amounts",
            )
        if amount:
            chosen.append((line, amount))
    if not chosen:
        raise BadInput(_("Say how much to give back."), field="amounts")
    return chosen
