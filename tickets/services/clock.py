"""The ledger of a ticket's promises, and its projection.

`record` only adds; `project` replays everything and writes what it finds into `Clock`, in the
transaction of the fact. Due times are never set by hand.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db import transaction

from clients import selectors as client_selectors
from msp.core import clock
from msp.core.events import publish
from msp.core.scope import Principal, SystemPrincipal
from tickets.domain import sla
from tickets.domain.worktime import Calendar
from tickets.enums import ClockEventKind, ClockTarget, Source
from tickets.events import ClockWarned
from tickets.models import Clock, ClockEvent, Ticket
from tickets.services import _common

log = logging.getLogger(__name__)

_TERMS = (
    ClockTarget.RESPONSE.value,
    ClockTarget.UPDATE.value,
    ClockTarget.RESOLUTION.value,
    ClockTarget.INTERNAL.value,
)
CLIENT_TARGETS = (ClockTarget.RESPONSE, ClockTarget.UPDATE, ClockTarget.RESOLUTION)
#: Alerts are our own affair: an internal target only, outside client attainment.
ALERT_TARGETS = (ClockTarget.INTERNAL,)
#: In whose name the sweep acts.
SWEEP = SystemPrincipal("sweep")
#: Tickets that one run of the sweep looks at; the next run takes the rest.
SWEEP_BATCH = 500


class _Calendars(dict[str, Calendar]):
    """Calendars by key, read when a replay asks; versions never change, so they are kept."""

    def __missing__(self, key: str) -> Calendar:
        return _calendar(key)


@lru_cache(maxsize=512)
def _calendar(key: str) -> Calendar:
    values = client_selectors.calendar_of_key(key)
    return Calendar.parse(
        values["zone"], values["windows"], values["holidays"], always=bool(values["always"])
    )


def freeze(ticket: Ticket, promise: client_selectors.Promise) -> None:
    """Write a promise onto a ticket that is about to be added: what was promised, and why."""
    ticket.contract_id = promise.contract_id
    ticket.policy_version_id = promise.policy_version_id
    ticket.calendar_version_id = promise.calendar_version_id
    ticket.calendar_zone = promise.zone
    ticket.sla_reason = promise.reason
    ticket.terms = {
        "targets": {
            priority: {
                **{name: row.get(name) for name in _TERMS},
                "calendar": promise.calendar_key(priority),
            }
            for priority, row in promise.targets.items()
        },
        "warnings": list(promise.warnings),
        "vendor_pauses": promise.vendor_wait_pauses,
        "from_creation": promise.retarget_from_creation,
        "is_commitment": promise.resolution_is_commitment,
    }


def targets_of(ticket: Ticket) -> tuple[ClockTarget, ...]:
    """Return which promises a ticket can have."""
    return ALERT_TARGETS if ticket.source == Source.ALERT else CLIENT_TARGETS


def calendar_of(ticket: Ticket) -> Calendar:
    """Return the working hours frozen on a ticket, those that its contract covers."""
    return _calendar(f"{ticket.calendar_version_id}@{ticket.calendar_zone}")


def terms_of(ticket: Ticket, target: ClockTarget) -> dict[str, Any] | None:
    """Return what the frozen promise says at the ticket's priority; None for no promise."""
    if target not in targets_of(ticket) or not ticket.terms:
        return None
    row = ticket.terms["targets"][ticket.priority]
    if not row[target.value]:
        return None
    return {
        "target_minutes": int(row[target.value]),
        "calendar_key": row["calendar"],
        "vendor_pauses": ticket.terms["vendor_pauses"],
        "warning_percents": tuple(ticket.terms["warnings"]),
    }


def record(
    ticket: Ticket,
    target: ClockTarget,
    kind: ClockEventKind,
    *,
    by: Principal,
    at: datetime,
    reason: str = "",
    **parts: Any,
) -> ClockEvent:
    """Add one entry to the ledger; the caller projects afterwards.

    Errors: LedgerError for an entry that contradicts itself.
    """
    recorded_at = clock.now()
    entry = sla.ClockEvent(
        id=0,
        target=target,
        kind=kind,
        effective_at=at,
        recorded_at=recorded_at,
        reason=reason,
        **parts,
    )
    return ClockEvent.objects.create(
        client_id=ticket.client_id,
        ticket=ticket,
        target=target,
        kind=kind,
        effective_at=at,
        recorded_at=recorded_at,
        by=_common.person(by),
        by_label=_common.label(by),
        reason=reason,
        payload=entry.payload(),
    )


