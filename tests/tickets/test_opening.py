"""Opening a ticket: number, promise, clocks, who may."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from clients.models import Contract
from msp.core import clock
from msp.core.errors import BadInput, NotAllowed, NotVisible, Refused
from msp.core.models import AuditEntry, Delivery
from msp.core.scope import acting_as
from tests.factories import agents as agent_factories
from tests.factories import clients as client_factories
from tests.tickets.conftest import TUESDAY
from tickets.enums import ClockStanding, ClockTarget, MessageKind, Source, Status
from tickets.models import Clock, ClockEvent, Message, Ticket
from tickets.selectors import clocks_of
from tickets.services import open_ticket

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday", "as_system")]


def test_counts_numbers_from_1001_without_a_gap(acme, technician):
    first = open_ticket(by=technician, client_id=acme.pk, subject="One")
    with transaction.atomic():
        open_ticket(by=technician, client_id=acme.pk, subject="Lost")
        transaction.set_rollback(True)
    second = open_ticket(by=technician, client_id=acme.pk, subject="Two")
    assert (first.number, second.number) == (1001, 1002)


def test_starts_the_promised_clocks_in_office_hours(acme, technician):
    ticket = open_ticket(by=technician, client_id=acme.pk, subject="Printer", priority="p3")
    clocks = clocks_of(technician, ticket)
    assert list(clocks) == [ClockTarget.RESPONSE, ClockTarget.UPDATE, ClockTarget.RESOLUTION]
    assert clocks[ClockTarget.RESPONSE].due_at == TUESDAY + timedelta(hours=4)
    assert clocks[ClockTarget.UPDATE].due_at == TUESDAY + timedelta(hours=8)
    assert clocks[ClockTarget.RESOLUTION].due_at == TUESDAY + timedelta(days=1, hours=8)
    assert ticket.next_due_at == TUESDAY + timedelta(hours=4)
    assert {row.standing for row in clocks.values()} == {ClockStanding.RUNNING}


def test_freezes_the_promise_with_its_reason(acme, managed: Contract, technician):
    ticket = open_ticket(by=technician, client_id=acme.pk, subject="Printer")
    assert ticket.contract_id == managed.pk
    assert managed.name in ticket.sla_reason
    assert ticket.terms["targets"]["p1"]["response"] == 15


def test_says_that_no_contract_applies(acme, technician):
    ticket = open_ticket(by=technician, client_id=acme.pk, subject="Printer")
    assert ticket.contract_id is None
    assert "Standard" in ticket.sla_reason


def test_refuses_where_nothing_is_promised(technician):
    lonely = client_factories.client("Lonely")
    with pytest.raises(Refused):
        open_ticket(by=technician, client_id=lonely.pk, subject="Printer")
    assert not Ticket.objects.exists()


def test_gives_alert_tickets_an_internal_target_only(acme, as_system):
    ticket = open_ticket(
        by=as_system, client_id=acme.pk, subject="Disk", source=Source.ALERT, kind="alert"
    )
    assert list(Clock.objects.filter(ticket=ticket).values_list("target", flat=True)) == [
        ClockTarget.INTERNAL
    ]


def test_meets_response_and_resolution_at_creation_when_solved_on_the_call(acme, technician):
    ticket = open_ticket(
        by=technician,
        client_id=acme.pk,
        subject="Password",
        body="She had caps lock on.",
        on_the_phone=True,
        resolution="Caps lock off.",
    )
    clocks = clocks_of(technician, ticket)
    assert ticket.status == Status.RESOLVED
    assert {(row.met_at, row.standing) for row in clocks.values()} == {(TUESDAY, ClockStanding.MET)}


def test_does_not_count_what_a_technician_writes_down_as_an_answer(acme, technician):
    ticket = open_ticket(by=technician, client_id=acme.pk, subject="Fan", body="It is loud.")
    assert Message.objects.get(ticket=ticket).kind == MessageKind.NOTE
    assert clocks_of(technician, ticket)[ClockTarget.RESPONSE].met_at is None


@pytest.mark.parametrize(
    ("impact", "urgency", "priority"),
    [
        ("high", "high", "p1"),
        ("medium", "high", "p2"),
        ("low", "medium", "p3"),
        ("low", "low", "p4"),
    ],
)
def test_takes_the_priority_from_the_matrix(acme, technician, impact, urgency, priority):
    ticket = open_ticket(
        by=technician, client_id=acme.pk, subject="X", impact=impact, urgency=urgency
    )
    assert ticket.priority == priority


def test_writes_audit_and_event_in_the_transaction(acme, technician):
    ticket = open_ticket(by=technician, client_id=acme.pk, subject="Printer")
    entry = AuditEntry.objects.get(action="ticket.opened")
    assert (entry.target_id, entry.client_id, entry.actor_id) == (
        str(ticket.pk),
        acme.pk,
        technician.pk,
    )
    delivery = Delivery.objects.get(event="tickets.events.TicketOpened")
    assert delivery.payload["number"] == ticket.number
    assert delivery.correlation_id == entry.correlation_id


def test_opens_one_ticket_for_a_form_sent_twice(acme, technician):
    first = open_ticket(by=technician, client_id=acme.pk, subject="Printer", token="form-1")
    again = open_ticket(by=technician, client_id=acme.pk, subject="Printer", token="form-1")
    other = open_ticket(by=technician, client_id=acme.pk, subject="Printer", token="form-2")
    assert first.pk == again.pk != other.pk


def test_keeps_one_persons_token_from_anothers(acme, technician, service_manager):
    mine = open_ticket(by=technician, client_id=acme.pk, subject="Printer", token="same")
    theirs = open_ticket(by=service_manager, client_id=acme.pk, subject="Printer", token="same")
    assert mine.pk != theirs.pk


def test_lets_a_contact_open_for_themselves_only(acme, contact, stranger):
    with acting_as(contact):
        ticket = open_ticket(
            by=contact,
            client_id=stranger.scope.client_id,
            subject="Help",
            priority="p1",
            body="It broke.",
            contact_id=stranger.scope.contact_id,
        )
    assert ticket.client_id == acme.pk
    assert ticket.contact_id == contact.scope.contact_id
    assert ticket.source == Source.PORTAL
    assert ticket.priority == "p3"


def test_refuses_rows_of_another_client(acme, technician):
    rival = client_factories.client("Rival")
    device = agent_factories.device(rival)
    contact = client_factories.contact(rival, email="x@rival.example")
    for wrong in (
        {"device_id": device.pk},
        {"site_id": device.site_id},
        {"contact_id": contact.pk},
    ):
        with pytest.raises(NotVisible):
            open_ticket(by=technician, client_id=acme.pk, subject="X", **wrong)


def test_refuses_staff_who_may_not(acme, billing_clerk, restricted):
    with pytest.raises(NotAllowed):
        open_ticket(by=billing_clerk, client_id=acme.pk, subject="X")
    with pytest.raises(NotVisible):
        open_ticket(by=restricted, client_id=acme.pk, subject="X")


def test_refuses_an_opening_from_the_future(acme, technician):
    with pytest.raises(BadInput):
        open_ticket(
            by=technician,
            client_id=acme.pk,
            subject="X",
            opened_at=clock.now() + timedelta(minutes=1),
        )


def test_audits_an_opening_written_down_afterwards(acme, technician):
    ticket = open_ticket(
        by=technician, client_id=acme.pk, subject="X", opened_at=TUESDAY - timedelta(days=1)
    )
    assert ticket.opened_at == TUESDAY - timedelta(days=1)
    event = ClockEvent.objects.filter(ticket=ticket).first()
    assert (event.effective_at, event.recorded_at) == (ticket.opened_at, TUESDAY)
    assert AuditEntry.objects.get(action="ticket.opened").reason
