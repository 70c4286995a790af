"""Draft lines of approved time: made once for each entry, priced, repriced, left out."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext as _

from billing import selectors
from billing.domain.fees import month_of
from billing.domain.pricing import price_time
from billing.enums import DraftLineState, LineException, LineKind, Unit
from billing.models import DraftLine
from billing.permissions import PREPARE
from billing.services import common
from billing.words import day_words
from clients.models import Client
from msp.core import audit, clock, live
from msp.core.errors import Refused
from msp.core.money import Money
from msp.core.permissions import require
from msp.core.scope import Principal
from tickets import selectors as ticket_selectors
from tickets.enums import Coverage, WorkType
from tickets.selectors import BillableEntry

MINUTES_AN_HOUR = 60


@transaction.atomic
def draft_line_for_time(time_entry_id: int, *, by: Principal) -> DraftLine:
    """Make the draft line of an approved time entry, once however often this is asked.

    Covered time costs 0.00 and names its clause. Billable time costs its rounded minutes at the
    price of the day it began, by the client's calendar; without a price the line has no amount and
    says so. The unique key on the entry settles races.

    Errors: NotVisible for an entry that is not approved; NotAllowed.
    """
    entry = ticket_selectors.billable_entry(time_entry_id)
    client = common.client_for(by, entry.client_id, PREPARE)
    day = _day(entry.started_at, client)
    values = _time_facts(entry, day) | _priced(entry, client, day)
    line, made = DraftLine.objects.get_or_create(
        time_entry_id=entry.time_entry_id,
        defaults={
            "client": client,
            "contract_id": entry.contract_id,
            "source_ref": f"time:{entry.public_id}",
            "period": month_of(day),
            "state": DraftLineState.DRAFT,
            **values,
        },
    )
    if made:
        audit.record("draft_line.made", line, by=by, after=facts(line))
        tell_screens(client)
    return line


@transaction.atomic
def price_again(client_id: int, *, period: date, by: Principal) -> int:
    """Price a client's waiting time of a month by today's price list; return how many changed.

    Errors: NotVisible; NotAllowed.
    """
    client = common.client_for(by, client_id, PREPARE)
    common.hold("client", client.pk)
    lines = DraftLine.objects.waiting().filter(client=client, period=common.month(period))
    return _reprice(client, lines, by=by)


@transaction.atomic
def price_exceptions(client_id: int, *, by: Principal) -> int:
    """Price the lines of a client that had no price; return how many have one now.

    Errors: NotVisible; NotAllowed.
    """
    client = common.client_for(by, client_id, PREPARE)
    common.hold("client", client.pk)
    return _reprice(client, DraftLine.objects.exceptions().filter(client=client), by=by)


def price_all_exceptions(*, by: Principal) -> int:
    """Price what had no price, client by client, each in a transaction of its own.

    Errors: NotAllowed.
    """
    rows = DraftLine.objects.visible_to(by).exceptions().order_by("client_id")
    clients = list(rows.distinct("client_id").values_list("client_id", flat=True))
    return sum(price_exceptions(client_id, by=by) for client_id in clients)


@transaction.atomic
def drop_line(public_id: UUID | str, *, by: Principal, reason: str) -> DraftLine:
    """Leave a line out of invoices, with a reason; nothing about it is charged.

    Errors: NotVisible; NotAllowed; BadInput without a reason; Refused if it is invoiced.
    """
    line = _locked(public_id, by=by)
    if line.state == DraftLineState.DROPPED:
        return line
    reason = common.need(reason, "reason", most=250)
    drop(line, by=by, reason=reason)
    tell_screens(line.client)
    return line


@transaction.atomic
def restore_line(public_id: UUID | str, *, by: Principal) -> DraftLine:
    """Let a line that was left out wait for an invoice again.

    Errors: NotVisible; NotAllowed; Refused if it is invoiced.
    """
    line = _locked(public_id, by=by)
    if line.state == DraftLineState.DRAFT:
        return line
    line.state, line.drop_reason, line.changed_at = DraftLineState.DRAFT, "", clock.now()
    line.save(update_fields=["state", "drop_reason", "changed_at"])
    audit.record("draft_line.restored", line, by=by, after=facts(line))
    tell_screens(line.client)
    return line


def drop(line: DraftLine, *, by: Principal, reason: str) -> None:
    """Write that a locked line is left out, and take it off its draft invoice."""
    before = facts(line)
    line.state, line.drop_reason, line.invoice = DraftLineState.DROPPED, reason, None
    line.changed_at = clock.now()
    line.save(update_fields=["state", "drop_reason", "invoice", "changed_at"])
    audit.record("draft_line.dropped", line, by=by, reason=reason, before=before)


def facts(line: DraftLine) -> dict[str, object]:
    """Return what an audit row keeps of a line."""
    return {
        "source": line.source_ref,
        "period": line.period.isoformat(),
        "amount": None if line.amount is None else str(line.amount),
        "currency": line.currency,
        "clause": line.clause,
        "exception": str(line.exception),
        "state": str(line.state),
    }


def tell_screens(client: Client) -> None:
    """Hint to open billing pages that something of a client changed."""
    live.touch("invoices", str(client.public_id), client_id=client.pk)


def _locked(public_id: UUID | str, *, by: Principal) -> DraftLine:
    found = common.seen(DraftLine, by, public_id=public_id)
    require(by, PREPARE, found.client_id)
    common.hold("client", found.client_id)
    line = common.seen(DraftLine, by, lock=True, pk=found.pk)
    if line.state == DraftLineState.INVOICED:
        raise Refused(_("This line is invoiced; write a credit note."), code="invoiced")
    return line


def _reprice(client: Client, lines: Any, *, by: Principal) -> int:
    changed = 0
    rows = lines.filter(time_entry__isnull=False).select_for_update(of=("self",)).order_by("pk")
    for line in rows:
        entry = ticket_selectors.billable_entry(line.time_entry_id)
        new = _priced(entry, client, line.first_day)
        if any(getattr(line, name) != value for name, value in new.items()):
            before = facts(line)
            for name, value in new.items():
                setattr(line, name, value)
            line.changed_at = clock.now()
            line.save(update_fields=[*new, "changed_at"])
            audit.record("draft_line.priced", line, by=by, before=before, after=facts(line))
            changed += 1
    if changed:
        tell_screens(client)
    return changed


def _day(at: datetime, client: Client) -> date:
    return at.astimezone(ZoneInfo(client.zone)).date()


def _time_facts(entry: BillableEntry, day: date) -> dict[str, Any]:
    work = WorkType(entry.work_type).label
    return {
        "line_kind": LineKind.TIME_AND_MATERIAL,
        "description": _("%(work)s: ticket %(number)s, %(subject)s")
        % {"work": work, "number": entry.number, "subject": entry.subject},
        "clause": entry.clause,
        "coverage": entry.coverage,
        "first_day": day,
        "last_day": day,
        "unit": Unit.MINUTE,
        "price_per": MINUTES_AN_HOUR,
        "evidence": {
            "kind": "time",
            "ticket": entry.number,
            "subject": entry.subject,
            "person": entry.person_name,
            "work_type": entry.work_type,
            "started_at": entry.started_at.isoformat(),
            "minutes": entry.minutes,
            "note": entry.note,
        },
    }


def _priced(entry: BillableEntry, client: Client, day: date) -> dict[str, Any]:
    """Return quantity, price and amount of an entry, or why it has none."""
    free: dict[str, Any] = {"currency": client.currency, "exception": "", "exception_text": ""}
    if entry.coverage == Coverage.COVERED:
        zero = Money.zero(client.currency).amount
        return free | {
            "quantity": Decimal(entry.minutes),
            "unit_price": zero,
            "amount": zero,
            "price_source": _("covered by the contract"),
        }
    price = selectors.hour_price(
        client_id=client.pk,
        contract_id=entry.contract_id,
        work_type=entry.work_type,
        currency=client.currency,
        day=day,
    )
    if price is None:
        words = {
            "work": str(WorkType(entry.work_type).label).lower(),
            "currency": client.currency,
            "day": day_words(day),
        }
        return {
            "currency": client.currency,
            "quantity": Decimal(entry.minutes),
            "unit_price": None,
            "amount": None,
            "price_source": "",
            "exception": LineException.NO_PRICE,
            "exception_text": _("No price for %(work)s work in %(currency)s on %(day)s.") % words,
        }
    priced = price_time(
        entry.minutes,
        rate_per_hour=price.price_per_hour,
        currency=client.currency,
        coverage=Coverage.BILLABLE,
        clause=entry.clause or _("not listed"),
        rounding=price.rounding,
    )
    return free | {
        "quantity": Decimal(priced.billed_minutes),
        "unit_price": priced.rate_per_hour,
        "amount": priced.amount.amount,
        "price_source": price.source,
    }
