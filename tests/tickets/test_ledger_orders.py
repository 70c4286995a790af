"""Random histories of promises: what stands follows from the ledger alone, whatever its order.

One part is pure: thousands of ledgers, read in any order, against a stopwatch that knows minutes
and nothing else. The other goes through the services and the database, where the ledger must also
stay as it was written.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pytest
from django.db import DatabaseError, connection, transaction

from msp.core import clock
from msp.core.database import as_owner
from msp.core.errors import ServiceError
from msp.core.models import User
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories import clients as client_factories
from tests.factories import core as core_factories
from tests.factories import tickets as ticket_factories
from tests.tickets.conftest import TUESDAY
from tests.tickets.worktime_oracle import counts
from tickets import services
from tickets.domain.sla import ALLOWED_PAUSES, PARTY_OF_PAUSE, ClockEvent, ClockState, replay
from tickets.domain.worktime import Calendar
from tickets.enums import (
    ClockEventKind,
    ClockStanding,
    ClockTarget,
    Party,
    PauseReason,
    RetargetBasis,
    Source,
)
from tickets.models import Clock, Ticket
from tickets.models import ClockEvent as LedgerRow
from tickets.services.clock import entries_of, projection_of, states_of

K, P, T = ClockEventKind, PauseReason, ClockTarget
MINUTE = timedelta(minutes=1)
#: A Thursday; Europe changes its clocks on the Sunday after.
START = datetime(2026, 3, 26, 6, 0, tzinfo=UTC)
HORIZON = 20 * 1440
CALENDARS = {
    "office": Calendar.of("Europe/Berlin", [((540, 720), (780, 1050))] * 5 + [(), ()]),
    "night": Calendar.of("America/St_Johns", [((1320, 120),)] * 7),
    "always": Calendar("UTC", always=True),
}


def test_stands_as_the_stopwatch_says_in_whatever_order_the_ledger_is_read() -> None:
    _orders(seed=1, ledgers=400)


@pytest.mark.soak
def test_stands_as_the_stopwatch_says_in_ten_thousand_orders() -> None:
    print(f"\n{_orders(seed=2, ledgers=10_000)}")


@pytest.mark.django_db
def test_projects_what_the_services_did_in_any_order() -> None:
    _stories(seed=3, stories=40)


@pytest.mark.soak
@pytest.mark.django_db
def test_projects_what_the_services_did_in_a_thousand_orders() -> None:
    print(f"\n{_stories(seed=4, stories=1_000)}")


# ---------------------------------------------------------------- ledgers, without a database


def _orders(seed: int, ledgers: int) -> str:
    dice = random.Random(seed)
    seen: Counter[str] = Counter()
    for number in range(ledgers):
        events = _ledger(dice)
        row: dict[str, Any] = {}
        for place, event in enumerate(events):
            state = replay(events[: place + 1], CALENDARS, event.recorded_at)
            assert state is not None
            row = projection_of(state, event.recorded_at)
        now = events[-1].recorded_at
        read = [_stored(event) for event in events]
        read += dice.sample(read, len(read) // 3)  # some are read twice
        dice.shuffle(read)
        found = replay(read, CALENDARS, now)
        assert found is not None
        assert projection_of(found, now) == row, (seed, number)

        later = now + dice.choice([0, 0, 1, 7, 60, 600, 3000]) * MINUTE
        if found.due_at and now < found.due_at < _at(HORIZON) and dice.random() < 0.2:
            later = found.due_at
        dice.shuffle(read)
        found = replay(read, CALENDARS, later)
        assert found is not None
        _same_as_stopwatch(found, events, later, (seed, number))
        _holds_until_the_next_look(dice, read, found, later)
        seen["events"] += len(events)
        seen[found.standing] += 1
        seen.update(f"{event.kind}" for event in events)
        seen["earlier cycles"] += len(found.earlier)
        seen["reopened"] += found.reopened_count
        seen["had pauses"] += bool(found.pauses)
    assert set(seen) >= {
        *ClockStanding,
        *ClockEventKind,
        "earlier cycles",
        "reopened",
        "had pauses",
    }
    return f"{ledgers} ledgers: {dict(sorted(seen.items()))}"


def _holds_until_the_next_look(
    dice: random.Random, events: list[ClockEvent], state: ClockState, now: datetime
) -> None:
    """What is projected stays true until the moment that it names itself."""
    row = projection_of(state, now)
    ends = row["next_look_at"] or now + 30_000 * MINUTE
    assert ends > now
    then = now + (ends - now) * dice.random()
    for at in (then, ends - timedelta(microseconds=1)):
        again = replay(events, CALENDARS, at)
        assert again is not None
        assert projection_of(again, at) == row


def _stored(event: ClockEvent) -> ClockEvent:
    """Return an entry as it comes back from its columns."""
    return ClockEvent.from_row(
        row_id=event.id,
        target=event.target.value,
        kind=event.kind.value,
        effective_at=event.effective_at,
        recorded_at=event.recorded_at,
        reason=event.reason,
        payload=json.loads(json.dumps(event.payload())),
    )


def _ledger(dice: random.Random) -> list[ClockEvent]:
    """Return entries in the order of their recording; some took effect earlier."""
    target = dice.choice(list(T))
    events: list[ClockEvent] = []
    minute = dice.randrange(4 * 1440)

    def record(kind: ClockEventKind, at: int, reason: str = "", **parts: Any) -> None:
        events.append(
            ClockEvent(
                id=len(events) + 1,
                target=target,
                kind=kind,
                effective_at=_at(at),
                recorded_at=_at(minute),
                reason=reason,
                **parts,
            )
        )

    def terms() -> dict[str, Any]:
        return {
            "target_minutes": dice.choice([1, 15, 60, 240, 480, 1440]),
            "calendar_key": dice.choice(list(CALENDARS)),
            "vendor_pauses": dice.random() < 0.5,
            "warning_percents": dice.choice([(50, 75, 100), (80,), ()]),
        }

    first = minute
    record(K.START, minute, **terms())
    for _ in range(dice.randrange(1, 14)):
        minute += dice.choice([0, 1, 5, 30, 90, 400, 1440])
        since = minute
        if dice.random() < 0.15:  # written down afterwards
            since = max(first, minute - dice.randrange(300))
        kind = dice.choices(
            [K.PAUSE, K.RESUME, K.MEET, K.REOPEN, K.RETARGET, K.START, K.CORRECT],
            [8, 5, 4, 4, 2, 2, 2],
        )[0]
        parts: dict[str, Any] = {}
        reason = ""
        if kind == K.PAUSE:
            reason = dice.choice(list(P)).value
            if dice.random() < 0.4:
                parts["until"] = _at(dice.choice([since + dice.randrange(600), minute]))
        elif kind in (K.RETARGET, K.START):
            parts = terms()
            if kind == K.RETARGET:
                parts["basis"] = dice.choice(list(RetargetBasis))
        elif kind == K.CORRECT:
            again = [event.corrects for event in events if event.corrects and dice.random() < 0.5]
            named = events[again[0] - 1] if again else dice.choice(events)
            if named.id == 1 or named.kind == K.CORRECT:
                continue
            parts["corrects"] = named.id
            if dice.random() < 0.5:
                parts["moved_to"] = _at(dice.randint(first, minute))
        elif kind == K.RESUME and dice.random() < 0.2:
            parts["pause_id"] = dice.choice(events).id
        record(kind, since, reason, **parts)
    return events


def _at(minute: int) -> datetime:
    return START + minute * MINUTE


def _minute(at: datetime) -> int:
    whole, rest = divmod(at - START, MINUTE)
    assert not rest
    return whole


# ---------------------------------------------------------------- a stopwatch


@cache
def _open(key: str) -> Any:
    """Return for each minute from START whether it counts, by the walk over the wall clock."""
    calendar = CALENDARS[key]
    return np.array([counts(_at(minute), calendar) for minute in range(HORIZON)])


@dataclass
class _Pause:
    event: ClockEvent
    begin: int
    end: float
    is_interval: bool


@dataclass
class _Watch:
    """One clock as somebody with a stopwatch and a list would keep it, in whole minutes."""

    target: ClockTarget
    begun: int
    terms: ClockEvent
    changed: int | None = None
    waiting_terms: tuple[ClockEvent, int] | None = None
    met: int | None = None
    gaps: list[tuple[int, int]] = field(default_factory=list)
    pauses: list[_Pause] = field(default_factory=list)
    reopened: int = 0
    cycles: int = 1

    def take(self, event: ClockEvent, at: int) -> None:
        if event.kind == K.START and self.met is not None:
            self.begun, self.terms, self.changed, self.waiting_terms = at, event, None, None
            self.met, self.gaps, self.reopened = None, [], 0
            self.cycles += 1
        elif event.kind == K.PAUSE:
            self.pause(event, at)
        elif event.kind == K.RESUME:
            self.resume(event, at)
        elif event.kind == K.MEET and self.met is None:
            self.met = at
        elif event.kind == K.REOPEN and self.met is not None and self.target != T.RESPONSE:
            self.gaps.append((self.met, at))
            self.met = None
            self.reopened += 1
            self.end_pauses(event, at)
            if self.waiting_terms is not None:
                self.terms, self.changed = self.waiting_terms
                self.waiting_terms = None
        elif event.kind == K.RETARGET:
            if self.met is None:
                self.terms, self.changed = event, at
            else:
                self.waiting_terms = event, at

    def pause(self, event: ClockEvent, at: int) -> None:
        if P(event.reason) not in ALLOWED_PAUSES[self.target]:
            return
        until = float("inf") if event.until is None else _minute(event.until)
        is_interval = event.until is not None and event.until <= event.recorded_at
        if not is_interval:
            self.end_pauses(event, at)
        self.pauses.append(_Pause(event, at, max(at, until), is_interval))

    def resume(self, event: ClockEvent, at: int) -> None:
        if event.pause_id is None:
            self.end_pauses(event, at)
        for pause in self.pauses:
            if pause.event.id == event.pause_id and pause.end > at:
                pause.end = at

    def end_pauses(self, event: ClockEvent, at: int) -> None:
        """End what lasts and was known when this was written."""
        for pause in self.pauses:
            was_known = (pause.event.recorded_at, pause.event.id) < (event.recorded_at, event.id)
            if pause.end > at and was_known and not pause.is_interval:
                pause.end = at

    def reading(self, now: int) -> dict[str, Any]:
        """Count minutes one by one, in arrays with a place for each."""
        begin = self.begun
        if self.terms.kind == K.RETARGET and self.terms.basis == RetargetBasis.CHANGE:
            assert self.changed is not None
            begin = self.changed
        end = now if self.met is None else self.met
        own = Party.VENDOR if self.target == T.VENDOR else Party.MSP
        counted = _open(self.terms.calendar_key or "").copy()
        counted[:begin] = False
        for since, until in self.gaps:
            counted[since:until] = False
        of = {party: np.zeros(HORIZON, bool) for party in Party}
        for pause in self.pauses:
            until = pause.end if self.met is None else min(pause.end, self.met)
            of[PARTY_OF_PAUSE[P(pause.event.reason)]][pause.begin : int(min(until, HORIZON))] = True
        stops = np.zeros(HORIZON, bool)
        minutes = dict.fromkeys(Party, 0)
        free = counted.copy()
        for party in (Party.CLIENT, Party.VENDOR, Party.MSP):
            if party == own:
                continue
            minutes[party] = int((free & of[party])[:end].sum())
            free &= ~of[party]
            if party != Party.VENDOR or self.terms.vendor_pauses:
                stops |= of[party]
        minutes[own] = int(free[:end].sum())
        runs = counted & ~stops
        total = np.cumsum(runs)
        target = self.terms.target_minutes or 0
        due = int(np.searchsorted(total, target)) + 1 if total[-1] >= target else None
        is_late = due is not None and (end > due or (self.met is None and end == due))
        paused_by = None
        for pause in self.pauses:
            reason = P(pause.event.reason)
            does_stop = PARTY_OF_PAUSE[reason] != Party.VENDOR or self.terms.vendor_pauses
            if self.met is None and does_stop and pause.begin <= now < pause.end:
                paused_by = reason
        if self.met is not None:
            standing = ClockStanding.MET_LATE if is_late else ClockStanding.MET
        elif is_late:
            standing = ClockStanding.BREACHED
        else:
            standing = ClockStanding.RUNNING if paused_by is None else ClockStanding.PAUSED
        return {
            "standing": standing,
            "started_at": _at(self.begun),
            "counted_from": _at(begin),
            "target_minutes": target,
            "calendar_key": self.terms.calendar_key,
            "due_at": None if due is None else _at(due),
            "met_at": None if self.met is None else _at(self.met),
            "breached_at": _at(due) if is_late and due is not None else None,
            "elapsed_seconds": 60 * int(runs[:end].sum()),
            "msp_seconds": 60 * minutes[Party.MSP],
            "client_seconds": 60 * minutes[Party.CLIENT],
            "vendor_seconds": 60 * minutes[Party.VENDOR],
            "paused_by": paused_by,
            "reopened_count": self.reopened,
        }


def _same_as_stopwatch(
    state: ClockState, events: list[ClockEvent], now: datetime, which: tuple[int, int]
) -> None:
    # The last word on an entry holds; entries that correct are never corrected here.
    moved = {e.corrects: e.moved_to for e in events if e.kind == K.CORRECT}
    kept = [
        (at, event.id, event)
        for event in events
        if event.kind != K.CORRECT and (at := moved.get(event.id, event.effective_at)) is not None
    ]
    kept.sort(key=lambda entry: entry[:2])
    first = next(entry for entry in kept if entry[2].kind == K.START)
    kept.remove(first)
    begun = _minute(first[0])
    watch = _Watch(first[2].target, begun, first[2])
    for at, _, event in kept:
        watch.take(event, max(begun, _minute(at)))
    wanted = watch.reading(_minute(now))
    found = {name: getattr(state, name) for name in wanted}
    if wanted["due_at"] is None and found["due_at"] is not None:
        assert found["due_at"] > _at(HORIZON)  # beyond what the stopwatch looks at
        found["due_at"] = None
    assert found == wanted, which
    assert len(state.earlier) == watch.cycles - 1


# ---------------------------------------------------------------- through the services


def _stories(seed: int, stories: int) -> str:
    dice = random.Random(seed)
    seen: Counter[str] = Counter()
    with clock.at(TUESDAY), acting_as(SystemPrincipal("tests")), transaction.atomic():
        story = _Story(
            dice,
            core_factories.staff("technician", email="tess@msp.example", name="Tess"),
            client_factories.portal_user("Acme", email="ada@acme.example", name="Ada Acme"),
            seen,
        )
        for number in range(stories):
            with clock.at(TUESDAY + timedelta(minutes=dice.randrange(10_080))):
                story.tell(number)
    # What never succeeded was not tried, and what never failed was not random.
    assert {f"{name} done" for name in ACTIONS} <= set(seen), seen
    assert seen["refused"]
    return f"{stories} stories: {dict(sorted(seen.items()))}"


ACTIONS = (
    "wait", "say", "log", "log_late", "answer_by_client", "say_by_machine", "note_by_machine",
    "status", "status_late", "priority", "pause_late", "resolve", "resolve_by_machine", "reopen",
    "reopen_by_client", "close", "close_if_untouched", "sweep", "rebuild",
)  # fmt: skip


@dataclass
class _Story:
    dice: random.Random
    tess: User
    ada: User
    seen: Counter[str]
    number: int = 0
    pk: int = 0
    #: When a person of ours first reached somebody, as the story tells it.
    answered: list[datetime] = field(default_factory=list)

    def tell(self, number: int) -> None:
        source = self.dice.choice([Source.PORTAL, Source.ALERT, Source.API, Source.STAFF])
        is_alert = source == Source.ALERT
        ticket = ticket_factories.ticket(
            source=source.value,
            kind="alert" if is_alert else "incident",
            **({} if is_alert else {"contact_id": self.ada.scope.contact_id}),
        )
        self.number, self.pk, self.answered = ticket.number, ticket.pk, []
        ledger: list[Any] = []
        names: list[str] = []
        for _ in range(self.dice.randrange(2, 13)):
            name = self.dice.choice([*ACTIONS, "wait", "wait", "wait"])
            names.append(name)
            told = len(self.answered)
            try:
                with transaction.atomic():
                    getattr(self, name)(Ticket.objects.get(pk=ticket.pk))
                    self.seen[f"{name} done"] += 1
            except ServiceError:
                del self.answered[told:]
                self.seen["refused"] += 1
            ledger = self.look(ledger, (number, names), is_alert=is_alert)
        self.seen[f"from {source}"] += 1

    def look(self, before: list[Any], which: Any, *, is_alert: bool) -> list[Any]:
        ticket = Ticket.objects.get(pk=self.pk)
        rows = list(LedgerRow.objects.filter(ticket=ticket).order_by("id").values())
        assert rows[: len(before)] == before, which  # only added to
        self.seen["ledger rows"] += len(rows) - len(before)
        assert services.differences(ticket) == [], which
        clocks = {row.target: row for row in Clock.objects.filter(ticket=ticket)}
        targets = {row["target"] for row in rows} | set(clocks)
        if is_alert:
            assert targets == {T.INTERNAL}, which
        else:
            assert T.INTERNAL not in targets, which
        for target, row in clocks.items():
            entries = [entry for entry in entries_of(ticket) if entry.target == target]
            self.dice.shuffle(entries)
            at = clock.now()
            if row.next_look_at is not None and row.next_look_at <= at:
                at = row.next_look_at - timedelta(microseconds=1)
            state = replay(entries, _calendars(), at)
            assert state is not None
            found = {name: getattr(row, name) for name in projection_of(state, at)}
            assert found == projection_of(state, at), which
        if not is_alert:
            response = states_of(ticket, clock.now())[T.RESPONSE]
            assert response.met_at == min(self.answered, default=None), which
        return rows

    def _ago(self) -> datetime:
        return clock.now() - timedelta(minutes=self.dice.randrange(1, 600))

    def wait(self, ticket: Ticket) -> None:
        clock.advance(timedelta(minutes=self.dice.choice([1, 20, 45, 300, 1440, 4000])))

    def say(self, ticket: Ticket) -> None:
        self.answered.append(clock.now())
        services.add_message(self.number, by=self.tess, kind="public", body="x")

    def log(self, ticket: Ticket) -> None:
        kind = self.dice.choice(["call", "visit", "chat", "note"])
        if kind != "note":
            self.answered.append(clock.now())
        services.add_message(self.number, by=self.tess, kind=kind, body="x")

    def log_late(self, ticket: Ticket) -> None:
        # A call may have taken place before the ticket: it counts from its opening on.
        at = self._ago()
        self.answered.append(max(at, ticket.opened_at))
        services.add_message(self.number, by=self.tess, kind="call", body="x", at=at)

    def answer_by_client(self, ticket: Ticket) -> None:
        services.add_message(self.number, by=self.ada, kind="public", body="x")

    def say_by_machine(self, ticket: Ticket) -> None:
        kind = self.dice.choice(["public", "call", "note"])
        services.add_message(self.number, by=SystemPrincipal("robot"), kind=kind, body="x")

    def note_by_machine(self, ticket: Ticket) -> None:
        services.note_from_system(self.pk, body="x", by=SystemPrincipal("robot"))

    def status(self, ticket: Ticket, at: datetime | None = None) -> None:
        to = self.dice.choice(
            ["in_progress", "waiting_client", "waiting_vendor", "scheduled", "new"]
        )
        until = clock.now() + timedelta(hours=30) if to == "scheduled" else None
        services.change_status(self.number, by=self.tess, status=to, until=until, at=at)

    def status_late(self, ticket: Ticket) -> None:
        self.status(ticket, max(ticket.opened_at, self._ago()))

    def priority(self, ticket: Ticket) -> None:
        priority = self.dice.choice(["p1", "p2", "p3", "p4"])
        services.change_priority(self.number, by=self.tess, priority=priority)

    def pause_late(self, ticket: Ticket) -> None:
        start = self.dice.choice([self._ago(), ticket.opened_at])
        services.record_pause(
            self.number,
            by=self.tess,
            because=self.dice.choice(["waiting_client", "waiting_vendor", "scheduled"]),
            start=start,
            end=start + timedelta(minutes=self.dice.randrange(1, 300)),
            reason="x",
        )

    def resolve(self, ticket: Ticket) -> None:
        if ticket.contact_id is not None:
            self.answered.append(clock.now())
        services.resolve_ticket(self.number, by=self.tess, resolution="x")

    def resolve_by_machine(self, ticket: Ticket) -> None:
        services.resolve_ticket(self.number, by=SystemPrincipal("robot"), resolution="x")

    def reopen(self, ticket: Ticket) -> None:
        services.reopen_ticket(self.number, by=self.tess)

    def reopen_by_client(self, ticket: Ticket) -> None:
        services.reopen_ticket(self.number, by=self.ada, reason="x")

    def close(self, ticket: Ticket) -> None:
        services.close_ticket(self.number, by=self.tess)

    def close_if_untouched(self, ticket: Ticket) -> None:
        services.close_if_untouched(self.pk, by=SystemPrincipal("robot"), reason="x")

    def sweep(self, ticket: Ticket) -> None:
        services.start_scheduled()
        services.sweep_clocks()

    def rebuild(self, ticket: Ticket) -> None:
        services.rebuild_clock(ticket)


def _calendars() -> Any:
    """Return the calendars as the services read them."""
    return services.clock._Calendars()


# ---------------------------------------------------------------- nobody changes the ledger

CHANGES = [
    "UPDATE tickets_clockevent SET effective_at = effective_at - interval '1 hour'",
    "DELETE FROM tickets_clockevent",
    "INSERT INTO tickets_clockevent SELECT * FROM tickets_clockevent LIMIT 1 "
    "ON CONFLICT (id) DO UPDATE SET reason = 'x'",
    "MERGE INTO tickets_clockevent a USING tickets_clockevent b ON a.id = b.id "
    "WHEN MATCHED THEN UPDATE SET reason = 'x'",
    "MERGE INTO tickets_clockevent a USING tickets_clockevent b ON a.id = b.id "
    "WHEN MATCHED THEN DELETE",
]
WAYS_ROUND = [
    "UPDATE tickets_clockevent SET id = id",
    "SELECT * FROM tickets_clockevent FOR UPDATE",
    "ALTER TABLE tickets_clockevent DISABLE TRIGGER ALL",
    "DROP TRIGGER tickets_clockevent_no_change ON tickets_clockevent",
    "SET session_replication_role = replica",
    "ALTER TABLE tickets_clockevent OWNER TO CURRENT_USER",
]


@pytest.fixture
def ledger(transactional_db: None) -> list[Any]:
    """Leave some entries behind, committed."""
    with clock.at(TUESDAY), acting_as(SystemPrincipal("tests")):
        story = ticket_factories.ticket(source="portal", kind="incident")
        with suppress(ServiceError):
            services.resolve_ticket(story.number, by=SystemPrincipal("robot"), resolution="x")
    return _rows()


def _rows() -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM tickets_clockevent ORDER BY id")
        return cursor.fetchall()


def test_gives_the_application_no_right_to_change_the_ledger(ledger) -> None:
    assert len(ledger) > 2
    for statement in [*CHANGES, *WAYS_ROUND]:
        with connection.cursor() as cursor, pytest.raises(DatabaseError) as refused:
            cursor.execute(statement)
        assert refused.value.__cause__.pgcode == "42501", statement  # insufficient_privilege
        assert _rows() == ledger


def test_refuses_changes_of_the_ledger_even_by_its_owner(ledger) -> None:
    assert len(ledger) > 2
    with as_owner():
        for statement in CHANGES:
            with connection.cursor() as cursor, pytest.raises(DatabaseError) as refused:
                cursor.execute(statement)
            assert refused.value.__cause__.pgcode == "23001", statement  # by the trigger
            assert _rows() == ledger
