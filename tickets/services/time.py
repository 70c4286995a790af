"""Time people spent: logged, measured, changed until approved."""

from __future__ import annotations

import math
import uuid
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from clients import selectors as client_selectors
from msp.core import audit, clock
from msp.core.enums import UserKind
from msp.core.errors import BadInput, NotAllowed, NotVisible, Refused
from msp.core.events import publish
from msp.core.models import User
from msp.core.permissions import can
from msp.core.scope import Principal
from tickets.domain.worktime import is_open
from tickets.enums import Coverage, WorkType
from tickets.events import TimeEntryApproved
from tickets.models import Ticket, TimeEntry
from tickets.services import _common
from tickets.services import clock as clocks

#: Longest entry: a day, in minutes.
LONGEST = 24 * 60


@transaction.atomic
def log_time(
    number: int,
    *,
    by: Principal,
    minutes: int,
    work_type: str = WorkType.REMOTE,
    note: str = "",
    started_at: datetime | None = None,
    person: User | None = None,
    token: str = "",
) -> TimeEntry:
    """Log minutes (0–1440) of a person's work; zero is a valid entry.

    Without `started_at` the work ended now. Whether the contract covers it is decided here, by its
    rules for the work type and for the hour at which the work began, and kept with the clause.
    Logging for another person needs the right to approve time. The same `token` logs once.

    Errors: NotVisible; NotAllowed; BadInput.
    """
    ticket = _common.lock_ticket(number, by=by)
    _common.refuse_contact(by)
    _common.require_staff(by, "tickets.work", ticket.client_id)
    whose = _person(person, by=by, client_id=ticket.client_id)
    public_id = _common.id_for(by, token)
    if public_id is not None:
        made = TimeEntry.objects.filter(public_id=public_id, ticket=ticket).first()
        if made is not None:
            return made  # type: ignore[no-any-return]
    minutes = _minutes(minutes)
    began = (
        _common.instant(started_at, field="started_at")
        if started_at is not None
        else clock.now() - timedelta(minutes=minutes)
    )
    entry = TimeEntry(
        public_id=public_id or uuid.uuid4(),
        client_id=ticket.client_id,
        ticket=ticket,
        person=whose,
        started_at=began,
        minutes=minutes,
        work_type=_work_type(work_type),
        note=note.strip(),
    )
    _cover(entry, ticket)
    entry.save(force_insert=True)
    audit.record("time.logged", entry, by=by, after=_facts(entry))
    _common.save(ticket)
    return entry


@transaction.atomic
def start_timer(number: int, *, by: Principal, work_type: str = WorkType.REMOTE) -> TimeEntry:
    """Start measuring the caller's time on a ticket.

    Errors: NotVisible; NotAllowed; Refused if the caller's timer runs already, here or elsewhere.
    """
    ticket = _common.lock_ticket(number, by=by)
    _common.refuse_contact(by)
    _common.require_staff(by, "tickets.work", ticket.client_id)
    whose = _person(None, by=by, client_id=ticket.client_id)
    entry = TimeEntry(
        client_id=ticket.client_id,
        ticket=ticket,
        person=whose,
        started_at=clock.now(),
        minutes=None,
        work_type=_work_type(work_type),
    )
    _cover(entry, ticket)
    try:
        with transaction.atomic():  # the partial unique key settles a race between two tabs
            entry.save(force_insert=True)
    except IntegrityError as error:
        raise Refused(_("Your timer runs already; stop it first."), code="timer_runs") from error
    audit.record("time.timer_started", entry, by=by, after=_facts(entry))
    _common.save(ticket)
    return entry


@transaction.atomic
def stop_timer(
    number: int, *, by: Principal, note: str = "", work_type: str | None = None
) -> TimeEntry:
    """Stop the caller's timer on a ticket; begun minutes count as whole, a day is the most.

    Errors: NotVisible; NotAllowed; Refused if no timer of the caller runs here.
    """
    ticket = _common.lock_ticket(number, by=by)
    _common.refuse_contact(by)
    _common.require_staff(by, "tickets.work", ticket.client_id)
    entry = (
        TimeEntry.objects.filter(ticket=ticket, person_id=by.pk)
        .running()
        .select_for_update()
        .first()
        if by.pk is not None
        else None
    )
    if entry is None:
        raise Refused(_("No timer of yours runs here."), code="no_timer")
    seconds = (clock.now() - entry.started_at).total_seconds()
    entry.minutes = min(math.ceil(seconds / 60), LONGEST)
    entry.note = note.strip() or entry.note
    if work_type is not None:
        entry.work_type = _work_type(work_type)
    _cover(entry, ticket)
    entry.save(update_fields=["minutes", "note", "work_type", "coverage", "clause"])
    audit.record("time.timer_stopped", entry, by=by, after=_facts(entry))
    _common.save(ticket)
    return entry