def start(ticket: Ticket, target: ClockTarget, *, by: Principal, at: datetime) -> bool:
    """Start a clock under the terms of the ticket's priority; return whether there is a promise."""
    terms = terms_of(ticket, target)
    if terms is None:
        return False
    record(ticket, target, ClockEventKind.START, by=by, at=at, **terms)
    return True


def start_all(ticket: Ticket, *, by: Principal, at: datetime) -> None:
    """Start every promise of a new ticket."""
    for target in targets_of(ticket):
        start(ticket, target, by=by, at=at)


def meet_by_contact(ticket: Ticket, *, by: Principal, at: datetime, cadence: bool = True) -> None:
    """Note a human contact: the response is met, and the next update is owed from here.

    `cadence=False` leaves the updates alone, for a word that ends the work.
    """
    if ticket.source == Source.ALERT:
        return
    have = set(ClockEvent.objects.filter(ticket=ticket).values_list("target", flat=True))
    if ClockTarget.RESPONSE in have:
        record(ticket, ClockTarget.RESPONSE, ClockEventKind.MEET, by=by, at=at)
    if cadence and ClockTarget.UPDATE in have and ticket.is_open:
        record(ticket, ClockTarget.UPDATE, ClockEventKind.MEET, by=by, at=at)
        start(ticket, ClockTarget.UPDATE, by=by, at=at)


def entries_of(ticket: Ticket) -> list[sla.ClockEvent]:
    """Return the ledger of a ticket as the domain reads it."""
    return [
        sla.ClockEvent.from_row(
            row_id=row.pk,
            target=row.target,
            kind=row.kind,
            effective_at=row.effective_at,
            recorded_at=row.recorded_at,
            reason=row.reason,
            payload=row.payload,
        )
        for row in ClockEvent.objects.filter(ticket=ticket).order_by("id")
    ]


def states_of(ticket: Ticket, now: datetime) -> dict[ClockTarget, sla.ClockState]:
    """Return how each promise stands at an instant, replayed from the ledger."""
    return sla.replay_all(entries_of(ticket), _Calendars(), now)


def projection_of(state: sla.ClockState, now: datetime) -> dict[str, Any]:
    """Return the columns of `Clock` for a state; it holds until `next_look_at`."""
    ends = [
        pause.end_at for pause in state.pauses if pause.end_at is not None and pause.end_at > now
    ]
    looks = [at for at in (state.next_look_at, *ends) if at is not None]
    standing_still = state.paused_by is not None
    return {
        "standing": state.standing.value,
        "target_seconds": state.target_minutes * 60,
        "started_at": state.started_at,
        "due_at": state.due_at,
        "met_at": state.met_at,
        "breached_at": state.breached_at,
        "paused_at": state.paused_since,
        "pause_reason": state.paused_by.value if state.paused_by else "",
        "left_seconds": (
            state.target_minutes * 60 - state.elapsed_seconds if standing_still else None
        ),
        "warned_percent": max(state.warned_percents, default=0),
        "next_look_at": min(looks) if looks and state.met_at is None else None,
    }


def next_due(states: Iterable[sla.ClockState]) -> datetime | None:
    """Return the next due time over all unmet promises; None while all stand still."""
    return min(
        (state.due_at for state in states if state.met_at is None and state.due_at is not None),
        default=None,
    )


