"""After whatever happened, in whatever order, the clocks equal the replay of their ledger."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from msp.core import clock
from msp.core.errors import ServiceError
from msp.core.models import Delivery
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories import core as core_factories
from tests.factories import tickets as ticket_factories
from tests.tickets.conftest import TUESDAY
from tickets.models import Ticket
from tickets.services import (
    add_message,
    change_priority,
    change_status,
    differences,
    queue_differences,
    record_pause,
    reopen_ticket,
    resolve_ticket,
    start_scheduled,
    sweep_clocks,
)

OPERATIONS = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 3000)),
    st.tuples(st.just("message"), st.sampled_from(["public", "note", "call"])),
    st.tuples(
        st.just("status"),
        st.sampled_from(["in_progress", "waiting_client", "waiting_vendor", "scheduled"]),
    ),
    st.tuples(st.just("priority"), st.sampled_from(["p1", "p2", "p3", "p4"])),
    st.tuples(st.just("late_call"), st.integers(1, 600)),
    st.tuples(st.just("late_pause"), st.integers(2, 600)),
    st.tuples(st.sampled_from(["resolve", "reopen", "sweep"]), st.just(0)),
)


def do(ticket: Ticket, by, name: str, value) -> None:
    number, ago = ticket.number, clock.now() - timedelta(minutes=value if name[:4] == "late" else 0)
    if name == "wait":
        clock.advance(timedelta(minutes=value))
    elif name == "message":
        add_message(number, by=by, kind=value, body="x")
    elif name == "status":
        until = clock.now() + timedelta(hours=30) if value == "scheduled" else None
        change_status(number, by=by, status=value, until=until)
    elif name == "priority":
        change_priority(number, by=by, priority=value)
    elif name == "late_call":
        add_message(number, by=by, kind="call", body="x", at=ago)
    elif name == "late_pause":
        record_pause(
            number,
            by=by,
            because="waiting_client",
            start=ago,
            end=ago + timedelta(minutes=value // 2),
            reason="x",
        )
    elif name == "resolve":
        resolve_ticket(number, by=by, resolution="x")
    elif name == "reopen":
        reopen_ticket(number, by=by)
    else:
        start_scheduled()
        sweep_clocks()


@pytest.mark.django_db
@pytest.mark.parametrize("source", ["portal", "alert"])
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(operations=st.lists(OPERATIONS, max_size=12))
def test_equals_the_replay_after_any_sequence(source, operations):
    with clock.at(TUESDAY), acting_as(SystemPrincipal("tests")), transaction.atomic():
        tess = core_factories.staff("technician", email="tess@msp.example", name="Tess")
        ticket = ticket_factories.ticket(source=source, kind="incident")
        for name, value in operations:
            with suppress(ServiceError), transaction.atomic():
                do(ticket, tess, name, value)
            found = Ticket.objects.get(pk=ticket.pk)
            assert differences(found) == []
            assert queue_differences(found) == []
        assert not [
            row
            for row in Delivery.objects.filter(event="tickets.events.ClockWarned")
            if source == "alert" and row.payload["target"] != "internal"
        ]
        transaction.set_rollback(True)
