"""What meets, pauses, resumes and warns: the promises that must never be false."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from msp.core import clock
from msp.core.errors import BadInput, NotAllowed, NotVisible, Refused
from msp.core.models import AuditEntry, Delivery
from msp.core.scope import acting_as
from tests.factories import clients as client_factories
from tests.factories import tickets as ticket_factories
from tests.tickets.conftest import TUESDAY
from tickets.enums import ClockEventKind, ClockStanding, ClockTarget, Status
from tickets.models import Clock, ClockEvent, Message, Ticket
from tickets.services import (
    add_message,
    change_priority,
    change_status,
    close_if_untouched,
    differences,
    note_from_system,
    open_ticket,
    rebuild_clock,
    record_pause,
    reopen_ticket,
    resolve_ticket,
    start_scheduled,
    sweep_clocks,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday", "as_system")]

HOUR = timedelta(hours=1)


@pytest.fixture
def ticket(acme, contact) -> Ticket:
    """A P3 ticket of Ada at Acme: reply in 4 h, update in 8 h, resolve in 16 h."""
    return ticket_factories.ticket(acme, contact_id=contact.scope.contact_id)


def row(ticket: Ticket, target: str = ClockTarget.RESPONSE) -> Clock:
    return Clock.objects.get(ticket=ticket, target=target)


def fresh(ticket: Ticket) -> Ticket:
    return Ticket.objects.get(pk=ticket.pk)


def warned(ticket: Ticket, target: str = ClockTarget.RESPONSE) -> list[int]:
    return [
        delivery.payload["percent"]
        for delivery in Delivery.objects.filter(event="tickets.events.ClockWarned").order_by("id")
        if delivery.payload["ticket_id"] == ticket.pk and delivery.payload["target"] == target
    ]


# ---------------------------------------------------------------- what is a first response


@pytest.mark.parametrize("kind", ["public", "call", "visit", "chat"])
def test_meets_the_response_by_a_persons_word(ticket, technician, kind):
    clock.advance(HOUR)
    add_message(ticket.number, by=technician, kind=kind, body="Hello")
    assert (row(ticket).met_at, row(ticket).standing) == (TUESDAY + HOUR, ClockStanding.MET)
    assert fresh(ticket).status == Status.IN_PROGRESS


def test_never_meets_the_response_by_a_note(ticket, technician):
    add_message(ticket.number, by=technician, kind="note", body="Thinking")
    assert row(ticket).met_at is None
    assert fresh(ticket).status == Status.NEW


@pytest.mark.parametrize("kind", ["public", "call", "chat", "note"])
def test_never_meets_the_response_by_automation(ticket, as_system, kind):
    add_message(ticket.number, by=as_system, kind=kind, body="We have received your request.")
    note_from_system(ticket.pk, by=as_system, body="More on this.")
    assert row(ticket).met_at is None


def test_never_meets_the_response_by_the_clients_own_word(ticket, contact):
    with acting_as(contact):
        add_message(ticket.number, by=contact, kind="public", body="Anybody?")
    assert row(ticket).met_at is None


def test_never_meets_the_response_by_a_word_that_nobody_is_there_to_read(acme, technician):
    nobodys = open_ticket(by=technician, client_id=acme.pk, subject="X")
    add_message(nobodys.number, by=technician, kind="public", body="Hello?")
    assert row(nobodys).met_at is None
    assert fresh(nobodys).status == Status.IN_PROGRESS
    resolve_ticket(nobodys.number, by=technician, resolution="Done.")
    assert row(nobodys).met_at is None


def test_meets_the_response_by_a_call_even_if_no_contact_is_named(acme, technician):
    nobodys = open_ticket(by=technician, client_id=acme.pk, subject="X")
    add_message(nobodys.number, by=technician, kind="call", body="Reached reception.")
    assert row(nobodys).met_at == TUESDAY


@pytest.mark.parametrize("status", ["in_progress", "waiting_client", "waiting_vendor"])
def test_never_meets_the_response_by_a_status(ticket, technician, status):
    change_status(ticket.number, by=technician, status=status)
    assert row(ticket).met_at is None


def test_meets_the_response_when_the_first_word_is_what_solved_it(ticket, technician):
    resolve_ticket(ticket.number, by=technician, resolution="New drum.")
    assert row(ticket).met_at == TUESDAY


def test_does_not_take_a_response_by_being_resolved_by_a_program(ticket, as_system):
    resolve_ticket(ticket.number, by=as_system, resolution="Cleared.")
    assert row(ticket).met_at is None
    assert Message.objects.filter(ticket=ticket, kind="public").count() == 0


def test_counts_a_call_from_when_it_took_place(ticket, technician):
    clock.advance(5 * HOUR)
    assert row(ticket).due_at == TUESDAY + 4 * HOUR
    add_message(
        ticket.number, by=technician, kind="call", body="Talked.", at=TUESDAY + 2 * HOUR, minutes=6
    )
    assert (row(ticket).met_at, row(ticket).standing) == (TUESDAY + 2 * HOUR, ClockStanding.MET)
    entry = AuditEntry.objects.get(action="ticket.message")
    assert entry.after["back_dated"] is True
    assert entry.reason


def test_sends_a_public_message_only_now(ticket, technician):
    clock.advance(HOUR)
    with pytest.raises(BadInput):
        add_message(ticket.number, by=technician, kind="public", body="Hi", at=TUESDAY)
    with pytest.raises(BadInput):
        add_message(ticket.number, by=technician, kind="call", body="Hi", at=clock.now() + HOUR)


# ---------------------------------------------------------------- pausing and going on


@pytest.mark.parametrize("status", ["waiting_client", "waiting_vendor", "scheduled"])
def test_never_pauses_the_response(ticket, technician, status):
    until = clock.now() + timedelta(days=2) if status == "scheduled" else None
    change_status(ticket.number, by=technician, status=status, until=until)
    assert (row(ticket).paused_at, row(ticket).due_at) == (None, TUESDAY + 4 * HOUR)


def test_stops_resolution_while_the_client_must_act_and_goes_on_with_their_answer(
    ticket, technician, contact
):
    add_message(ticket.number, by=technician, kind="public", body="Which printer?")
    change_status(ticket.number, by=technician, status="waiting_client")
    paused = row(ticket, ClockTarget.RESOLUTION)
    assert (paused.standing, paused.due_at) == (ClockStanding.PAUSED, None)
    assert paused.left_seconds == 16 * 3600
    assert fresh(ticket).next_due_at is None
    clock.advance(3 * HOUR)
    with acting_as(contact):
        add_message(ticket.number, by=contact, kind="public", body="The big one.")
    resumed = row(ticket, ClockTarget.RESOLUTION)
    assert resumed.standing == ClockStanding.RUNNING
    assert resumed.due_at == TUESDAY + timedelta(days=2, hours=3)
    assert fresh(ticket).status == Status.IN_PROGRESS


def test_counts_the_vendors_minutes_unless_the_policy_says_otherwise(ticket, technician):
    change_status(ticket.number, by=technician, status="waiting_vendor")
    clock.advance(HOUR)
    change_status(ticket.number, by=technician, status="in_progress")
    assert row(ticket, ClockTarget.RESOLUTION).due_at == TUESDAY + timedelta(days=1, hours=8)


def test_leaves_out_the_vendors_minutes_where_the_policy_says_so(acme, technician):
    policy = client_factories.policy("Vendors wait", vendor_wait_pauses=True)
    client_factories.contract(acme, policy=policy)
    ticket = open_ticket(by=technician, client_id=acme.pk, subject="X")
    change_status(ticket.number, by=technician, status="waiting_vendor")
    assert row(ticket, ClockTarget.RESOLUTION).standing == ClockStanding.PAUSED
    assert row(ticket, ClockTarget.UPDATE).standing == ClockStanding.RUNNING
    clock.advance(HOUR)
    change_status(ticket.number, by=technician, status="in_progress")
    assert row(ticket, ClockTarget.RESOLUTION).due_at == TUESDAY + timedelta(days=2, hours=1)


def test_waits_for_an_agreed_date_and_goes_on_by_itself(ticket, technician):
    until = TUESDAY + timedelta(days=1)
    with pytest.raises(BadInput):
        change_status(ticket.number, by=technician, status="scheduled")
    change_status(ticket.number, by=technician, status="scheduled", until=until)
    assert row(ticket, ClockTarget.RESOLUTION).due_at == TUESDAY + timedelta(days=2, hours=8)
    clock.advance(timedelta(days=1))
    assert start_scheduled() == 1
    assert (fresh(ticket).status, fresh(ticket).scheduled_for) == (Status.IN_PROGRESS, None)
    assert row(ticket, ClockTarget.RESOLUTION).standing == ClockStanding.RUNNING
    assert differences(fresh(ticket)) == []


def test_pauses_from_when_it_was_so_and_says_that_it_was_written_down_later(ticket, technician):
    clock.advance(2 * HOUR)
    change_status(
        ticket.number, by=technician, status="waiting_client", at=TUESDAY + HOUR, reason="On hold"
    )
    assert row(ticket, ClockTarget.RESOLUTION).paused_at == TUESDAY + HOUR
    entry = AuditEntry.objects.get(action="ticket.status")
    assert (entry.after["back_dated"], entry.reason) == (True, "On hold")
    pause = ClockEvent.objects.get(ticket=ticket, kind="pause", target="resolution")
    assert (pause.effective_at, pause.recorded_at) == (TUESDAY + HOUR, TUESDAY + 2 * HOUR)


def test_adds_a_pause_afterwards_that_moves_the_due_time_and_takes_no_breach_for_granted(
    ticket, technician
):
    clock.advance(timedelta(days=2, hours=1))
    assert row(ticket, ClockTarget.RESOLUTION).due_at < clock.now()
    record_pause(
        ticket.number,
        by=technician,
        because="waiting_client",
        start=TUESDAY,
        end=TUESDAY + 4 * HOUR,
        reason="She was away.",
    )
    resolution = row(ticket, ClockTarget.RESOLUTION)
    assert resolution.due_at == TUESDAY + timedelta(days=2, hours=4)
    assert resolution.standing == ClockStanding.RUNNING
    assert AuditEntry.objects.get(action="ticket.pause_added").reason == "She was away."


# ---------------------------------------------------------------- updates, priority, the end


def test_owes_the_next_update_from_the_last_word(ticket, technician):
    clock.advance(2 * HOUR)
    add_message(ticket.number, by=technician, kind="public", body="Looking.")
    update = row(ticket, ClockTarget.UPDATE)
    assert (update.started_at, update.met_at) == (TUESDAY + 2 * HOUR, None)
    assert update.due_at == TUESDAY + timedelta(days=1, hours=2)


def test_starts_no_update_by_a_word_after_the_end(ticket, technician):
    resolve_ticket(ticket.number, by=technician, resolution="Done.")
    clock.advance(HOUR)
    add_message(ticket.number, by=technician, kind="public", body="Have a nice day.")
    assert row(ticket, ClockTarget.UPDATE).met_at == TUESDAY
    assert fresh(ticket).next_due_at is None


def test_counts_a_changed_priority_from_creation_as_the_policy_says(ticket, technician):
    clock.advance(30 * timedelta(minutes=1))
    change_priority(ticket.number, by=technician, priority="p1")
    assert row(ticket).due_at == TUESDAY + timedelta(minutes=15)
    assert row(ticket).standing == ClockStanding.BREACHED
    assert row(ticket, ClockTarget.RESOLUTION).due_at == TUESDAY + 4 * HOUR


def test_keeps_no_promise_by_a_priority_that_does_not_make_it(ticket, technician):
    add_message(ticket.number, by=technician, kind="public", body="We look at it.")
    clock.advance(HOUR)
    change_priority(ticket.number, by=technician, priority="p4")
    assert fresh(ticket).next_due_at == row(ticket, ClockTarget.RESOLUTION).due_at
    # What the client was told before is the last word on updates, not the change of priority.
    assert row(ticket, ClockTarget.UPDATE).met_at == TUESDAY
    change_priority(ticket.number, by=technician, priority="p3")
    assert row(ticket, ClockTarget.UPDATE).started_at == TUESDAY + HOUR
    assert row(ticket, ClockTarget.UPDATE).met_at is None


def test_starts_no_running_cadence_while_the_client_is_waited_for(acme, technician):
    cora = client_factories.contact(acme, email="cora@acme.example")
    ticket = open_ticket(
        by=technician, client_id=acme.pk, subject="X", priority="p4", contact_id=cora.pk
    )
    add_message(ticket.number, by=technician, kind="public", body="Which one is it?")
    change_status(ticket.number, by=technician, status="waiting_client")
    clock.advance(HOUR)
    change_priority(ticket.number, by=technician, priority="p3")
    assert row(ticket, ClockTarget.UPDATE).paused_at == TUESDAY + HOUR
    assert fresh(ticket).next_due_at is None


def test_forgives_no_broken_promise_by_a_lower_priority(ticket, technician):
    clock.advance(9 * HOUR + 24 * HOUR)
    change_priority(ticket.number, by=technician, priority="p4")
    assert row(ticket, ClockTarget.UPDATE).standing == ClockStanding.MET_LATE


def test_counts_a_changed_priority_from_the_change_where_the_policy_says_so(acme, technician):
    client_factories.contract(
        acme, policy=client_factories.policy("From change", retarget_from_creation=False)
    )
    ticket = open_ticket(by=technician, client_id=acme.pk, subject="X")
    clock.advance(HOUR)
    change_priority(ticket.number, by=technician, priority="p1")
    assert row(ticket).due_at == TUESDAY + HOUR + timedelta(minutes=15)


def test_keeps_the_frozen_promise_when_the_policy_changes(ticket, technician):
    version = ticket.policy_version
    newer = type(version).objects.create(
        policy=version.policy,
        number=2,
        targets={key: target | {"response": 1} for key, target in version.targets.items()},
        warnings=[50, 75, 100],
    )
    assert newer.pk != version.pk
    change_priority(ticket.number, by=technician, priority="p2")
    assert row(ticket).target_seconds == 3600


def test_goes_on_from_where_it_stood_when_reopened(ticket, technician):
    clock.advance(2 * HOUR)
    resolve_ticket(ticket.number, by=technician, resolution="Done.")
    clock.advance(3 * HOUR)
    reopen_ticket(ticket.number, by=technician, reason="Not done.")
    resolution = row(ticket, ClockTarget.RESOLUTION)
    assert resolution.met_at is None
    assert resolution.due_at == TUESDAY + timedelta(days=2, hours=3)
    assert row(ticket).met_at == TUESDAY + 2 * HOUR
    assert (fresh(ticket).resolved_at, fresh(ticket).resolution) == (None, "")


def test_never_writes_over_a_due_time(ticket, technician):
    before = list(ClockEvent.objects.filter(ticket=ticket).values("pk", "payload"))
    change_priority(ticket.number, by=technician, priority="p1")
    change_status(ticket.number, by=technician, status="waiting_client")
    kept = ClockEvent.objects.filter(pk__in=[entry["pk"] for entry in before])
    assert list(kept.values("pk", "payload")) == before


def test_takes_back_the_promises_of_a_ticket_that_was_the_wrong_clients(ticket, technician):
    from tickets.services import log_time, move_ticket

    clock.advance(HOUR)
    add_message(ticket.number, by=technician, kind="public", body="Secret of Acme")
    log_time(ticket.number, by=technician, minutes=20)
    rival = client_factories.client("Rival")
    new = move_ticket(ticket.number, by=technician, client_id=rival.pk)
    assert fresh(ticket).status == Status.CLOSED
    assert not Clock.objects.filter(ticket=ticket).exists()
    assert (new.moved_from_id, new.opened_at) == (ticket.pk, TUESDAY)
    assert row(new).met_at == TUESDAY + HOUR
    assert not Message.objects.filter(ticket=new, kind="public").exists()
    assert Message.objects.filter(ticket=new, kind="note", body="Secret of Acme").exists()
    assert list(ticket.time_entries.values_list("minutes", flat=True)) == [0]
    assert list(new.time_entries.values_list("minutes", flat=True)) == [20]
    assert differences(fresh(new)) == differences(fresh(ticket)) == []


def test_moves_nothing_to_a_client_that_one_does_not_see(ticket, restricted, technician):
    from tickets.services import move_ticket

    hidden = client_factories.client("Hidden")
    with pytest.raises(NotVisible):
        move_ticket(ticket.number, by=restricted, client_id=hidden.pk)
    with pytest.raises(BadInput):
        move_ticket(ticket.number, by=technician, client_id=ticket.client_id)


# ---------------------------------------------------------------- alerts


def test_resolves_an_untouched_alert_ticket_and_leaves_a_begun_one(acme, as_system, technician):
    quiet, begun = (
        open_ticket(
            by=as_system, client_id=acme.pk, subject="Disk", source="alert", kind="alert", body="C:"
        )
        for _number in range(2)
    )
    add_message(begun.number, by=technician, kind="note", body="On it")
    assert close_if_untouched(quiet.pk, by=as_system, reason="Cleared") is True
    assert close_if_untouched(begun.pk, by=as_system, reason="Cleared") is False
    assert (fresh(quiet).status, fresh(begun).status) == (Status.RESOLVED, Status.NEW)
    assert row(quiet, ClockTarget.INTERNAL).standing == ClockStanding.MET


def test_keeps_alert_tickets_out_of_the_clients_promises_whatever_is_done(
    acme, as_system, technician
):
    ticket = open_ticket(
        by=as_system, client_id=acme.pk, subject="Disk", source="alert", kind="alert"
    )
    add_message(ticket.number, by=technician, kind="call", body="Called them")
    change_priority(ticket.number, by=technician, priority="p1")
    change_status(ticket.number, by=technician, status="waiting_client")
    resolve_ticket(ticket.number, by=technician, resolution="Done")
    reopen_ticket(ticket.number, by=technician)
    targets = set(ClockEvent.objects.filter(ticket=ticket).values_list("target", flat=True))
    assert targets == {ClockTarget.INTERNAL}


# ---------------------------------------------------------------- the sweep


def test_warns_at_each_share_once(ticket):
    for hours, told in ((1, []), (1, [50]), (0, [50]), (1, [50, 75]), (1, [50, 75, 100])):
        clock.advance(hours * HOUR)
        sweep_clocks()
        sweep_clocks()
        assert warned(ticket) == told
    assert row(ticket).standing == ClockStanding.BREACHED
    assert row(ticket).breached_at == TUESDAY + 4 * HOUR


def test_warns_of_nothing_that_was_met(ticket, technician):
    add_message(ticket.number, by=technician, kind="public", body="Hello")
    clock.advance(4 * HOUR)
    sweep_clocks()
    assert warned(ticket) == []


def test_warns_of_nothing_that_stands_still(ticket, technician):
    add_message(ticket.number, by=technician, kind="public", body="Hello")
    change_status(ticket.number, by=technician, status="waiting_client")
    clock.advance(timedelta(days=7))
    sweep_clocks()
    assert warned(ticket, ClockTarget.RESOLUTION) == warned(ticket, ClockTarget.UPDATE) == []


def test_warns_again_of_the_next_update(ticket, technician):
    clock.advance(4 * HOUR)
    sweep_clocks()
    add_message(ticket.number, by=technician, kind="public", body="Hello")
    clock.advance(timedelta(days=1))
    sweep_clocks()
    assert warned(ticket, ClockTarget.UPDATE) == [50, 50, 75, 100]


def test_finds_no_difference_before_and_after_the_sweep(ticket):
    clock.advance(3 * HOUR)
    assert differences(fresh(ticket)) == []
    sweep_clocks()
    assert differences(fresh(ticket)) == []


# ---------------------------------------------------------------- the record


@pytest.mark.parametrize("table", ["tickets_clockevent", "tickets_message"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET recorded_at = now()", "DELETE FROM {}"])
def test_refuses_to_change_what_was_recorded(ticket, technician, table, statement):
    add_message(ticket.number, by=technician, kind="note", body="x")
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(table))


def test_says_where_a_clock_differs_from_its_ledger_and_mends_it(ticket):
    Clock.objects.filter(ticket=ticket, target="response").update(due_at=TUESDAY)
    with pytest.raises(CommandError) as refused:
        call_command("rebuild", "clocks", "--check", stdout=(said := StringIO()))
    assert refused.value.returncode == 1
    assert f"{ticket.number} response.due_at" in said.getvalue()
    assert rebuild_clock(fresh(ticket)) is True
    call_command("rebuild", "clocks", "--check", stdout=StringIO())


def test_says_where_a_row_of_the_queue_differs_from_its_thread(ticket, technician):
    add_message(ticket.number, by=technician, kind="note", body="Last words")
    Ticket.objects.filter(pk=ticket.pk).update(last_line="Lies")
    with pytest.raises(CommandError):
        call_command("rebuild", "queue", "--check", stdout=StringIO())
    call_command("rebuild", "queue", stdout=StringIO())
    assert fresh(ticket).last_line == "Last words"


def test_shows_the_last_word_not_the_last_written_down(ticket, technician):
    clock.advance(2 * HOUR)
    add_message(ticket.number, by=technician, kind="note", body="Newest")
    add_message(ticket.number, by=technician, kind="call", body="Older", at=TUESDAY + HOUR)
    assert (fresh(ticket).last_line, fresh(ticket).last_author) == ("Newest", technician.name)


def test_raises_the_version_with_each_change(ticket, technician):
    versions = [ticket.version]
    for act in (
        lambda: add_message(ticket.number, by=technician, kind="note", body="x"),
        lambda: change_priority(ticket.number, by=technician, priority="p2"),
        lambda: resolve_ticket(ticket.number, by=technician, resolution="x"),
    ):
        act()
        versions.append(fresh(ticket).version)
    assert versions == sorted(set(versions))


def test_prints_the_story(ticket, technician):
    clock.advance(HOUR)
    add_message(ticket.number, by=technician, kind="public", body="We look at it.")
    call_command("trace", "ticket", str(ticket.number), stdout=(said := StringIO()))
    story = said.getvalue()
    assert "ticket.opened by factory" in story
    assert "We look at it." in story
    assert "response meet by Tess Technician" in story
    assert "PublicMessageAdded → tickets.handlers.tell_about_message" in story


# ---------------------------------------------------------------- who may


def test_refuses_whoever_may_not(ticket, billing_clerk, restricted, contact, colleague, stranger):
    for act in (
        lambda by: change_status(ticket.number, by=by, status="in_progress"),
        lambda by: resolve_ticket(ticket.number, by=by, resolution="x"),
        lambda by: change_priority(ticket.number, by=by, priority="p1"),
        lambda by: add_message(ticket.number, by=by, kind="note", body="x"),
    ):
        for user, error in (
            (billing_clerk, NotAllowed),
            (restricted, NotVisible),
            (contact, NotAllowed),
            (colleague, NotVisible),
            (stranger, NotVisible),
        ):
            with acting_as(user), pytest.raises(error):
                act(user)
    assert fresh(ticket).version == 1


def test_lets_a_contact_take_a_solution_back_for_a_week(ticket, technician, contact):
    resolve_ticket(ticket.number, by=technician, resolution="Done.")
    clock.advance(timedelta(days=7))
    with acting_as(contact):
        reopen_ticket(ticket.number, by=contact, reason="Still broken", token="t")
        reopen_ticket(ticket.number, by=contact, reason="Still broken", token="t")
    assert fresh(ticket).status == Status.IN_PROGRESS
    assert Message.objects.filter(ticket=ticket, body="Still broken").count() == 1
    resolve_ticket(ticket.number, by=technician, resolution="Done again.")
    clock.advance(timedelta(days=7, seconds=1))
    with acting_as(contact), pytest.raises(Refused):
        reopen_ticket(ticket.number, by=contact, reason="Again")


def test_keeps_one_kind_of_events_for_the_response(ticket, technician):
    change_status(ticket.number, by=technician, status="waiting_client")
    resolve_ticket(ticket.number, by=technician, resolution="x")
    reopen_ticket(ticket.number, by=technician)
    kinds = set(
        ClockEvent.objects.filter(ticket=ticket, target="response").values_list("kind", flat=True)
    )
    assert kinds == {ClockEventKind.START, ClockEventKind.MEET}
