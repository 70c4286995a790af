"""Note, time and status in one step: what a technician does at the end of a piece of work."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from msp.core.errors import BadInput
from msp.core.scope import Principal
from tickets.enums import MessageKind, WorkType
from tickets.models import Message, Ticket, TimeEntry
from tickets.services import _common
from tickets.services.lifecycle import change_status, resolve_ticket
from tickets.services.messages import add_message
from tickets.services.time import log_time, stop_timer


@transaction.atomic
def note_time_resolve(
    number: int,
    *,
    by: Principal,
    body: str = "",
    kind: str = MessageKind.NOTE,
    at: datetime | None = None,
    minutes: int | None = None,
    work_type: str = WorkType.REMOTE,
    resolution: str = "",
    status: str = "",
    until: datetime | None = None,
    stop: bool = False,
    token: str = "",
) -> Ticket:
    """Write a message, log time and change the status, all or nothing, each only if given.

    `resolution` resolves the ticket; `status` sets another status instead. `stop` ends the caller's
    running timer with the message as its note. The same `token` does everything once.

    Errors: those of `add_message`, `log_time`, `resolve_ticket` and `change_status`.
    Publishes: what those publish.
    """
    if not (body.strip() or minutes is not None or resolution.strip() or status or stop):
        raise BadInput(_("Write something first."), field="body")
    ticket = _common.lock_ticket(number, by=by)
    if _was_done(ticket, by=by, token=token, resolution=resolution.strip()):
        return ticket
    if body.strip():
        message = add_message(
            number,
            by=by,
            kind=kind,
            body=body,
            at=at,
            minutes=minutes if kind != MessageKind.NOTE else None,
            token=token,
        )
        ticket = message.ticket
    if stop:
        stop_timer(number, by=by, note=body, work_type=work_type)
    if minutes is not None:
        entry = log_time(
            number,
            by=by,
            minutes=minutes,
            work_type=work_type,
            note=body,
            token=f"{token}:time" if token else "",
        )
        ticket = entry.ticket
    if resolution.strip():
        return resolve_ticket(number, by=by, resolution=resolution)
    if status:
        return change_status(number, by=by, status=status, until=until)
    return ticket


def _was_done(ticket: Ticket, *, by: Principal, token: str, resolution: str) -> bool:
    """Return whether this very submission has been through; the ticket's lock makes it wait."""
    said, logged = _common.id_for(by, token), _common.id_for(by, f"{token}:time")
    if not token or said is None or logged is None:
        return False
    return (
        Message.objects.filter(ticket=ticket, public_id=said).exists()
        or TimeEntry.objects.filter(ticket=ticket, public_id=logged).exists()
        or bool(resolution and not ticket.is_open and ticket.resolution == resolution)
    )
