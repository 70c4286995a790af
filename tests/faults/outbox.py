"""What the outbox fault test publishes, and the effect it counts."""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.db import connection

from msp.core.events import Event

EFFECTS = "CREATE TABLE IF NOT EXISTS fault_effect (number bigint NOT NULL)"


@dataclass(frozen=True)
class Counted(Event):
    number: int


def leave_effect(event: Counted) -> None:
    """Add a row that nothing keeps unique, slowly enough to be killed half-way."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO fault_effect VALUES (%s)", [event.number])
        time.sleep(0.01)


SUBSCRIPTIONS = {"tests.faults.outbox.Counted": ("tests.faults.outbox.leave_effect",)}
