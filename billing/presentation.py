"""How lines and documents are shown, on screen and on paper alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _

from billing.domain.pricing import InvoiceTotals
from billing.enums import Unit
from billing.models import CreditNote, CreditNoteLine, DraftLine, Invoice, InvoiceLine
from billing.words import DAY, days_of
from msp.core.templatetags.ui import NBSP, duration_minutes, money
from tickets.enums import Coverage, WorkType


@dataclass(frozen=True)
class TaxRow:
    """The tax of one rate."""

    ratio: Decimal
    net: Decimal
    tax: Decimal

    @property
    def label(self) -> str:
        """The rate without a needless zero: 23 %, 13.5 %."""
        return tax_words(self.ratio)


@dataclass(frozen=True)
class LineView:
    """One line as words: what, how much, by which clause, and the evidence behind it."""

    line: Any
    position: int
    element_id: str
    description: str
    amount: Decimal | None
    currency: str
    quantity: str = ""
    price: str = ""
    days: str = ""
    clause: str = ""
    is_covered: bool = False
    source: str = ""
    ticket: int | None = None
    facts: list[tuple[str, str]] = field(default_factory=list)
    note: str = ""
    credited: Decimal = Decimal(0)


def tax_words(ratio: Decimal) -> str:
    """Return a tax rate as per cent, with as many places as it has."""
    share = (ratio * 100).normalize()
    places = max(0, -int(share.as_tuple().exponent))
    return f"{number_format(share, places)}{NBSP}%"


def line_views(
    lines: Iterable[InvoiceLine | DraftLine | CreditNoteLine], currency: str, *, zone: str = "UTC"
) -> list[LineView]:
    """Return lines as words; instants in the client's zone."""
    return [_view(line, position, currency, zone) for position, line in enumerate(lines, start=1)]


def _view(
    line: InvoiceLine | DraftLine | CreditNoteLine, position: int, currency: str, zone: str
) -> LineView:
    if isinstance(line, CreditNoteLine):
        return LineView(
            line=line,
            position=position,
            element_id=f"line-{line.public_id}",
            description=line.description,
            amount=line.amount,
            currency=currency,
        )
    currency = getattr(line, "currency", currency)
    is_time = line.unit == Unit.MINUTE
    is_covered = line.coverage == Coverage.COVERED
    price = ""
    if line.unit_price is not None and not is_covered:
        form = _("%(price)s an hour") if is_time else _("%(price)s a month")
        price = form % {"price": money(line.unit_price, currency)}
    return LineView(
        line=line,
        position=position,
        element_id=f"line-{line.public_id}",
        description=line.description,
        amount=line.amount,
        currency=currency,
        quantity=_quantity(line),
        price=price,
        days=days_of(line.first_day, line.last_day),
        clause=line.clause,
        is_covered=is_covered,
        source=line.price_source,
        ticket=line.evidence.get("ticket"),
        facts=_time_facts(line, zone) if is_time else _fee_facts(line, currency),
        note=str(line.evidence.get("note", "")),
        credited=getattr(line, "credited", Decimal(0)),
    )


def _quantity(line: InvoiceLine | DraftLine) -> str:
    if line.unit == Unit.MINUTE:
        return str(duration_minutes(int(line.quantity)))
    words = {"days": number_format(int(line.quantity)), "all": line.price_per}
    if int(line.quantity) == line.price_per:
        return _("1 month")
    return _("%(days)s of %(all)s days") % words


def _time_facts(line: InvoiceLine | DraftLine, zone: str) -> list[tuple[str, str]]:
    known = line.evidence
    began = datetime.fromisoformat(known["started_at"]).astimezone(ZoneInfo(zone))
    rows = [
        (_("Work"), str(WorkType(known["work_type"]).label)),
        (_("By"), known["person"]),
        (_("Began"), date_format(began, f"{DAY}, H:i")),
        (_("Worked"), str(duration_minutes(known["minutes"]))),
    ]
    if line.coverage != Coverage.COVERED and line.amount is not None:
        rows.append((_("Billed"), str(duration_minutes(int(line.quantity)))))
    return rows


def _fee_facts(line: InvoiceLine | DraftLine, currency: str) -> list[tuple[str, str]]:
    known = line.evidence
    return [
        (_("Contract"), known["contract"]),
        (_("Fee a month"), money(known["monthly"], currency)),
        (_("Days charged"), days_of(line.first_day, line.last_day)),
    ]


def tax_rows(document: Invoice | CreditNote, totals: InvoiceTotals | None = None) -> list[TaxRow]:
    """Return the taxes of a posted document, or those a draft would have."""
    if totals is not None:
        return [TaxRow(part.tax_ratio, part.net.amount, part.tax.amount) for part in totals.taxes]
    return [
        TaxRow(Decimal(part["ratio"]), Decimal(part["net"]), Decimal(part["tax"]))
        for part in document.tax_parts
    ]


def document_context(
    document: Invoice | CreditNote,
    lines: Iterable[InvoiceLine | DraftLine | CreditNoteLine],
    *,
    totals: InvoiceTotals | None = None,
) -> dict[str, Any]:
    """Return what the template of a document needs, for the page and for the PDF."""
    is_credit = isinstance(document, CreditNote)
    return {
        "document": document,
        "is_credit": is_credit,
        "lines": line_views(lines, document.currency, zone=document.client.zone),
        "taxes": tax_rows(document, totals),
        "net": totals.net.amount if totals else document.net,
        "tax": totals.tax.amount if totals else document.tax,
        "total": totals.gross.amount if totals else document.total,
        "has_totals": document.is_posted or totals is not None,
    }
