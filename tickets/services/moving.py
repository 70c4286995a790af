"""Move a ticket to the client it belongs to: a copy with a link. No row changes its client."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from clients import selectors as client_selectors
from msp.core import audit, clock
from msp.core.errors import BadInput, NotVisible, Refused
from msp.core.events import publish
from msp.core.scope import Principal
from tickets.domain.sla import is_human_contact
from tickets.enums import AuthorKind, ClockEventKind, ClockTarget, MessageKind, Status
from tickets.events import TicketOpened
from tickets.models import ClockEvent, Message, Ticket, TicketCounter, TimeEntry
from tickets.selectors import choices
from tickets.services import _common, thread
from tickets.services import clock as clocks
from tickets.services.lifecycle import STATUS_FIELDS
from tickets.services.opening import COUNTER, next_number
from tickets.services.time import cover


@transaction.atomic
def move_ticket(
    number: int, *, by: Principal, client_id: int, contact_id: int | None = None, reason: str = ""
) -> Ticket:
    """Move a ticket to another client; return the ticket there.

    The new ticket has the other client's promise, from when the work was first asked for, and a
    copy of the thread as notes: whose eyes a text was meant for is not known there. Unapproved time
    goes along. The old ticket closes, and its clocks are taken back, since nothing was owed to that
    client.

    Errors: NotVisible for a ticket, client or contact not visible; NotAllowed; BadInput for the
    same client; Refused while a timer runs, once time was approved, or once it is closed.
    Publishes: TicketOpened.
    """
    old = _common.lock_ticket(number, by=by)
    _common.refuse_contact(by)
    _common.require_staff(by, "tickets.work", old.client_id)
    client = choices.client_by_id(by, client_id)
    if client is None:
        raise NotVisible
    _common.require_staff(by, "tickets.work", client.pk)
    if client.pk == old.client_id:
        raise BadInput(_("The ticket is this client's already."), field="client")
    if old.status == Status.CLOSED:
        raise Refused(_("A closed ticket stays where it is."), code="closed")
    if (
        contact_id is not None
        and not choices.contacts_for(by, client.pk).filter(pk=contact_id).exists()
    ):
        raise NotVisible
    entries = list(TimeEntry.objects.filter(ticket=old).select_for_update())
    if any(entry.minutes is None for entry in entries):
        raise Refused(_("Stop the timer first."), code="timer_runs")
    if any(entry.approved_at is not None for entry in entries):
        raise Refused(
            _("Time on this ticket was approved, and may be billed to this client."),
            code="time_approved",
        )
    at = clock.now()
    new = _copy(old, client_id=client.pk, contact_id=contact_id, by=by)
    _copy_thread(old, new)
    _copy_clocks(old, new, by=by)
    for entry in entries:
        _copy_time(entry, new)
        entry.minutes, entry.note = 0, _("Moved to ticket %(number)s") % {"number": new.number}
        entry.save(update_fields=["minutes", "note"])
    thread.show_last_line(new)
    thread.system_line(new, _("Moved here from ticket %(number)s") % {"number": old.number}, by=by)
    clocks.settle(new, *thread.THREAD_FIELDS)

    thread.system_line(old, _("Moved to ticket %(number)s") % {"number": new.number}, by=by)
    for start in ClockEvent.objects.filter(ticket=old, kind=ClockEventKind.START):
        clocks.record(
            old,
            ClockTarget(start.target),
            ClockEventKind.CORRECT,
            by=by,
            at=at,
            reason="moved",
            corrects=start.pk,
        )
    old.status, old.status_since, old.closed_at = Status.CLOSED, at, at
    old.scheduled_for = None
    clocks.settle(old, *STATUS_FIELDS)
    audit.record(
        "ticket.moved",
        old,
        by=by,
        reason=reason,
        before={"client": old.client_id},
        after={"client": new.client_id, "number": new.number},
    )
    audit.record(
        "ticket.opened",
        new,
        by=by,
        reason=reason,
        after={"number": new.number, "moved_from": old.number, "promise": new.sla_reason},
    )
    publish(TicketOpened(ticket_id=new.pk, number=new.number, client_id=new.client_id))
    return new


def _copy(old: Ticket, *, client_id: int, contact_id: int | None, by: Principal) -> Ticket:
    number = next_number()
    new = Ticket(
        number=number,
        client_id=client_id,
        contact_id=contact_id,
        kind=old.kind,
        source=old.source,
        source_ref=old.source_ref,
        status=Status.NEW if old.status == Status.NEW else Status.IN_PROGRESS,
        status_since=clock.now(),
        impact=old.impact,
        urgency=old.urgency,
        priority=old.priority,
        owner=old.owner,
        subject=old.subject,
        opened_at=old.opened_at,
        opened_by=_common.person(by),
        moved_from=old,
    )
    clocks.freeze(
        new, client_selectors.promise_for(client_id=client_id, site_id=None, at=old.opened_at)
    )
    new.save(force_insert=True)
    TicketCounter.objects.filter(name=COUNTER).update(next_number=number + 1)
    return new


def _copy_thread(old: Ticket, new: Ticket) -> None:
    Message.objects.bulk_create(
        Message(
            client_id=new.client_id,
            ticket=new,
            kind=MessageKind.SYSTEM if message.kind == MessageKind.SYSTEM else MessageKind.NOTE,
            author_kind=message.author_kind,
            author_user_id=message.author_user_id,
            author_label=message.author_label,
            body=message.body,
            channel=message.channel,
            at=message.at,
            recorded_at=message.recorded_at,
            minutes=message.minutes,
        )
        for message in Message.objects.filter(ticket=old).order_by("id")
    )


def _copy_clocks(old: Ticket, new: Ticket, *, by: Principal) -> None:
    """Start the new promises when the work was asked for; a first answer given counts as given."""
    clocks.start_all(new, by=by, at=new.opened_at)
    answered = [
        message.at
        for message in Message.objects.filter(ticket=old, author_kind=AuthorKind.STAFF)
        if is_human_contact(
            MessageKind(message.kind),
            AuthorKind(message.author_kind),
            has_reader=old.contact_id is not None,
        )
    ]
    for at in sorted(answered):
        clocks.meet_by_contact(new, by=by, at=at)


def _copy_time(entry: TimeEntry, new: Ticket) -> None:
    coverage, clause = cover(new, work_type=entry.work_type, at=entry.started_at)
    TimeEntry.objects.create(
        client_id=new.client_id,
        ticket=new,
        person_id=entry.person_id,
        started_at=entry.started_at,
        minutes=entry.minutes,
        work_type=entry.work_type,
        note=entry.note,
        coverage=coverage,
        clause=clause[:120],
    )