def project(ticket: Ticket) -> bool:
    """Replay a ticket's ledger into its clocks and next due time; return whether any changed.

    The ticket is locked by the caller, which also saves it (`next_due_at`). A warning is published
    when its share is first found used up, by the sweep or by whoever touches the ticket before it.

    Publishes: ClockWarned.
    """
    now = clock.now()
    states = states_of(ticket, now)
    rows = {row.target: row for row in Clock.objects.filter(ticket=ticket)}
    changed = False
    for target, state in states.items():
        values = projection_of(state, now)
        row = rows.pop(target.value, None)
        given = 0
        if row is None:
            Clock.objects.create(client_id=ticket.client_id, ticket=ticket, target=target, **values)
            changed = True
        else:
            if row.started_at == values["started_at"]:
                given = row.warned_percent
            names = [name for name, value in values.items() if getattr(row, name) != value]
            for name in names:
                setattr(row, name, values[name])
            if names:
                row.save(update_fields=names)
                changed = True
        if state.met_at is None:
            for percent in sorted(state.warned_percents):
                if percent > given:
                    publish(
                        ClockWarned(
                            ticket_id=ticket.pk,
                            number=ticket.number,
                            client_id=ticket.client_id,
                            target=target.value,
                            percent=percent,
                        )
                    )
    for row in rows.values():  # its start was taken back
        row.delete()
        changed = True
    due = next_due(states.values())
    if ticket.next_due_at != due:
        ticket.next_due_at = due
        changed = True
    return changed


def settle(ticket: Ticket, *names: str) -> None:
    """Project the clocks of a locked ticket and save it with these columns."""
    project(ticket)
    _common.save(ticket, *names, "next_due_at")


@transaction.atomic
def rebuild_clock(ticket: Ticket) -> bool:
    """Write a ticket's clocks again from its ledger; return whether anything was different."""
    locked = Ticket.objects.select_for_update(of=("self",)).get(pk=ticket.pk)
    changed = project(locked)
    if changed:
        _common.save(locked, "next_due_at")
    return changed


def differences(ticket: Ticket) -> list[str]:
    """Compare a ticket's clocks with the replay of its ledger; return what differs, in words.

    A clock that the sweep has yet to look at is compared as it stood just before that look: until
    then nothing changes by itself.
    """
    now = clock.now()
    entries = entries_of(ticket)
    rows = {row.target: row for row in Clock.objects.filter(ticket=ticket)}
    found = []
    unmet = []
    for target in ClockTarget:
        row = rows.pop(target.value, None)
        as_of = now
        if row is not None and row.next_look_at is not None and row.next_look_at <= now:
            as_of = row.next_look_at - timedelta(microseconds=1)
        state = sla.replay(
            [entry for entry in entries if entry.target == target], _Calendars(), as_of
        )
        if state is None:
            if row is not None:
                found.append(f"{ticket.number} {target.value}: a clock without a start")
            continue
        if row is None:
            found.append(f"{ticket.number} {target.value}: no clock, but the ledger has one")
            continue
        unmet.append(state)
        for name, value in projection_of(state, as_of).items():
            stored = getattr(row, name)
            if stored != value:
                found.append(f"{ticket.number} {target.value}.{name}: {stored} is not {value}")
    due = next_due(unmet)
    if ticket.next_due_at != due:
        found.append(f"{ticket.number} next_due_at: {ticket.next_due_at} is not {due}")
    return found


def sweep_clocks(limit: int = SWEEP_BATCH) -> int:
    """Look at clocks whose next warning or breach has come; return how many tickets changed.

    Each ticket is a transaction of its own, under its lock: two sweeps at once share the work, and
    each warning is published once. One ticket that fails does not hold up the others.

    Publishes: ClockWarned.
    """
    ids = list(
        Clock.objects.due_for_a_look(clock.now())
        .order_by("next_look_at")
        .values_list("ticket_id", flat=True)[:limit]
    )
    done = 0
    for ticket_id in dict.fromkeys(ids):
        try:
            done += _look_at(ticket_id)
        except Exception:
            log.exception("The clocks of ticket id %s could not be looked at.", ticket_id)
    return done


@transaction.atomic
def _look_at(ticket_id: int) -> bool:
    ticket = (
        Ticket.objects.select_for_update(of=("self",), skip_locked=True)
        .filter(pk=ticket_id)
        .first()
    )
    # Locked by somebody who changes it: they project it themselves.
    if ticket is None or not project(ticket):
        return False
    _common.save(ticket, "next_due_at", at=ticket.last_activity_at)
    return True
