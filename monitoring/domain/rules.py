"""Rules: one series of samples in, the state of the rule and its changes out.

    OK -> PENDING -> FIRING -> RECOVERING -> OK        and NODATA, entered by silence

Time is sample time, in milliseconds since 1970 UTC, never the clock of the server: judging a
series later, or again, gives the same result. Only the arrival of a sample is also looked at,
to tell back-fill: a sample that was old on arrival updates the state but never makes it fire.

A condition has two thresholds. It holds from the one that fires until the one that clears is
passed; between the two, what was so stays so. "Stays" means: a firing rule fires on, a pending
rule falls back to OK, and a recovering rule waits again from that sample.

Source: telemetry.md section 9.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isnan
from typing import Final

from monitoring.enums import RuleState

BACKFILL_AFTER_MS: Final = 600_000  # older than 10 minutes on arrival; telemetry.md section 9
_HOLDS: Final = frozenset({RuleState.PENDING, RuleState.RECOVERING})


class Side(StrEnum):
    """On which side of its thresholds a condition holds."""

    ABOVE = "above"
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class Condition:
    """Holds at or beyond ``fire``, is over only when strictly inside ``clear``.

    Both in the unit of the metric: for a used ratio 0-1 ABOVE with fire 0.90 and clear 0.85,
    for free bytes BELOW with fire 10e9 and clear 12e9.

    Errors: ValueError if ``clear`` lies beyond ``fire``, or either is not a number.
    """

    fire: float
    clear: float
    side: Side = Side.ABOVE

    def __post_init__(self) -> None:
        """Refuse thresholds between which a series could both fire and clear."""
        inside = self.clear <= self.fire if self.side == Side.ABOVE else self.clear >= self.fire
        if not inside:  # also when either is NaN
            raise ValueError("the clear threshold lies on the good side of the one that fires")

    def holds(self, value: float) -> bool:
        """Say whether a value is bad enough to fire."""
        return value >= self.fire if self.side == Side.ABOVE else value <= self.fire

    def is_over(self, value: float) -> bool:
        """Say whether a value is good enough to clear."""
        return value < self.clear if self.side == Side.ABOVE else value > self.clear


@dataclass(frozen=True, slots=True)
class Rule:
    """When one series fires. Times are whole seconds of sample time.

    ``also`` is a second condition, on ``Sample.second``: both must hold to fire, and either may
    clear (a disk: used ratio *and* free bytes). ``for_seconds`` is how long it must hold before
    it fires, ``keep_firing_for_seconds`` how long it must be over before it is OK again, and
    ``min_hold_seconds`` the shortest time from firing to OK. Silence for ``nodata_after_seconds``
    makes the state unknown, and a gap as long breaks every hold: nobody saw what happened.

    Errors: ValueError for a negative time, or an ``nodata_after_seconds`` below 1.
    """

    condition: Condition
    also: Condition | None = None
    for_seconds: int = 0
    keep_firing_for_seconds: int = 0
    min_hold_seconds: int = 0
    nodata_after_seconds: int = 180  # three intervals of 60 s; telemetry.md section 9

    def __post_init__(self) -> None:
        """Refuse times that cannot be waited for."""
        if min(self.for_seconds, self.keep_firing_for_seconds, self.min_hold_seconds) < 0:
            raise ValueError("a rule cannot wait for less than no time")
        if self.nodata_after_seconds < 1:
            raise ValueError("silence takes at least a second")


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement: taken at ``ts_ms``, arrived at ``arrived_ms``; NaN means not measured."""

    ts_ms: int
    value: float
    arrived_ms: int
    second: float | None = None


