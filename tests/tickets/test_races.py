"""Two at once: numbers without a gap or a twin, one warning, one answer, one timer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connection

from msp.core import clock
from msp.core.errors import Refused
from msp.core.models import Delivery, User
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories import clients as client_factories
from tests.factories import core as core_factories
from tests.factories import tickets as ticket_factories
from tests.tickets.conftest import TUESDAY
from tickets.models import Message, Ticket, TimeEntry
from tickets.services import add_message, open_ticket, start_timer, sweep_clocks

SYSTEM = SystemPrincipal("tests")
AT_ONCE = 4


@pytest.fixture(autouse=True)
def _database(transactional_db: None) -> Iterator[None]:
    with acting_as(SYSTEM):
        yield


@pytest.fixture
def tess() -> User:
    return core_factories.staff("technician", email="tess@msp.example", name="Tess")


def at_once(act: Callable[[], object], at=TUESDAY) -> list[object]:
    """Run an act in several threads that start together; return results and errors."""
    gate, results = threading.Barrier(AT_ONCE), []

    def run() -> None:
        try:
            with clock.at(at), acting_as(SYSTEM):
                gate.wait(timeout=10)
                results.append(act())
        except Exception as error:  # handed to the test, which says what it expects
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _number in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(results) == AT_ONCE
    return results


def test_gives_each_opening_its_own_number(tess):
    ticket_factories.promise()
    acme = client_factories.client("Acme")
    made = at_once(lambda: open_ticket(by=tess, client_id=acme.pk, subject="X").number)
    assert sorted(made) == [1001, 1002, 1003, 1004]


def test_opens_one_ticket_for_a_form_sent_at_once(tess):
    ticket_factories.promise()
    acme = client_factories.client("Acme")
    made = at_once(
        lambda: open_ticket(by=tess, client_id=acme.pk, subject="X", token="same").number
    )
    assert set(made) == {1001}
    assert Ticket.objects.count() == 1


def test_adds_one_message_for_a_form_sent_at_once(tess):
    with clock.at(TUESDAY):
        ticket = ticket_factories.ticket()
    at_once(lambda: add_message(ticket.number, by=tess, kind="note", body="x", token="same").pk)
    assert Message.objects.filter(ticket=ticket).count() == 1


def test_warns_once_however_many_sweep(tess):
    with clock.at(TUESDAY):
        tickets = [ticket_factories.ticket(subject=f"T{number}") for number in range(3)]
    results = at_once(sweep_clocks, at=TUESDAY + timedelta(hours=2))
    assert not [result for result in results if isinstance(result, Exception)]
    with clock.at(TUESDAY + timedelta(hours=2)):
        sweep_clocks()  # what a sweep skipped because another held it
    warnings = Delivery.objects.filter(event="tickets.events.ClockWarned")
    assert sorted((row.payload["number"], row.payload["percent"]) for row in warnings) == [
        (ticket.number, 50) for ticket in tickets
    ]


def test_starts_one_timer(tess):
    with clock.at(TUESDAY):
        ticket = ticket_factories.ticket()
    results = at_once(lambda: start_timer(ticket.number, by=tess).pk)
    assert sum(isinstance(result, Refused) for result in results) == AT_ONCE - 1
    assert TimeEntry.objects.running().count() == 1
