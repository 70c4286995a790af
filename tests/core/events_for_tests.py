"""Events and handlers that the outbox tests subscribe."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from msp.core.events import Event
from msp.core.models import Notification
from msp.core.scope import current_scope

calls: list[object] = []


@dataclass(frozen=True)
class ThingHappened(Event):
    thing_id: int
    client_id: int | None = None
    note: str = "old rows lack this"


def note_it(event: ThingHappened) -> None:
    """Leave a row, so that an effect can be counted."""
    calls.append((event, connection.in_atomic_block, current_scope()))
    Notification.objects.create(
        key=f"thing-{event.thing_id}",
        channel="in_app",
        address="nobody",
        subject=f"thing {event.thing_id}",
        state="sent",
    )


def fail(event: ThingHappened) -> None:
    note_it(event)
    raise ValueError("handler broke")


SUBSCRIPTIONS = {
    "tests.core.events_for_tests.ThingHappened": ("tests.core.events_for_tests.note_it",),
}
FAILING = {"tests.core.events_for_tests.ThingHappened": ("tests.core.events_for_tests.fail",)}