@dataclass(frozen=True, slots=True)
class SeriesState:
    """What a rule knows of one series; everything needed to judge the next sample.

    ``since_ms`` is the sample time from which the present state's hold counts. ``fired_ms`` is
    when it began to fire, None unless FIRING, RECOVERING, or NODATA after either: then an alert
    is open, and silence does not close it.
    """

    state: RuleState = RuleState.OK
    since_ms: int = 0
    last_ms: int | None = None
    last_value: float | None = None
    fired_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of state, at a sample time, with the value that caused it (None for silence)."""

    source: RuleState
    to: RuleState
    at_ms: int
    value: float | None


Judgement = tuple[SeriesState, tuple[Transition, ...]]


def judge(rule: Rule, state: SeriesState, sample: Sample) -> Judgement:
    """Judge one sample of a series and return the new state and what changed, if anything.

    A sample that is not newer than the last, or not a number, leaves everything as it was.
    """
    if isnan(sample.value) or (rule.also is not None and _not_measured(sample.second)):
        return state, ()
    if state.last_ms is not None and sample.ts_ms <= state.last_ms:
        return state, ()
    gap_ms = 0 if state.last_ms is None else sample.ts_ms - state.last_ms
    if gap_ms > rule.nodata_after_seconds * 1000 and state.state in _HOLDS:
        state = replace(state, since_ms=sample.ts_ms)
    judged = replace(_step(rule, state, sample), last_ms=sample.ts_ms, last_value=sample.value)
    return judged, _changes(state, judged, sample.ts_ms, sample.value)


def judge_silence(rule: Rule, state: SeriesState, at_ms: int) -> Judgement:
    """Judge that nothing newer than the last sample had arrived by ``at_ms``.

    The state becomes unknown at the moment the silence had lasted long enough, whenever that is
    noticed. A series that was never seen has nothing to lose.
    """
    if state.last_ms is None or state.state == RuleState.NODATA:
        return state, ()
    lost_ms = state.last_ms + rule.nodata_after_seconds * 1000
    if at_ms < lost_ms:
        return state, ()
    judged = replace(state, state=RuleState.NODATA, since_ms=lost_ms)
    return judged, _changes(state, judged, lost_ms, None)


def judge_series(
    rule: Rule, samples: Iterable[Sample], state: SeriesState | None = None
) -> Judgement:
    """Judge samples one after another, from a fresh state unless one is given."""
    state = SeriesState() if state is None else state
    changes: list[Transition] = []
    for sample in samples:
        state, changed = judge(rule, state, sample)
        changes.extend(changed)
    return state, tuple(changes)


def _step(rule: Rule, state: SeriesState, sample: Sample) -> SeriesState:
    """Return the state after a sample that is measured and newer than the last."""
    late = sample.arrived_ms - sample.ts_ms > BACKFILL_AFTER_MS
    bad = rule.condition.holds(sample.value)
    over = rule.condition.is_over(sample.value)
    if rule.also is not None and sample.second is not None:
        bad = bad and rule.also.holds(sample.second)
        over = over or rule.also.is_over(sample.second)
    if state.state == RuleState.NODATA:
        if late:
            return state  # unknown until something fresh arrives
        # An alert that silence left open is confirmed or begins to clear; else all starts anew.
        was = RuleState.OK if state.fired_ms is None else RuleState.FIRING
        state = replace(state, state=was, since_ms=sample.ts_ms)
    if state.fired_ms is None:
        return _while_quiet(rule, state, sample.ts_ms, bad=bad, late=late)
    return _while_alerting(rule, state, sample.ts_ms, relapsed=bad and not late, over=over)


def _while_quiet(rule: Rule, state: SeriesState, at: int, *, bad: bool, late: bool) -> SeriesState:
    """Go on from OK or PENDING."""
    if not bad:
        was_ok = state.state == RuleState.OK
        return state if was_ok else replace(state, state=RuleState.OK, since_ms=at)
    since = state.since_ms if state.state == RuleState.PENDING else at
    if late or at - since < rule.for_seconds * 1000:
        return replace(state, state=RuleState.PENDING, since_ms=since)
    return replace(state, state=RuleState.FIRING, since_ms=at, fired_ms=at)


def _while_alerting(
    rule: Rule, state: SeriesState, at: int, *, relapsed: bool, over: bool
) -> SeriesState:
    """Go on from FIRING or RECOVERING."""
    if state.state == RuleState.RECOVERING and relapsed:
        return replace(state, state=RuleState.FIRING, since_ms=at)
    if not over:
        # Firing goes on; a recovery that is not over must wait again from here.
        return state if state.state == RuleState.FIRING else replace(state, since_ms=at)
    since = at if state.state == RuleState.FIRING else state.since_ms
    held_ms = 0 if state.fired_ms is None else at - state.fired_ms
    recovered = at - since >= rule.keep_firing_for_seconds * 1000
    if recovered and held_ms >= rule.min_hold_seconds * 1000:
        return replace(state, state=RuleState.OK, since_ms=at, fired_ms=None)
    return replace(state, state=RuleState.RECOVERING, since_ms=since)


def _changes(
    before: SeriesState, after: SeriesState, at_ms: int, value: float | None
) -> tuple[Transition, ...]:
    if before.state == after.state:
        return ()
    return (Transition(before.state, after.state, at_ms, value),)


def _not_measured(value: float | None) -> bool:
    return value is None or isnan(value)
