"""Who is told of what, and who is left in peace."""

from __future__ import annotations

from datetime import timedelta

import pytest

from msp.core import clock, events
from msp.core.models import Notification, User
from msp.core.scope import acting_as
from tests.factories import tickets as ticket_factories
from tickets.models import Ticket
from tickets.services import (
    add_message,
    assign_ticket,
    change_status,
    open_ticket,
    resolve_ticket,
    sweep_clocks,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday", "as_system")]


@pytest.fixture
def ticket(acme, contact) -> Ticket:
    return ticket_factories.ticket(acme, contact_id=contact.scope.contact_id)


def told(channel: str = "in_app") -> list[tuple[str, str]]:
    events.deliver_all()
    rows = Notification.objects.filter(channel=channel).select_related("recipient").order_by("id")
    return [(row.address or row.recipient.email, row.subject) for row in rows]


def addresses(channel: str = "in_app") -> list[str]:
    return sorted(address for address, _subject in told(channel))


@pytest.mark.parametrize("priority", ["p1", "p2"])
def test_calls_everybody_permitted_to_an_urgent_ticket_that_nobody_has(
    acme, technician, service_manager, billing_clerk, restricted, priority
):
    ticket_factories.ticket(acme, priority=priority)
    assert addresses() == [service_manager.email, technician.email]


def test_is_quiet_about_ordinary_openings(acme, technician, service_manager):
    ticket_factories.ticket(acme, priority="p3")
    open_ticket(
        by=technician, client_id=acme.pk, subject="X", priority="p1", owner_id=technician.pk
    )
    assert told() == []


def test_tells_a_new_owner_but_not_who_took_it(ticket, technician, service_manager):
    assign_ticket(ticket.number, by=technician, owner_id=technician.pk)
    assert told() == []
    assign_ticket(ticket.number, by=technician, owner_id=service_manager.pk)
    assert addresses() == [service_manager.email]


def test_tells_the_owner_of_the_clients_words_and_nobody_of_our_notes(ticket, technician, contact):
    assign_ticket(ticket.number, by=technician, owner_id=technician.pk)
    add_message(ticket.number, by=technician, kind="note", body="x")
    with acting_as(contact):
        add_message(ticket.number, by=contact, kind="public", body="Still broken")
    assert [subject for _address, subject in told()] == [
        f"Ada Acme wrote: {ticket.number} {ticket.subject}"
    ]
    assert told("email") == []


def test_mails_the_contact_what_we_write_and_what_solved_it_once_each(ticket, technician, contact):
    add_message(ticket.number, by=technician, kind="public", body="We look at it.")
    resolve_ticket(ticket.number, by=technician, resolution="New drum.")
    assert addresses("email") == [contact.email, contact.email]
    bodies = list(Notification.objects.order_by("id").values_list("body", flat=True))
    assert bodies[0] == "We look at it."
    assert bodies[1].startswith("New drum.")


def test_mails_no_contact_about_alerts_and_calls(acme, contact, technician):
    alert = ticket_factories.ticket(
        acme, source="alert", kind="alert", contact_id=contact.scope.contact_id
    )
    add_message(alert.number, by=technician, kind="public", body="x")
    resolve_ticket(alert.number, by=technician, resolution="x")
    call = ticket_factories.ticket(acme, contact_id=contact.scope.contact_id)
    add_message(call.number, by=technician, kind="call", body="x")
    assert told("email") == []


def test_warns_the_owner_and_says_when_it_is_past_due(ticket, technician):
    assign_ticket(ticket.number, by=technician, owner_id=technician.pk)
    clock.advance(timedelta(hours=2))
    sweep_clocks()
    assert [subject.split(":")[0] for _address, subject in told()] == ["50 % used"]
    clock.advance(timedelta(hours=2))
    sweep_clocks()
    subjects = sorted(subject.split(":")[0] for _address, subject in told())
    assert subjects == ["50 % used", "50 % used", "Past due"]
    assert addresses("email") == [technician.email]


def test_tells_everybody_of_a_promise_that_runs_out_while_nobody_has_the_ticket(
    ticket, technician, service_manager
):
    clock.advance(timedelta(hours=2))
    sweep_clocks()
    assert told() == []
    clock.advance(timedelta(hours=2))
    sweep_clocks()
    assert {(address, subject.split(":")[0]) for address, subject in told()} == {
        (user.email, "Past due, nobody has it") for user in (technician, service_manager)
    }
    assert addresses("email") == []


def test_forgets_a_warning_once_the_promise_was_kept(ticket, technician):
    assign_ticket(ticket.number, by=technician, owner_id=technician.pk)
    clock.advance(timedelta(hours=2))
    sweep_clocks()
    add_message(ticket.number, by=technician, kind="public", body="Hello")
    assert told() == []


def test_tells_no_owner_who_may_not_see_the_ticket_any_more(ticket, technician, contact):
    assign_ticket(ticket.number, by=technician, owner_id=technician.pk)
    technician.grants.all().delete()
    with acting_as(contact):
        add_message(ticket.number, by=contact, kind="public", body="x")
    assert told() == []


def test_tells_each_once_however_often_a_delivery_runs(ticket, technician, contact):
    from tickets import handlers
    from tickets.events import PublicMessageAdded

    message = add_message(ticket.number, by=technician, kind="public", body="x")
    event = PublicMessageAdded(message.pk, ticket.pk, ticket.number, ticket.client_id)
    for _time in range(3):
        handlers.tell_about_message(event)
    assert addresses("email") == [contact.email]


def test_says_nothing_of_a_status(ticket, technician: User):
    change_status(ticket.number, by=technician, status="waiting_client")
    assert told() == told("email") == []
