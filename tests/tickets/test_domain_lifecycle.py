"""The life of a ticket and what each step does to its clocks."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from tickets.domain.lifecycle import (
    OPEN,
    ClockEffect,
    Need,
    Transition,
    allowed_from,
    pause_of,
    plan_transition,
)
from tickets.domain.sla import ClockEvent, replay_all
from tickets.domain.worktime import Calendar
from tickets.enums import (
    ClockEventKind,
    ClockStanding,
    ClockTarget,
    PauseReason,
    Status,
    TransitionRefusal,
)

S, K, T, P = Status, ClockEventKind, ClockTarget, PauseReason


def effects(source: Status, to: Status) -> dict[ClockTarget, list[tuple]]:
    """Return what an allowed change does, clock by clock."""
    plan = plan_transition(source, to)
    assert isinstance(plan, Transition)
    found: dict[ClockTarget, list[tuple]] = {}
    for effect in plan.effects:
        found.setdefault(effect.target, []).append(
            (effect.kind,) if effect.reason is None else (effect.kind, effect.reason)
        )
    return found


@pytest.mark.parametrize(
    ("source", "to", "refusal"),
    [
        (S.NEW, S.NEW, "same_status"),
        (S.IN_PROGRESS, S.NEW, "not_new_again"),
        (S.CLOSED, S.NEW, "not_new_again"),
        (S.NEW, S.CLOSED, "resolve_first"),
        (S.WAITING_CLIENT, S.CLOSED, "resolve_first"),
        (S.RESOLVED, S.WAITING_CLIENT, "reopen_first"),
        (S.CLOSED, S.SCHEDULED, "reopen_first"),
        (S.CLOSED, S.RESOLVED, "closed_for_good"),
    ],
)
def test_refuses_with_the_reason(source, to, refusal):
    assert plan_transition(source, to) == TransitionRefusal(refusal)


def test_offers_exactly_what_it_allows():
    assert allowed_from(S.NEW) == (
        S.IN_PROGRESS,
        S.WAITING_CLIENT,
        S.WAITING_VENDOR,
        S.SCHEDULED,
        S.RESOLVED,
    )
    assert allowed_from(S.RESOLVED) == (S.IN_PROGRESS, S.CLOSED)
    assert allowed_from(S.CLOSED) == (S.IN_PROGRESS,)
    for source, to in product(Status, Status):
        allowed = isinstance(plan_transition(source, to), Transition)
        assert allowed == (to in allowed_from(source))


def test_says_what_it_needs_to_know():
    assert plan_transition(S.NEW, S.RESOLVED).needs == {Need.RESOLUTION}
    assert plan_transition(S.NEW, S.SCHEDULED).needs == {Need.UNTIL}
    assert plan_transition(S.NEW, S.IN_PROGRESS).needs == frozenset()


def test_never_touches_the_response_clock_or_a_vendors():
    for source, to in product(Status, Status):
        plan = plan_transition(source, to)
        if isinstance(plan, Transition):
            assert not {T.RESPONSE, T.VENDOR} & {effect.target for effect in plan.effects}
    assert pause_of(S.WAITING_CLIENT, T.RESPONSE) is None


@pytest.mark.parametrize("source", [S.NEW, S.IN_PROGRESS])
def test_pauses_all_but_the_response_while_the_client_must_act(source):
    pause = [(K.PAUSE, P.WAITING_CLIENT)]
    wanted = {T.RESOLUTION: pause, T.INTERNAL: pause, T.UPDATE: pause}
    assert effects(source, S.WAITING_CLIENT) == wanted


def test_keeps_telling_the_client_while_a_vendor_must_act():
    pause = [(K.PAUSE, P.WAITING_VENDOR)]
    assert effects(S.NEW, S.WAITING_VENDOR) == {T.RESOLUTION: pause, T.INTERNAL: pause}
    assert effects(S.WAITING_CLIENT, S.WAITING_VENDOR) == {
        T.RESOLUTION: pause,
        T.INTERNAL: pause,
        T.UPDATE: [(K.RESUME,)],
    }


def test_starts_work_without_touching_a_running_clock():
    assert effects(S.NEW, S.IN_PROGRESS) == {}


def test_resumes_what_it_paused():
    resume = [(K.RESUME,)]
    assert effects(S.WAITING_VENDOR, S.IN_PROGRESS) == {T.RESOLUTION: resume, T.INTERNAL: resume}
    assert effects(S.SCHEDULED, S.IN_PROGRESS)[T.UPDATE] == resume


def test_meets_on_resolving_and_ends_the_pause_first():
    assert effects(S.IN_PROGRESS, S.RESOLVED)[T.RESOLUTION] == [(K.MEET,)]
    assert effects(S.WAITING_CLIENT, S.RESOLVED)[T.UPDATE] == [(K.RESUME,), (K.MEET,)]


def test_closes_without_a_word_and_reopens_into_work():
    assert effects(S.RESOLVED, S.CLOSED) == {}
    for source in (S.RESOLVED, S.CLOSED):
        assert plan_transition(source, S.IN_PROGRESS).effects == (
            ClockEffect(T.RESOLUTION, K.REOPEN),
            ClockEffect(T.INTERNAL, K.REOPEN),
            ClockEffect(T.UPDATE, K.START),
        )


STEP = timedelta(minutes=10)
OPENED = datetime(2026, 3, 2, 8, tzinfo=UTC)
WALKS = [
    [S.IN_PROGRESS, S.WAITING_CLIENT, S.IN_PROGRESS, S.RESOLVED, S.CLOSED, S.IN_PROGRESS],
    [S.WAITING_CLIENT, S.WAITING_VENDOR, S.SCHEDULED, S.RESOLVED, S.IN_PROGRESS],
    [S.SCHEDULED, S.WAITING_CLIENT, S.RESOLVED, S.IN_PROGRESS, S.WAITING_VENDOR, S.RESOLVED],
]


@pytest.mark.parametrize("walk", WALKS)
def test_leaves_the_clocks_of_a_whole_life_as_the_statuses_say(walk):
    terms = {"target_minutes": 60, "calendar_key": "1", "vendor_pauses": True}
    events = [
        ClockEvent(
            id=n, target=target, kind=K.START, effective_at=OPENED, recorded_at=OPENED, **terms
        )
        for n, target in enumerate([T.RESOLUTION, T.INTERNAL, T.UPDATE])
    ]
    status, at, worked = S.NEW, OPENED, timedelta()
    for to in walk:
        worked += STEP if status in (S.NEW, S.IN_PROGRESS) else timedelta()
        at += STEP
        for effect in plan_transition(status, to).effects:
            events.append(
                ClockEvent(
                    id=len(events),
                    target=effect.target,
                    kind=effect.kind,
                    effective_at=at,
                    recorded_at=at,
                    reason=effect.reason or "",
                    **(terms if effect.kind == K.START else {}),
                )
            )
        status = to
        states = replay_all(events, {"1": Calendar("UTC", always=True)}, at)
        for target, state in states.items():
            assert state.ignored == ()
            assert (state.met_at is None) == (status in OPEN)
            paused = pause_of(status, target) if status in OPEN else None
            assert state.paused_by == paused
        assert states[T.RESOLUTION].elapsed_seconds == worked.total_seconds()
        assert states[T.RESOLUTION].standing in (
            {ClockStanding.RUNNING, ClockStanding.PAUSED} if status in OPEN else {ClockStanding.MET}
        )
