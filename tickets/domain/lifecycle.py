"""The life of a ticket: which status may follow which, and what that does to its clocks.

A status change never counts as a response (product.md section 2.2), so nothing here touches the
response clock; it stops only at human contact (``tickets.domain.sla.is_human_contact``).

Source: product.md section 4 (what pauses), model.md (Ticket); docs/sla.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from tickets.enums import ClockEventKind, ClockTarget, PauseReason, Status, TransitionRefusal

OPEN: Final = frozenset(
    {
        Status.NEW,
        Status.IN_PROGRESS,
        Status.WAITING_CLIENT,
        Status.WAITING_VENDOR,
        Status.SCHEDULED,
    }
)
"""Someone, on whatever side, still has to act."""

PAUSE_OF_STATUS: Final[Mapping[Status, PauseReason]] = MappingProxyType(
    {
        Status.WAITING_CLIENT: PauseReason.WAITING_CLIENT,
        Status.WAITING_VENDOR: PauseReason.WAITING_VENDOR,
        Status.SCHEDULED: PauseReason.SCHEDULED,
    }
)
"""Which pause a status stands for. Whether a vendor's really stops a clock, its terms say."""

_DRIVEN = (ClockTarget.RESOLUTION, ClockTarget.INTERNAL, ClockTarget.UPDATE)


class Need(StrEnum):
    """What a person must say when changing to a status."""

    RESOLUTION = "resolution"
    UNTIL = "until"


@dataclass(frozen=True, slots=True)
class ClockEffect:
    """What happens to one clock; a START begins the next cycle under the terms it had."""

    target: ClockTarget
    kind: ClockEventKind
    reason: PauseReason | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """An allowed change of status, the clock effects in the order to record, and what it needs."""

    source: Status
    to: Status
    effects: tuple[ClockEffect, ...]
    needs: frozenset[Need]


def plan_transition(source: Status, to: Status) -> Transition | TransitionRefusal:
    """Say what changing a status would do, or why it may not be changed so."""
    refusal = _refusal(source, to)
    if refusal is not None:
        return refusal
    needs = set()
    if to == Status.RESOLVED:
        needs.add(Need.RESOLUTION)
    if to == Status.SCHEDULED:
        needs.add(Need.UNTIL)
    effects = tuple(effect for target in _DRIVEN for effect in _effects(source, to, target))
    return Transition(source, to, effects, frozenset(needs))


def allowed_from(source: Status) -> tuple[Status, ...]:
    """List the statuses that may follow, in the order of the menu."""
    return tuple(to for to in Status if _refusal(source, to) is None)


def pause_of(status: Status, target: ClockTarget) -> PauseReason | None:
    """Return why a status pauses a clock, None if it does not.

    Waiting for a vendor does not pause the update clock: the client still wants to be told.
    A vendor's own clock follows its vendor case, not the ticket.
    """
    if target not in _DRIVEN:
        return None
    if target == ClockTarget.UPDATE and status == Status.WAITING_VENDOR:
        return None
    return PAUSE_OF_STATUS.get(status)


def _refusal(source: Status, to: Status) -> TransitionRefusal | None:
    if source == to:
        return TransitionRefusal.SAME
    if to == Status.NEW:
        return TransitionRefusal.NOT_NEW_AGAIN
    if source in OPEN:
        return TransitionRefusal.RESOLVE_FIRST if to == Status.CLOSED else None
    if to == Status.IN_PROGRESS or (source, to) == (Status.RESOLVED, Status.CLOSED):
        return None
    if source == Status.CLOSED and to == Status.RESOLVED:
        return TransitionRefusal.CLOSED_FOR_GOOD
    return TransitionRefusal.REOPEN_FIRST


def _effects(source: Status, to: Status, target: ClockTarget) -> list[ClockEffect]:
    """Return what an allowed change does to one clock."""
    if to == Status.CLOSED:
        return []
    if source not in OPEN:
        # A cadence has no state to go back to: the client is owed an update from now on.
        cadence = target == ClockTarget.UPDATE
        return [ClockEffect(target, ClockEventKind.START if cadence else ClockEventKind.REOPEN)]
    before, after = pause_of(source, target), pause_of(to, target)
    effects = []
    if before is not None and after is None:
        effects.append(ClockEffect(target, ClockEventKind.RESUME))
    elif after is not None:
        effects.append(ClockEffect(target, ClockEventKind.PAUSE, after))
    if to == Status.RESOLVED:
        effects.append(ClockEffect(target, ClockEventKind.MEET))
    return effects
