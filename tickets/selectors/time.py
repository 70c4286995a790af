"""Time entries as screens and billing ask for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from msp.core.errors import NotVisible
from msp.core.permissions import can
from msp.core.scope import Principal
from tickets.models import Ticket, TimeEntry


@dataclass(frozen=True)
class BillableEntry:
    """An approved time entry as plain facts: what billing needs, and nothing it could change.

    `coverage` is `covered` or `billable`; `minutes` are whole, 0–1440; instants are aware, UTC.
    """

    time_entry_id: int
    public_id: str
    client_id: int
    contract_id: int | None
    ticket_id: int
    number: int
    subject: str
    person_id: int
    person_name: str
    started_at: datetime
    minutes: int
    work_type: str
    note: str
    coverage: str
    clause: str
    approved_at: datetime

    @property
    def is_covered(self) -> bool:
        return self.coverage == "covered"


def time_of(user: Principal, ticket: Ticket) -> QuerySet[TimeEntry]:
    """Return the time on a ticket, oldest first; none for contacts."""
    return (  # type: ignore[no-any-return]
        TimeEntry.objects.visible_to(user)
        .filter(ticket=ticket)
        .select_related("person", "approved_by")
        .order_by("started_at", "id")
    )


def get_time(user: Principal, public_id: UUID | str) -> TimeEntry:
    """Return a time entry. Errors: NotVisible."""
    found: TimeEntry | None = (
        TimeEntry.objects.visible_to(user)
        .select_related("ticket", "person", "client")
        .filter(public_id=public_id)
        .first()
    )
    if found is None:
        raise NotVisible
    return found


def running_timer(user: Principal) -> TimeEntry | None:
    """Return the person's running timer, wherever it runs."""
    found: TimeEntry | None = (
        TimeEntry.objects.visible_to(user)
        .running()
        .filter(person_id=user.pk)
        .select_related("ticket")
        .first()
    )
    return found


def to_approve(user: Principal) -> QuerySet[TimeEntry]:
    """Return the entries that wait for this person's approval, oldest first."""
    if not can(user, "tickets.approve_time"):
        return TimeEntry.objects.none()
    return (  # type: ignore[no-any-return]
        TimeEntry.objects.visible_to(user)
        .waiting_for_approval()
        .select_related("person", "ticket", "client")
        .order_by("started_at", "id")
    )


def approval_count(user: Principal) -> int:
    """Count the entries that wait for this person's approval."""
    return to_approve(user).count()


def billable_entry(time_entry_id: int) -> BillableEntry:
    """Return the facts of an approved entry, under the scope in force.

    Errors: NotVisible for an entry that does not exist or is not approved.
    """
    entry: TimeEntry | None = (
        TimeEntry.objects.filter(pk=time_entry_id, approved_at__isnull=False)
        .select_related("ticket", "person")
        .first()
    )
    if entry is None or entry.minutes is None or entry.approved_at is None:
        raise NotVisible
    return BillableEntry(
        time_entry_id=entry.pk,
        public_id=str(entry.public_id),
        client_id=entry.client_id,
        contract_id=entry.ticket.contract_id,
        ticket_id=entry.ticket_id,
        number=entry.ticket.number,
        subject=entry.ticket.subject,
        person_id=entry.person_id,
        person_name=entry.person.name,
        started_at=entry.started_at,
        minutes=entry.minutes,
        work_type=entry.work_type,
        note=entry.note,
        coverage=entry.coverage,
        clause=entry.clause,
        approved_at=entry.approved_at,
    )
