"""Time: one timer, zero minutes, coverage before work, approval once and for good."""

from __future__ import annotations

from datetime import timedelta

import pytest

from msp.core import clock
from msp.core.errors import BadInput, NotAllowed, NotVisible, Refused
from msp.core.models import AuditEntry, Delivery
from msp.core.scope import acting_as
from tests.factories import core as core_factories
from tests.factories import tickets as ticket_factories
from tests.tickets.conftest import TUESDAY
from tickets.enums import Coverage
from tickets.models import Ticket, TimeEntry
from tickets.selectors import billable_entry, time_of, to_approve
from tickets.services import (
    approve_time,
    change_time,
    log_time,
    note_time_resolve,
    start_timer,
    stop_timer,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday", "as_system")]


@pytest.fixture
def ticket(acme, managed) -> Ticket:
    return ticket_factories.ticket(acme)


def test_covers_remote_work_inside_hours_and_bills_the_rest(ticket, technician):
    clock.advance(timedelta(minutes=30))
    inside = log_time(ticket.number, by=technician, minutes=30)
    onsite = log_time(ticket.number, by=technician, minutes=30, work_type="onsite")
    early = log_time(
        ticket.number, by=technician, minutes=30, started_at=TUESDAY - timedelta(hours=2)
    )
    assert (inside.coverage, inside.clause) == (Coverage.COVERED, "3.1 Remote help")
    assert onsite.coverage == early.coverage == Coverage.BILLABLE


def test_takes_zero_minutes_and_refuses_less_than_none_or_more_than_a_day(ticket, technician):
    assert log_time(ticket.number, by=technician, minutes=0).minutes == 0
    for minutes in (-1, 1441):
        with pytest.raises(BadInput):
            log_time(ticket.number, by=technician, minutes=minutes)


def test_runs_one_timer_for_each_person(ticket, technician, service_manager):
    other = ticket_factories.ticket(subject="Other")
    start_timer(ticket.number, by=technician)
    for number in (ticket.number, other.number):
        with pytest.raises(Refused):
            start_timer(number, by=technician)
    start_timer(other.number, by=service_manager)
    with pytest.raises(Refused):
        stop_timer(other.number, by=technician)
    clock.advance(timedelta(minutes=12, seconds=1))
    entry = stop_timer(ticket.number, by=technician, note="Drum")
    assert (entry.minutes, entry.note) == (13, "Drum")
    assert start_timer(other.number, by=technician).minutes is None


def test_changes_own_time_until_it_is_approved(ticket, technician, service_manager):
    entry = log_time(ticket.number, by=technician, minutes=50)
    other = core_factories.staff("technician", email="tom@msp.example", name="Tom")
    with pytest.raises(NotAllowed):
        change_time(entry.public_id, by=other, minutes=1)
    assert change_time(entry.public_id, by=technician, minutes=45).minutes == 45
    change = AuditEntry.objects.get(action="time.changed")
    assert (change.before["minutes"], change.after["minutes"]) == (50, 45)
    approve_time(entry.public_id, by=service_manager)
    with pytest.raises(Refused):
        change_time(entry.public_id, by=technician, minutes=1)


def test_approves_once(ticket, technician, service_manager):
    entry = log_time(ticket.number, by=technician, minutes=50)
    with pytest.raises(NotAllowed):
        approve_time(entry.public_id, by=technician)
    first = approve_time(entry.public_id, by=service_manager)
    clock.advance(timedelta(minutes=1))
    again = approve_time(entry.public_id, by=service_manager)
    assert first.approved_at == again.approved_at == TUESDAY
    events = Delivery.objects.filter(event="tickets.events.TimeEntryApproved")
    assert {row.payload["time_entry_id"] for row in events} == {entry.pk}
    assert AuditEntry.objects.filter(action="time.approved").count() == 1


def test_approves_no_running_timer(ticket, technician, service_manager):
    entry = start_timer(ticket.number, by=technician)
    with pytest.raises(Refused):
        approve_time(entry.public_id, by=service_manager)


def test_tells_billing_the_facts_of_approved_time_only(
    ticket, managed, technician, service_manager
):
    entry = log_time(ticket.number, by=technician, minutes=50, note="Drum")
    with pytest.raises(NotVisible):
        billable_entry(entry.pk)
    approve_time(entry.public_id, by=service_manager)
    facts = billable_entry(entry.pk)
    assert (facts.minutes, facts.contract_id, facts.number, facts.note) == (
        50,
        managed.pk,
        ticket.number,
        "Drum",
    )


def test_shows_time_to_staff_of_the_client_only(
    ticket, technician, service_manager, restricted, contact
):
    log_time(ticket.number, by=technician, minutes=50)
    for user, seen in ((service_manager, 1), (restricted, 0), (contact, 0)):
        with acting_as(user):
            assert time_of(user, ticket).count() == seen
    assert to_approve(service_manager).count() == 1
    assert to_approve(technician).count() == 0


def test_logs_for_others_only_with_the_right_to_approve(ticket, technician, service_manager):
    with pytest.raises(NotAllowed):
        log_time(ticket.number, by=technician, minutes=5, person=service_manager)
    entry = log_time(ticket.number, by=service_manager, minutes=5, person=technician)
    assert entry.person_id == technician.pk


def test_notes_logs_and_resolves_all_or_nothing(ticket, technician):
    with pytest.raises(BadInput):
        note_time_resolve(ticket.number, by=technician, body="x", minutes=9999, resolution="Done.")
    assert not TimeEntry.objects.exists()
    assert Ticket.objects.get(pk=ticket.pk).version == ticket.version
    for _time in range(2):
        note_time_resolve(
            ticket.number, by=technician, body="x", minutes=9, resolution="Done.", token="t"
        )
    assert TimeEntry.objects.get().minutes == 9
    assert Ticket.objects.get(pk=ticket.pk).resolution == "Done."


def test_stops_the_timer_with_the_message(ticket, technician):
    start_timer(ticket.number, by=technician)
    clock.advance(timedelta(minutes=7))
    note_time_resolve(ticket.number, by=technician, body="Looked.", stop=True)
    entry = TimeEntry.objects.get()
    assert (entry.minutes, entry.note) == (7, "Looked.")
