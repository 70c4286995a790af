"""A series judged live, in pieces and swept now and then, ends as one replay of it, bit for bit.

Live is what a service does: samples in the order of their arrival, some late, some twice, some not
measured, cut into batches at random, with sweeps for silence between. The second half compares
with a slow reading of the module's documentation that keeps no state but the whole history.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from monitoring.domain.rules import (
    BACKFILL_AFTER_MS,
    Condition,
    Rule,
    Sample,
    SeriesState,
    Side,
    Transition,
    judge_series,
    judge_silence,
)
from monitoring.enums import RuleState

OK, PENDING, FIRING, RECOVERING, NODATA = RuleState
START_MS = 1_764_000_000_000
HOLDS = (0, 0, 1, 60, 120, 300, 900)


@dataclass(frozen=True)
class Sweep:
    """Somebody asks at this time whether the series has fallen silent."""

    at_ms: int


Step = Sample | Sweep
Story = list[Step]


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_judges_live_as_in_one_replay(seed: int) -> None:
    _compare(seed, series=100)


@pytest.mark.soak
def test_judges_ten_thousand_series_live_as_in_one_replay() -> None:
    print(f"\n{_compare(11, series=10_000)}")


def test_judges_as_the_documentation_says() -> None:
    _compare_with_slow_reading(21, series=500)


@pytest.mark.soak
def test_judges_ten_thousand_series_as_the_documentation_says() -> None:
    print(f"\n{_compare_with_slow_reading(31, series=10_000)}")


def test_tells_a_bit_of_difference() -> None:
    """The comparison itself: equal numbers that are not the same bits differ."""
    assert _bits(SeriesState(last_value=0.0), ()) != _bits(SeriesState(last_value=-0.0), ())
    assert _bits(SeriesState(last_value=0.1), ()) != _bits(
        SeriesState(last_value=math.nextafter(0.1, 1)), ()
    )


# ---------------------------------------------------------------- live and replay


def _compare(seed: int, *, series: int) -> str:
    dice = random.Random(seed)
    seen: Counter[str] = Counter()
    for number in range(series):
        rule = _rule(dice)
        story = _story(dice, rule)
        live = _live(dice, rule, story)
        assert _bits(*live) == _bits(*_replay(rule, story)), (seed, number)
        assert _bits(*live) == _bits(*_replay(rule, _told(rule, story))), (seed, number)
        only_samples = [step for step in story if isinstance(step, Sample)]
        pieces = _live(dice, rule, list(only_samples))
        assert _bits(*pieces) == _bits(*judge_series(rule, only_samples)), (seed, number)
        seen["samples"] += len(only_samples)
        seen["sweeps"] += len(story) - len(only_samples)
        seen["late"] += sum(_is_late(sample) for sample in only_samples)
        seen["transitions"] += len(live[1])
        seen.update(f"{change.source}>{change.to}" for change in live[1])
    # What never happened was not compared.
    assert set(seen) >= {"late", *(f"{a}>{b}" for a, b in _POSSIBLE)}, seen
    return f"{series} series: {dict(sorted(seen.items()))}"


_POSSIBLE = (
    [(OK, PENDING), (OK, FIRING), (PENDING, OK), (PENDING, FIRING), (FIRING, RECOVERING)]
    + [(FIRING, OK), (RECOVERING, FIRING), (RECOVERING, OK)]
    + [(state, NODATA) for state in (OK, PENDING, FIRING, RECOVERING)]
    + [(NODATA, state) for state in (OK, PENDING, FIRING, RECOVERING)]
)


def _live(
    dice: random.Random, rule: Rule, story: Story
) -> tuple[SeriesState, tuple[Transition, ...]]:
    """Judge in batches: what lies between two cuts is one call, a sweep is one of its own."""
    state: SeriesState | None = None
    changes: list[Transition] = []
    batch: list[Sample] = []
    cut = dice.choice([0.0, 0.05, 0.3, 1.0])

    def judge_batch() -> None:
        nonlocal state
        state, changed = judge_series(rule, batch, state)
        changes.extend(changed)
        batch.clear()

    for step in story:
        if isinstance(step, Sample):
            batch.append(step)
            if dice.random() < cut:
                judge_batch()
                if dice.random() < 0.1:
                    judge_batch()  # a group without a sample of this series
        else:
            judge_batch()
            assert state is not None
            state, changed = judge_silence(rule, state, step.at_ms)
            changes.extend(changed)
    judge_batch()
    assert state is not None
    return state, tuple(changes)


def _replay(
    rule: Rule, story: Sequence[Step], state: SeriesState | None = None
) -> tuple[SeriesState, tuple[Transition, ...]]:
    """Judge the whole at once, with one look at each silence, the last that was taken."""
    changes: list[Transition] = []
    state = SeriesState() if state is None else state
    place = 0
    while place < len(story):
        end = place
        while end < len(story) and isinstance(story[end], Sample):
            end += 1
        state, changed = judge_series(rule, story[place:end], state)  # type: ignore[arg-type]
        changes.extend(changed)
        place = end
        while place < len(story) and isinstance(story[place], Sweep):
            place += 1
        if place > end:
            looks = [step.at_ms for step in story[end:place] if isinstance(step, Sweep)]
            state, changed = judge_silence(rule, state, max(looks))
            changes.extend(changed)
    return state, tuple(changes)


def _told(rule: Rule, story: Story) -> Story:
    """Return what mattered: samples that were measured and newer, looks that found silence.

    A look that found silence is moved to the first instant at which it would have.
    """
    told: Story = []
    last: int | None = None
    for step in story:
        if isinstance(step, Sweep):
            if last is not None and step.at_ms >= last + rule.nodata_after_seconds * 1000:
                told.append(Sweep(last + rule.nodata_after_seconds * 1000))
        elif _is_measured(rule, step) and (last is None or step.ts_ms > last):
            told.append(step)
            last = step.ts_ms
    return told


def _bits(state: SeriesState, changes: Sequence[Transition]) -> str:
    """Return everything of a judgement as text: `repr` gives each float and no other."""
    return repr((state, tuple(changes)))


# ---------------------------------------------------------------- random rules and series


def _rule(dice: random.Random) -> Rule:
    above = Condition(0.9, dice.choice([0.9, 0.8, 0.85]))
    below = Condition(5.0, dice.choice([5.0, 8.0]), Side.BELOW)
    condition, also = dice.choice(
        [(above, None), (below, None), (above, below), (below, above), (above, None)]
    )
    return Rule(
        condition,
        also=also,
        for_seconds=dice.choice(HOLDS),
        keep_firing_for_seconds=dice.choice(HOLDS),
        min_hold_seconds=dice.choice(HOLDS),
        nodata_after_seconds=dice.choice([1, 60, 180, 180, 180, 3600]),
    )


def _values(dice: random.Random, condition: Condition) -> list[float]:
    """Return values around both thresholds, exactly on them, and beyond all measure."""
    sign = 1 if condition.side == Side.ABOVE else -1
    fire, clear = condition.fire, condition.clear
    bad = [fire, fire + sign * 0.05, math.nextafter(fire, sign * math.inf), sign * math.inf]
    good = [clear - sign * 0.3, math.nextafter(clear, -sign * math.inf), -0.0 if sign > 0 else 50.0]
    between = [clear, math.nextafter(fire, -sign * math.inf), (fire + clear) / 2]
    return dice.choice([bad, bad, good, good, between])


def _story(dice: random.Random, rule: Rule) -> Story:
    """Return samples in the order of their arrival, with looks for silence between them."""
    taken: list[Sample] = []
    at = START_MS + dice.randrange(10**9)
    values = _values(dice, rule.condition)
    seconds = _values(dice, rule.also) if rule.also is not None else [None]
    stay = dice.choice([0.5, 0.8, 0.95])
    for _ in range(dice.randrange(1, 90)):
        if dice.random() > stay:
            values = _values(dice, rule.condition)
        if rule.also is not None and dice.random() > stay:
            seconds = _values(dice, rule.also)
        at += dice.choices(
            [60_000, dice.randrange(1, 60_000), rule.nodata_after_seconds * 1000, 0],
            [20, 2, 1, 1],
        )[0]
        if dice.random() < 0.04:
            at += dice.choice([179_999, 180_000, 180_001, 600_000, 7_200_000, 90_000_000])
        value = math.nan if dice.random() < 0.05 else dice.choice(values)
        second = dice.choice(seconds)
        if rule.also is not None and dice.random() < 0.05:
            second = dice.choice([None, math.nan])
        lag = dice.choices([dice.randrange(3000), 45_000, 599_999], [20, 2, 1])[0]
        taken.append(Sample(at, value, at + lag, second))
    _hold_back(dice, taken)
    taken += [
        replace(
            sample, value=dice.choice(values), arrived_ms=sample.arrived_ms + dice.choice([0, 9000])
        )
        for sample in taken
        if dice.random() < 0.05
    ]
    taken.sort(key=lambda sample: sample.arrived_ms)
    story: Story = []
    for sample in taken:
        while story and dice.random() < 0.25:
            before = max(step.arrived_ms for step in story if isinstance(step, Sample))
            story.append(Sweep(dice.randint(before, max(before, sample.arrived_ms))))
        story.append(sample)
    for _ in range(dice.randrange(3)):
        story.append(Sweep(at + dice.randrange(10_000_000)))
    return story


def _hold_back(dice: random.Random, taken: list[Sample]) -> None:
    """Let some stretches wait in a spool and arrive together, much later."""
    for _ in range(dice.choice([0, 0, 1, 2])):
        begin = dice.randrange(len(taken))
        end = min(len(taken), begin + dice.randrange(1, 40))
        sent = taken[end - 1].ts_ms + dice.choice([0, 1000, BACKFILL_AFTER_MS, 86_400_000])
        for place in range(begin, end):
            # Exactly at the limit of back-fill, now and then.
            late = taken[place].ts_ms + BACKFILL_AFTER_MS + dice.choice([0, 1])
            arrived = max(taken[place].arrived_ms, late if dice.random() < 0.1 else sent)
            taken[place] = replace(taken[place], arrived_ms=arrived)


def _is_measured(rule: Rule, sample: Sample) -> bool:
    numbers = [sample.value] if rule.also is None else [sample.value, sample.second]
    return all(number is not None and not math.isnan(number) for number in numbers)


def _is_late(sample: Sample) -> bool:
    return sample.arrived_ms > sample.ts_ms + BACKFILL_AFTER_MS


# ---------------------------------------------------------------- a slow reading


@dataclass(frozen=True)
class _Seen:
    """One sample that counted, and what the rule was after it."""

    ts_ms: int
    word: str  # bad, between or good
    state: RuleState
    after_silence: bool


def _compare_with_slow_reading(seed: int, *, series: int) -> str:
    dice = random.Random(seed)
    seen: Counter[str] = Counter()
    for number in range(series):
        rule = _rule(dice)
        story = _story(dice, rule)
        state, changes = _live(dice, rule, story)
        slow = _Slow(rule)
        for step in story:
            slow.take(step)
        assert changes == tuple(slow.changes), (seed, number)
        assert state == SeriesState(
            slow.state, slow.since(), slow.last_ms, slow.last_value, slow.fired_ms
        ), (seed, number)
        seen.update(f"{change.source}>{change.to}" for change in changes)
    assert set(seen) >= {f"{a}>{b}" for a, b in _POSSIBLE}, seen
    return f"{series} series by the slow reading: {dict(sorted(seen.items()))}"


class _Slow:
    """The rules as their documentation tells them: every hold is looked up in the whole history."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.state = OK
        self.changes: list[Transition] = []
        self.history: list[_Seen] = []
        self.last_ms: int | None = None
        self.last_value: float | None = None
        self.fired_ms: int | None = None
        self.entered_ms = 0

    def take(self, step: Step) -> None:
        if isinstance(step, Sweep):
            self.look(step.at_ms)
        elif _is_measured(self.rule, step) and (self.last_ms is None or step.ts_ms > self.last_ms):
            self.sample(step)
            self.last_ms, self.last_value = step.ts_ms, step.value

    def look(self, at_ms: int) -> None:
        if self.last_ms is None or self.state == NODATA:
            return
        lost_ms = self.last_ms + self.rule.nodata_after_seconds * 1000
        if at_ms >= lost_ms:
            self.go(NODATA, lost_ms, None)

    def sample(self, sample: Sample) -> None:
        at, word = sample.ts_ms, self.word(sample)
        was_lost = self.state == NODATA
        if was_lost and _is_late(sample):
            # Unknown until something fresh arrives.
            self.history.append(_Seen(at, word, NODATA, False))
            return
        self.history.append(_Seen(at, word, NODATA, was_lost))  # its state follows below
        if self.fired_ms is None:
            to = self.quiet(at, word, _is_late(sample))
        else:
            to = self.alerting(at, word, _is_late(sample), FIRING if was_lost else self.state)
        self.history[-1] = replace(self.history[-1], state=to)
        if to == FIRING and self.fired_ms is None:
            self.fired_ms = at
        if to == OK:
            self.fired_ms = None
        self.go(to, at, sample.value)

    def quiet(self, at: int, word: str, late: bool) -> RuleState:
        """Every sample of a hold is bad, nobody looked away, and only a fresh one fires."""
        if word != "bad":
            return OK
        held_ms = at - self.run(PENDING, ("bad",))
        return FIRING if held_ms >= self.rule.for_seconds * 1000 and not late else PENDING

    def alerting(self, at: int, word: str, late: bool, was: RuleState) -> RuleState:
        if word == "bad" and not late:
            return FIRING
        if word != "good":
            return was
        if at - self.run(RECOVERING, ("good",)) < self.rule.keep_firing_for_seconds * 1000:
            return RECOVERING
        assert self.fired_ms is not None
        return OK if at - self.fired_ms >= self.rule.min_hold_seconds * 1000 else RECOVERING

    def run(self, state: RuleState, words: tuple[str, ...]) -> int:
        """Return where the hold that the newest sample belongs to began.

        It goes back over samples of these words that left the rule in this state, to the first of
        them; one of another word that left it there is itself the beginning; a gap or a silence
        ends it.
        """
        place = len(self.history) - 1
        while place > 0:
            newer, older = self.history[place], self.history[place - 1]
            unseen = newer.ts_ms - older.ts_ms > self.rule.nodata_after_seconds * 1000
            if newer.after_silence or unseen or older.state != state:
                break
            place -= 1
            if older.word not in words:
                break
        return self.history[place].ts_ms

    def since(self) -> int:
        """Return from when the present state's hold counts."""
        if self.state == PENDING:
            return self.run(PENDING, ("bad",))
        if self.state == RECOVERING:
            if self.history[-1].word == "good":
                return self.run(RECOVERING, ("good",))
            return self.history[-1].ts_ms  # waits again from here
        return self.entered_ms

    def go(self, to: RuleState, at_ms: int, value: float | None) -> None:
        if to != self.state:
            self.changes.append(Transition(self.state, to, at_ms, value))
            self.state, self.entered_ms = to, at_ms

    def word(self, sample: Sample) -> str:
        pairs = [(self.rule.condition, sample.value)]
        if self.rule.also is not None:
            assert sample.second is not None
            pairs.append((self.rule.also, sample.second))
        # Turned round where below is bad, so that more is always worse.
        turned = [
            (c.fire, c.clear, v) if c.side == Side.ABOVE else (-c.fire, -c.clear, -v)
            for c, v in pairs
        ]
        if all(value >= fire for fire, _, value in turned):
            return "bad"
        return "good" if any(value < clear for _, clear, value in turned) else "between"