@transaction.atomic
def change_time(
    public_id: uuid.UUID | str,
    *,
    by: Principal,
    minutes: int | None = None,
    work_type: str | None = None,
    note: str | None = None,
    reason: str = "",
) -> TimeEntry:
    """Change an entry that is not approved yet: one's own, or anyone's by whoever approves time.

    Errors: NotVisible; NotAllowed; BadInput; Refused once it is approved.
    """
    entry, ticket = _lock_entry(public_id, by=by)
    _common.require_staff(by, "tickets.work", entry.client_id)
    if entry.person_id != by.pk and not can(by, "tickets.approve_time", entry.client_id):
        raise NotAllowed(_("This is somebody else's time."))
    if entry.approved_at is not None:
        raise Refused(_("Approved time does not change; log a correction."), code="time_approved")
    if entry.minutes is None:
        raise Refused(_("Stop the timer first."), code="timer_runs")
    before = _facts(entry)
    if minutes is not None:
        entry.minutes = _minutes(minutes)
    if work_type is not None:
        entry.work_type = _work_type(work_type)
    if note is not None:
        entry.note = note.strip()
    _cover(entry, ticket)
    entry.save(update_fields=["minutes", "work_type", "note", "coverage", "clause"])
    audit.record("time.changed", entry, by=by, reason=reason, before=before, after=_facts(entry))
    _common.save(ticket)
    return entry


@transaction.atomic
def approve_time(public_id: uuid.UUID | str, *, by: Principal) -> TimeEntry:
    """Approve a time entry: from now on it does not change. Approving again does nothing.

    Errors: NotVisible; NotAllowed; Refused while its timer runs.
    Publishes: TimeEntryApproved, once.
    """
    entry, ticket = _lock_entry(public_id, by=by)
    _common.require_staff(by, "tickets.approve_time", entry.client_id)
    if entry.approved_at is not None:
        return entry
    if entry.minutes is None:
        raise Refused(_("Stop the timer first."), code="timer_runs")
    entry.approved_at, entry.approved_by = clock.now(), _common.person(by)
    entry.save(update_fields=["approved_at", "approved_by"])
    audit.record("time.approved", entry, by=by, after=_facts(entry))
    publish(
        TimeEntryApproved(
            time_entry_id=entry.pk,
            ticket_id=ticket.pk,
            number=ticket.number,
            client_id=entry.client_id,
        )
    )
    _common.save(ticket)
    return entry


def cover(ticket: Ticket, *, work_type: str, at: datetime) -> tuple[Coverage, str]:
    """Return whether work that begins at an instant is covered, and by which clause."""
    covered, clause = client_selectors.coverage_of(
        ticket.contract_id,
        work_type=work_type,
        inside_hours=is_open(at, clocks.calendar_of(ticket)),
        client_id=ticket.client_id,
        at=ticket.opened_at,
    )
    return (Coverage.COVERED if covered else Coverage.BILLABLE), str(clause)


def _cover(entry: TimeEntry, ticket: Ticket) -> None:
    coverage, clause = cover(ticket, work_type=entry.work_type, at=entry.started_at)
    entry.coverage, entry.clause = coverage.value, clause[:120]


def _lock_entry(public_id: uuid.UUID | str, *, by: Principal) -> tuple[TimeEntry, Ticket]:
    """Lock an entry's ticket, then the entry. Errors: NotVisible, also for a contact."""
    number = (
        TimeEntry.objects.visible_to(by)
        .filter(public_id=public_id)
        .values_list("ticket__number", flat=True)
        .first()
    )
    if number is None:
        raise NotVisible
    ticket = _common.lock_ticket(number, by=by)
    entry = TimeEntry.objects.filter(public_id=public_id).select_for_update().get()
    return entry, ticket


def _person(person: User | None, *, by: Principal, client_id: int) -> User:
    own = _common.person(by)
    if person is None or (own is not None and person.pk == own.pk):
        if own is None:
            raise BadInput(_("Say whose time it is."), field="person")
        return own
    _common.require_staff(by, "tickets.approve_time", client_id)
    if person.kind != UserKind.STAFF or not person.is_active:
        raise BadInput(_("Only people of ours log time."), field="person")
    return person


def _minutes(value: int) -> int:
    if not 0 <= value <= LONGEST:
        raise BadInput(_("Between 0 and 1440 minutes."), field="minutes")
    return value


def _work_type(value: str) -> str:
    if value not in WorkType.values:
        raise BadInput(_("This is not one of the choices."), field="work_type")
    return str(value)


def _facts(entry: TimeEntry) -> dict[str, object]:
    return {
        "ticket": entry.ticket_id,
        "person": entry.person_id,
        "minutes": entry.minutes,
        "work_type": str(entry.work_type),
        "started_at": entry.started_at.isoformat(),
        "coverage": entry.coverage,
        "clause": entry.clause,
        "note": entry.note,
    }
