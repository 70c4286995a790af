"""Print the story of a ticket: everything one act caused shares a correlation id."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from msp.core.models import AuditEntry, Delivery
from msp.core.scope import SystemPrincipal, acting_as
from tickets.models import ClockEvent, Message, Ticket, TimeEntry


@dataclass(frozen=True, order=True)
class Line:
    """One line of the story; `order` keeps what happened at one instant as it was written."""

    at: datetime
    order: int
    what: str
    text: str
    correlation_id: str = ""


class Command(BaseCommand):
    help = "Print what happened to a ticket, in order: trace ticket 1042"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=["ticket"])
        parser.add_argument("number", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        with acting_as(SystemPrincipal("trace")):
            ticket = Ticket.objects.filter(number=options["number"]).first()
            if ticket is None:
                raise CommandError(f"There is no ticket {options['number']}.")
            self.stdout.write(
                f"{ticket.number} {ticket.subject} ({ticket.client}), {ticket.status}"
            )
            for line in story(ticket):
                tail = f"  [{line.correlation_id[:8]}]" if line.correlation_id else ""
                self.stdout.write(f"{line.at:%Y-%m-%d %H:%M:%S}  {line.what:<9} {line.text}{tail}")


def story(ticket: Ticket) -> list[Line]:
    """Return the lines: audit rows, messages, clock events, and deliveries of the same acts."""
    acts = list(_audit_rows(ticket))
    correlations = {row.correlation_id for row in acts}
    lines = [
        Line(
            row.at, 0, "audit", f"{row.action} by {row.actor_label}{_why(row)}", row.correlation_id
        )
        for row in acts
    ]
    lines += [
        Line(
            row.recorded_at,
            1,
            row.kind,
            f"{row.author_label}: {_short(row.body)}{_late(row.at, row.recorded_at)}",
        )
        for row in Message.objects.filter(ticket=ticket).order_by("id")
    ]
    lines += [
        Line(
            row.recorded_at,
            2,
            "clock",
            f"{row.target} {row.kind}{f' ({row.reason})' if row.reason else ''} by {row.by_label}"
            f"{_late(row.effective_at, row.recorded_at)}",
        )
        for row in ClockEvent.objects.filter(ticket=ticket).order_by("id")
    ]
    lines += [
        Line(
            row.created_at,
            3,
            "delivery",
            f"{row.event.rsplit('.', 1)[-1]} → {row.handler} ({_state(row)})",
            row.correlation_id,
        )
        for row in Delivery.objects.filter(correlation_id__in=correlations).order_by("id")
        if row.payload.get("ticket_id") in (ticket.pk, None)
    ]
    return sorted(lines, key=lambda line: (line.at, line.order))


def _audit_rows(ticket: Ticket) -> list[AuditEntry]:
    """Return the audit rows of the ticket and its time, and all that the same acts wrote."""
    times = [str(pk) for pk in TimeEntry.objects.filter(ticket=ticket).values_list("pk", flat=True)]
    own = AuditEntry.objects.filter(
        target_type="tickets.ticket", target_id=str(ticket.pk)
    ) | AuditEntry.objects.filter(target_type="tickets.timeentry", target_id__in=times)
    correlations = set(own.values_list("correlation_id", flat=True))
    caused = AuditEntry.objects.filter(
        correlation_id__in=correlations, client_id=ticket.client_id
    ).exclude(target_type__in=("tickets.ticket", "tickets.timeentry"))
    return sorted([*own, *caused], key=lambda row: row.pk)


def _why(row: AuditEntry) -> str:
    return f": {row.reason}" if row.reason else ""


def _late(at: datetime, recorded_at: datetime) -> str:
    late = (recorded_at - at).total_seconds() >= 1
    return f" (at {at:%Y-%m-%d %H:%M:%S}, written down afterwards)" if late else ""


def _state(row: Delivery) -> str:
    if row.done_at:
        return "done"
    return "dead" if row.dead_at else f"tried {row.attempts}"


def _short(body: str) -> str:
    text = " ".join(body.split())
    return text if len(text) <= 100 else f"{text[:99]}…"
