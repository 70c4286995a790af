"""Rules over one series: thresholds, holds, silence, back-fill."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.domain.rules import (
    BACKFILL_AFTER_MS,
    Condition,
    Rule,
    Sample,
    SeriesState,
    Side,
    Transition,
    judge,
    judge_series,
    judge_silence,
)
from monitoring.enums import RuleState

OK, PENDING, FIRING, RECOVERING, NODATA = RuleState
CPU = Condition(fire=0.9, clear=0.8)
PLAIN = Rule(CPU)
SLOW = Rule(CPU, for_seconds=120, keep_firing_for_seconds=120)
DISK = Rule(CPU, also=Condition(fire=10e9, clear=12e9, side=Side.BELOW))
NAN = math.nan


def fresh(minute: float, value: float, second: float | None = None) -> Sample:
    """Make a sample that arrives a second after it was taken."""
    ts_ms = int(minute * 60_000)
    return Sample(ts_ms, value, ts_ms + 1000, second)


def late(minute: float, value: float) -> Sample:
    """Make a sample that was too old on arrival to fire."""
    sample = fresh(minute, value)
    return replace(sample, arrived_ms=sample.ts_ms + BACKFILL_AFTER_MS + 1)


def series(*values: float) -> list[Sample]:
    """Make fresh samples, one a minute."""
    return [fresh(minute, value) for minute, value in enumerate(values)]


def path(rule: Rule, samples: list[Sample], start: SeriesState | None = None) -> list[RuleState]:
    """Return the state after each sample."""
    state, states = start or SeriesState(), []
    for sample in samples:
        state, _ = judge(rule, state, sample)
        states.append(state.state)
    return states


@pytest.mark.parametrize(
    ("rule", "values", "states"),
    [
        (PLAIN, [0.5, 0.9, 0.95], [OK, FIRING, FIRING]),
        (PLAIN, [0.9, 0.85, 0.8, 0.79], [FIRING, FIRING, FIRING, OK]),
        (PLAIN, [0.85, 0.85], [OK, OK]),
        (SLOW, [0.95] * 4, [PENDING, PENDING, FIRING, FIRING]),
        (SLOW, [0.95, 0.95, 0.85, 0.95, 0.95], [PENDING, PENDING, OK, PENDING, PENDING]),
        (
            SLOW,
            [0.95, 0.95, 0.95, 0.1, 0.1, 0.1],
            [PENDING, PENDING, FIRING, RECOVERING, RECOVERING, OK],
        ),
        (
            SLOW,
            [0.95, 0.95, 0.95, 0.1, 0.95, 0.1],
            [PENDING, PENDING, FIRING, RECOVERING, FIRING, RECOVERING],
        ),
        (
            SLOW,  # between the thresholds a recovery waits again
            [0.95, 0.95, 0.95, 0.1, 0.85, 0.1, 0.1, 0.1],
            [PENDING, PENDING, FIRING, *[RECOVERING] * 3, OK, OK],
        ),
        (
            Rule(CPU, min_hold_seconds=180),
            [0.95, 0.1, 0.1, 0.1, 0.1],
            [FIRING, RECOVERING, RECOVERING, OK, OK],
        ),
        (PLAIN, [0.95, NAN, 0.95, NAN, 0.1, NAN], [FIRING, FIRING, FIRING, FIRING, OK, OK]),
    ],
)
def test_walks_through_its_states(rule, values, states):
    assert path(rule, series(*values)) == states


def test_reports_each_change_with_its_sample_time_and_value():
    state, changes = judge_series(SLOW, series(0.1, 0.95, 0.95, 0.96, 0.2, 0.2, 0.3))
    assert changes == (
        Transition(OK, PENDING, 60_000, 0.95),
        Transition(PENDING, FIRING, 180_000, 0.96),
        Transition(FIRING, RECOVERING, 240_000, 0.2),
        Transition(RECOVERING, OK, 360_000, 0.3),
    )
    assert state == SeriesState(OK, 360_000, 360_000, 0.3, None)


def test_fires_below_a_threshold_as_well():
    rule = Rule(Condition(fire=5, clear=8, side=Side.BELOW))
    assert path(rule, series(9, 5, 7, 8, 9)) == [OK, FIRING, FIRING, FIRING, OK]


def test_needs_both_conditions_to_fire_and_either_to_clear():
    samples = [
        fresh(0, 0.95, 500e9),  # a big disk with room
        fresh(1, 0.50, 1e9),  # a small disk, hardly used
        fresh(2, 0.95, 9e9),
        fresh(3, 0.95, 11e9),  # between the thresholds
        fresh(4, 0.95, 13e9),
    ]
    assert path(DISK, samples) == [OK, OK, FIRING, FIRING, OK]
    assert path(DISK, [fresh(0, 0.95, 9e9), fresh(1, 0.5, 9e9)]) == [FIRING, OK]


@pytest.mark.parametrize("second", [None, NAN])
def test_leaves_the_state_when_the_second_value_was_not_measured(second):
    firing, _ = judge(DISK, SeriesState(), fresh(0, 0.95, 1e9))
    assert judge(DISK, firing, fresh(1, 0.1, second)) == (firing, ())


def test_ignores_samples_that_are_not_newer():
    state, _ = judge_series(PLAIN, series(0.1, 0.95))
    assert judge(PLAIN, state, fresh(1, 0.1)) == (state, ())
    assert judge(PLAIN, state, fresh(0.5, 0.1)) == (state, ())


# Back-fill


def test_never_fires_on_a_sample_that_was_old_on_arrival():
    samples = [late(minute, 0.95) for minute in range(60)]
    assert set(path(PLAIN, samples)) == {PENDING}
    assert set(path(SLOW, samples)) == {PENDING}


def test_is_not_back_fill_at_ten_minutes_sharp():
    sample = Sample(0, 0.95, BACKFILL_AFTER_MS)
    assert judge(PLAIN, SeriesState(), sample)[0].state == FIRING


def test_fires_on_the_first_fresh_sample_after_a_held_back_fill():
    samples = [late(0, 0.95), late(1, 0.95), late(2, 0.95), fresh(3, 0.95)]
    assert path(SLOW, samples) == [PENDING, PENDING, PENDING, FIRING]


def test_does_not_relapse_on_back_fill_but_waits_again():
    state, _ = judge_series(SLOW, series(0.95, 0.95, 0.95, 0.1))
    samples = [late(4, 0.95), fresh(5, 0.1), fresh(6, 0.1), fresh(7, 0.1)]
    assert path(SLOW, samples, state) == [RECOVERING, RECOVERING, OK, OK]
    assert path(SLOW, samples[:2], state) == [RECOVERING, RECOVERING]


# Silence


def test_becomes_unknown_when_silence_has_lasted_long_enough():
    state, _ = judge_series(PLAIN, series(0.1))
    assert judge_silence(PLAIN, state, 179_999) == (state, ())
    lost, changes = judge_silence(PLAIN, state, 500_000)
    assert changes == (Transition(OK, NODATA, 180_000, None),)
    assert (lost.state, lost.since_ms) == (NODATA, 180_000)
    assert judge_silence(PLAIN, lost, 900_000) == (lost, ())


def test_loses_nothing_of_a_series_never_seen():
    assert judge_silence(PLAIN, SeriesState(), 10**15) == (SeriesState(), ())


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ([0.1], 0.1, OK),
        ([0.1], 0.95, PENDING),
        ([0.95], 0.95, PENDING),
        ([0.95] * 3, 0.95, FIRING),
        ([0.95] * 3, 0.85, FIRING),
        ([0.95] * 3, 0.1, RECOVERING),
        ([0.95] * 3 + [0.1], 0.95, FIRING),
        ([0.95] * 3 + [0.1], 0.1, RECOVERING),
    ],
)
def test_takes_up_where_it_stood_when_data_come_back(before, value, after):
    state, _ = judge_series(SLOW, series(*before))
    state, _ = judge_silence(SLOW, state, 3_600_000)
    assert judge(SLOW, state, fresh(61, value))[0].state == after


def test_keeps_the_alert_of_a_device_that_fell_silent():
    state, _ = judge_series(SLOW, series(0.95, 0.95, 0.95))
    lost, _ = judge_silence(SLOW, state, 3_600_000)
    assert lost.fired_ms == 120_000
    back, changes = judge(SLOW, lost, fresh(61, 0.95))
    assert changes == (Transition(NODATA, FIRING, 3_660_000, 0.95),)
    assert back.fired_ms == 120_000


def test_stays_unknown_through_back_fill():
    state, _ = judge_series(PLAIN, series(0.1))
    lost, _ = judge_silence(PLAIN, state, 3_600_000)
    filled, changes = judge(PLAIN, lost, late(5, 0.95))
    assert (filled.state, filled.last_ms, changes) == (NODATA, 300_000, ())


@pytest.mark.parametrize(
    ("before", "value", "state"), [([0.95], 0.95, PENDING), ([0.95] * 3 + [0.1], 0.1, RECOVERING)]
)
def test_counts_no_hold_over_a_gap_in_which_nobody_saw_anything(before, value, state):
    start, _ = judge_series(SLOW, series(*before))
    assert path(SLOW, [fresh(61, value), fresh(62, value)], start) == [state, state]


# Rules that cannot be


@pytest.mark.parametrize(
    "build",
    [
        lambda: Condition(fire=0.8, clear=0.9),
        lambda: Condition(fire=10, clear=5, side=Side.BELOW),
        lambda: Condition(fire=NAN, clear=0.9),
        lambda: Rule(CPU, for_seconds=-1),
        lambda: Rule(CPU, keep_firing_for_seconds=-1),
        lambda: Rule(CPU, min_hold_seconds=-1),
        lambda: Rule(CPU, nodata_after_seconds=0),
    ],
)
def test_refuses_rules_that_cannot_be(build):
    with pytest.raises(ValueError, match=r"threshold|wait|silence"):
        build()


# For every series

values = st.one_of(st.just(NAN), st.sampled_from([0.1, 0.79, 0.8, 0.85, 0.9, 0.95]))
holds = st.sampled_from([0, 60, 90, 300])
rules = st.builds(
    Rule,
    st.just(CPU),
    for_seconds=holds,
    keep_firing_for_seconds=holds,
    min_hold_seconds=holds,
    nodata_after_seconds=st.sampled_from([60, 180, 100_000]),
)
samples = st.lists(
    st.tuples(st.integers(0, 200), values, st.sampled_from([0, 1_000, BACKFILL_AFTER_MS + 1])),
    max_size=40,
).map(lambda rows: [Sample(m * 20_000, value, m * 20_000 + lag) for m, value, lag in rows])


@given(rules, samples)
@settings(max_examples=200)
def test_replays_to_the_same_end_in_one_go_or_in_pieces(rule, stream):
    whole, changes = judge_series(rule, stream)
    state, pieces = SeriesState(), []
    for sample in stream:
        state, changed = judge(rule, state, sample)
        pieces.extend(changed)
    assert (state, tuple(pieces)) == (whole, changes)


@given(rules, samples)
@settings(max_examples=200)
def test_changes_form_an_unbroken_chain_that_goes_forward(rule, stream):
    state, changes = judge_series(rule, stream)
    assert all(a.to == b.source and a.at_ms < b.at_ms for a, b in pairwise(changes))
    if changes:
        assert (changes[0].source, changes[-1].to) == (OK, state.state)
    assert (state.fired_ms is not None) == (state.state in (FIRING, RECOVERING))


@given(rules, samples)
@settings(max_examples=200)
def test_fires_only_on_a_fresh_sample_after_bad_ones_all_through_the_hold(rule, stream):
    in_order = sorted({sample.ts_ms: sample for sample in stream}.values(), key=_ts)
    state = SeriesState()
    for n, sample in enumerate(in_order):
        begun = sample.ts_ms if state.state == OK else state.since_ms
        quiet = state.fired_ms is None
        state, _ = judge(rule, state, sample)
        if quiet and state.state == FIRING:
            held = [s.value for s in in_order[: n + 1] if s.ts_ms >= begun]
            assert sample.arrived_ms - sample.ts_ms <= BACKFILL_AFTER_MS
            assert sample.ts_ms - begun >= rule.for_seconds * 1000
            assert all(value >= CPU.fire for value in held if not math.isnan(value))


def _ts(sample: Sample) -> int:
    return sample.ts_ms
