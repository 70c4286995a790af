"""What a fresh installation promises before anybody has said anything.

Source: product design, section 4: office hours Monday to Friday 09:00–17:00 in the client's zone,
typical published targets, warnings at 50, 75 and 100 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from clients.models import Calendar, PriorityMatrix, SlaPolicy
from clients.services.hours import (
    add_calendar,
    add_matrix,
    add_policy,
    make_default_calendar,
    make_default_policy,
)
from msp.core.scope import Principal

CALENDAR_NAME = "Office hours"
POLICY_NAME = "Standard"
MATRIX_NAME = "Standard"
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")
_HOUR = 60


def _target(response: int, resolution: int, update: int | None) -> dict[str, Any]:
    return {
        "response": response,
        "update": update,
        "resolution": resolution,
        "internal": resolution,
        "hours": "contract",
    }


#: Minutes of covered hours.
TARGETS: dict[str, dict[str, Any]] = {
    "p1": _target(15, 4 * _HOUR, 1 * _HOUR),
    "p2": _target(1 * _HOUR, 8 * _HOUR, 4 * _HOUR),
    "p3": _target(4 * _HOUR, 16 * _HOUR, 8 * _HOUR),
    "p4": _target(8 * _HOUR, 40 * _HOUR, None),
}
#: Impact, then urgency: a whole site stopped is P1, a hampered team P2, one hampered person P3, a
#: request P4.
CELLS = {
    "high:high": "p1", "high:medium": "p2", "high:low": "p3",
    "medium:high": "p2", "medium:medium": "p3", "medium:low": "p4",
    "low:high": "p3", "low:medium": "p3", "low:low": "p4",
}  # fmt: skip


@dataclass(frozen=True)
class Defaults:
    """What applies where no contract does."""

    calendar: Calendar
    policy: SlaPolicy
    matrix: PriorityMatrix


@transaction.atomic
def ensure_defaults(by: Principal) -> Defaults:
    """Make the default calendar, SLA policy and priority matrix that are missing; return all three.

    What people have marked as default is left alone, so it may run at every start.

    Errors: NotAllowed if something is missing and the principal may not add it.
    """
    calendar = Calendar.objects.filter(is_default=True).first()
    if calendar is None:
        named = Calendar.objects.filter(name=CALENDAR_NAME).first()
        calendar = (
            make_default_calendar(named.pk, by=by)
            if named
            else add_calendar(
                CALENDAR_NAME,
                by=by,
                windows={day: [["09:00", "17:00"]] for day in WEEKDAYS},
                is_default=True,
            )
        )
    policy = SlaPolicy.objects.filter(is_default=True).first()
    if policy is None:
        known = SlaPolicy.objects.filter(name=POLICY_NAME).first()
        policy = (
            make_default_policy(known.pk, by=by)
            if known
            else add_policy(POLICY_NAME, by=by, targets=TARGETS, is_default=True)
        )
    matrix = PriorityMatrix.objects.filter(is_default=True).first()
    if matrix is None:
        matrix = add_matrix(MATRIX_NAME, by=by, cells=CELLS, is_default=True)
    return Defaults(calendar, policy, matrix)
