"""Business time: when a calendar is open, how much of a span counts, and when a target is due.

A calendar is a set of wall-clock windows in one zone. An instant counts if and only if the wall
clock of the zone, read at that instant, lies in [start, end) of a window: a window that daylight
saving shortens is shorter, and an hour that happens twice counts twice. A window belongs to the
day on which it starts, so a holiday removes the windows that start on it, whole, and nothing else.

How it is fast: a zone's offset from UTC is constant between its changes, so each year of a
calendar becomes a sorted list of open intervals in UTC with running totals. Elapsed time is then
two binary searches, and a due time is one more in the other direction. Years are built on first
use and kept for a bounded number of calendars.

Instants are aware datetimes in any zone, results are UTC. Inside, an instant is a whole number of
microseconds since 1970-01-01 UTC, so nothing is ever rounded.

Source: product.md sections 2.2 and 4; docs/sla.md.
"""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

Windows = tuple[tuple[tuple[int, int], ...], ...]
"""Seven tuples, Monday first, of (start, end) in minutes after local midnight."""

Pause = tuple[datetime, datetime | None]
"""[start, end) in which nothing counts; an end of None means that it has not ended."""

HORIZON_YEARS: Final = 5  # a target that needs longer has no due time (product decision, issue 5)
LONGEST_SPAN_YEARS: Final = 100  # a longer span is a mistyped year, and would build 100 indexes
CACHED_CALENDARS: Final = 512  # about 15 kB for each year in use

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_TIME_OF_DAY: Final = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])")
_MINUTES_A_DAY: Final = 1440
_SECONDS_A_DAY: Final = 86_400
_MICROS: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
# Years whose neighbours exist as dates, so that a window may spill over New Year.
_FIRST_YEAR: Final = 2
_LAST_YEAR: Final = 9998
NEVER: Final = (_LAST_YEAR + 2) * 366 * _SECONDS_A_DAY * _MICROS
"""The end, in microseconds, of a pause that has not ended: after every instant there is."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """When work counts, by the wall clock of one zone.

    ``zone`` is an IANA name. ``always`` ignores windows and holidays. ``windows`` has seven
    entries, Monday first, each a tuple of (start, end) in minutes after local midnight; an end
    of 1440 is midnight, and a window whose end is not after its start runs over midnight into
    the next day. Overlapping windows count once. Build it from loose parts with ``of``.

    Errors: ValueError for an unknown zone or a window outside the day.
    """

    zone: str
    always: bool = False
    windows: Windows = ((),) * 7
    holidays: frozenset[date] = frozenset()
    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        """Check the parts once, so that the arithmetic need not."""
        _zone_info(self.zone)
        if len(self.windows) != 7:
            raise ValueError("a calendar has windows for seven weekdays, Monday first")
        for day in self.windows:
            for start, end in day:
                if not 0 <= start < _MINUTES_A_DAY or not 0 <= end <= _MINUTES_A_DAY:
                    raise ValueError(f"not a window within a day: {start} to {end} minutes")
        # A calendar is the key of a cache that every due time asks: hash its parts only once.
        parts = (self.zone, self.always, self.windows, self.holidays)
        object.__setattr__(self, "_hash", hash(parts))

    def __hash__(self) -> int:
        """Return the hash of the parts, computed at construction."""
        return self._hash

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the parts only: hashes of text differ from process to process."""
        return (Calendar, (self.zone, self.always, self.windows, self.holidays))

    @classmethod
    def of(
        cls,
        zone: str,
        windows: Sequence[Iterable[tuple[int, int]]] = ((),) * 7,
        holidays: Iterable[date] = (),
        *,
        always: bool = False,
    ) -> "Calendar":
        """Build a calendar from lists, such as those read from JSON."""
        frozen = tuple(tuple((start, end) for start, end in day) for day in windows)
        return cls(zone, always, frozen, frozenset(holidays))

    @classmethod
    def parse(
        cls,
        zone: str,
        windows: Mapping[str, Iterable[Sequence[str]]],
        holidays: Iterable[str] = (),
        *,
        always: bool = False,
    ) -> "Calendar":
        """Read a calendar as it is stored: ``{"mon": [["09:00", "17:30"]], ...}``, ISO dates.

        Days left out have no windows; "24:00" is midnight.

        Errors: ValueError for an unknown day, zone, time of day or date.
        """
        if unknown := set(windows) - set(WEEKDAYS):
            raise ValueError(f"not a day of the week: {sorted(unknown)[0]!r}")
        days = []
        for day in WEEKDAYS:
            pairs = [tuple(_minute_of_day(text) for text in pair) for pair in windows.get(day, ())]
            if any(len(pair) != 2 for pair in pairs):
                raise ValueError(f"a window has a start and an end: {day}")
            days.append([(pair[0], pair[1]) for pair in pairs])
        return cls.of(zone, days, map(date.fromisoformat, holidays), always=always)


def _minute_of_day(text: str) -> int:
    """Return minutes after midnight of "HH:MM", up to "24:00"."""
    found = _TIME_OF_DAY.fullmatch(text)
    if found is None:
        raise ValueError(f"not a time of day: {text!r}")
    return int(found[1]) * 60 + int(found[2])


def due_at(
    start: datetime,
    target_seconds: int,
    calendar: Calendar,
    pauses: Iterable[Pause] = (),
) -> datetime | None:
    """Return the first instant at which the time elapsed since ``start`` reaches the target.

    A target used up at 17:30 sharp is due at 17:30, not at the next opening. Pauses may overlap,
    lie outside, and come in any order. None if the target is not reached within five years, or
    not before a pause that has not ended.

    Errors: ValueError for a target below one second, a naive datetime, or a pause that ends
    before it begins.
    """
    if target_seconds < 1:
        raise ValueError("a target is at least one second")
    merged = merged_pauses(pauses)
    target = target_seconds * _MICROS
    found = due_micros(calendar, micros_of(start), target, merged, limit_of(start))
    return None if found is None else instant_of(found)


def elapsed(
    start: datetime,
    until: datetime,
    calendar: Calendar,
    pauses: Iterable[Pause] = (),
) -> float:
    """Return the seconds that count between two instants, exact to the microsecond.

    0.0 if ``until`` is not after ``start``.

    Errors: ValueError for a span of more than 100 years, a naive datetime, or a pause that ends
    before it begins.
    """
    merged = merged_pauses(pauses)
    return elapsed_micros(calendar, micros_of(start), micros_of(until), merged) / _MICROS


def is_open(at: datetime, calendar: Calendar) -> bool:
    """Say whether an instant counts: a window holds its start and not its end."""
    instant = micros_of(at)
    return calendar.always or _covering(calendar, instant, instant).is_open(instant)


def next_opening(at: datetime, calendar: Calendar) -> datetime | None:
    """Return the first instant at or after ``at`` that counts; None if not within five years."""
    instant = micros_of(at)
    if calendar.always:
        return instant_of(instant)
    limit = limit_of(at)
    span = _covering(calendar, instant, instant)
    while (found := span.next_opening(instant)) is None and span.until <= limit:
        span = _extended(calendar, span, span.until)
    return None if found is None or found > limit else instant_of(found)


# The same in microseconds and with pauses already merged: what the clock ledger computes with.


def micros_of(at: datetime) -> int:
    """Return microseconds since 1970-01-01 UTC. Errors: ValueError for a naive datetime."""
    if at.tzinfo is None:
        raise ValueError("an instant needs a zone: naive datetimes are refused")
    since = at - _EPOCH
    return (since.days * _SECONDS_A_DAY + since.seconds) * _MICROS + since.microseconds


def instant_of(micros: int) -> datetime:
    """Return the UTC datetime of microseconds since 1970-01-01 UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def limit_of(start: datetime) -> int:
    """Return the last instant, in microseconds, at which something begun at ``start`` is due.

    The same UTC date and time five years on; from 29 February, 28 February.
    """
    start = start.astimezone(UTC)
    year = min(start.year + HORIZON_YEARS, _LAST_YEAR)
    day = 28 if (start.month, start.day) == (2, 29) else start.day
    return micros_of(start.replace(year=year, day=day))


def merged_pauses(pauses: Iterable[Pause]) -> list[tuple[int, int]]:
    """Return pauses as sorted, disjoint (start, end) in microseconds; empty ones are dropped.

    Errors: ValueError for a naive datetime or a pause that ends before it begins.
    """
    spans = []
    for begun, ended in pauses:
        paused = micros_of(begun)
        resumed = NEVER if ended is None else micros_of(ended)
        if resumed < paused:
            raise ValueError("a pause cannot end before it begins")
        spans.append((paused, resumed))
    return union(spans)


def union(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return overlapping or touching (start, end) spans as sorted, disjoint, non-empty ones."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if end <= start:
            continue
        if merged and start <= merged[-1][1]:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def due_micros(
    calendar: Calendar,
    start: int,
    target: int,
    pauses: Sequence[tuple[int, int]],
    limit: int,
) -> int | None:
    """Return the first instant at which ``target`` has elapsed, None if not by ``limit``.

    ``pauses`` are sorted and disjoint, ``target`` is positive.
    """
    if calendar.always:
        due = start + target
        for paused, resumed in pauses:
            if paused >= due:
                break
            if resumed > start:
                due += resumed - max(paused, start)
        return due if due <= limit else None
    span = _covering(calendar, start, start)
    needed = span.total_at(start) + target
    for paused, resumed in pauses:
        if resumed <= start:
            continue
        if paused >= limit:
            break
        if paused >= span.until:
            span = _extended(calendar, span, paused)
        before = span.total_at(max(paused, start))
        if before >= needed:
            break
        if resumed > limit:
            return None
        if resumed >= span.until:
            span = _extended(calendar, span, resumed)
        needed += span.total_at(resumed) - before
    while (found := span.reaches(needed)) is None and span.until <= limit:
        span = _extended(calendar, span, span.until)
    return found if found is not None and found <= limit else None


def elapsed_micros(
    calendar: Calendar, start: int, until: int, pauses: Sequence[tuple[int, int]]
) -> int:
    """Return the microseconds that count in [start, until), 0 if that is empty.

    ``pauses`` are sorted and disjoint.

    Errors: ValueError for a span of more than 100 years.
    """
    if until <= start:
        return 0
    if until - start > LONGEST_SPAN_YEARS * 366 * _SECONDS_A_DAY * _MICROS:
        raise ValueError(f"a clock runs for at most {LONGEST_SPAN_YEARS} years")
    stopped = [
        (max(paused, start), min(resumed, until))
        for paused, resumed in pauses
        if paused < until and resumed > start
    ]
    if calendar.always:
        return until - start - sum(resumed - paused for paused, resumed in stopped)
    total_at = _covering(calendar, start, until).total_at
    counted = total_at(until) - total_at(start)
    for paused, resumed in stopped:
        counted -= total_at(resumed) - total_at(paused)
    return counted


# The index of a calendar.


class _Span:
    """The open intervals of one calendar over whole UTC years; immutable.

    ``starts`` and ``ends`` are sorted and disjoint, in microseconds; ``totals[i]`` is what the
    intervals before ``i`` add up to, so it has one entry more.
    """

    __slots__ = (
        "ends",
        "first_year",
        "last_year",
        "since",
        "starts",
        "totals",
        "until",
    )

    def __init__(
        self, first_year: int, last_year: int, starts: "array[int]", ends: "array[int]"
    ) -> None:
        """Sum up the intervals, which must be those of the years named, both included."""
        self.first_year = first_year
        self.last_year = last_year
        self.since = _year_begins(first_year)
        self.until = _year_begins(last_year + 1)
        self.starts = starts
        self.ends = ends
        self.totals = array("q", [0])
        total = 0
        for start, end in zip(starts, ends, strict=True):
            total += end - start
            self.totals.append(total)

    def total_at(self, at: int) -> int:
        """Return the open time between the beginning of the span and an instant in it."""
        before = bisect_right(self.starts, at) - 1
        if before < 0:
            return 0
        return self.totals[before] + min(at, self.ends[before]) - self.starts[before]

    def reaches(self, total: int) -> int | None:
        """Return the first instant at which ``total_at`` is ``total`` > 0, None if too late."""
        after = bisect_left(self.totals, total)
        if after == len(self.totals):
            return None
        return self.starts[after - 1] + total - self.totals[after - 1]

    def is_open(self, at: int) -> bool:
        """Say whether an interval holds the instant."""
        before = bisect_right(self.starts, at) - 1
        return before >= 0 and at < self.ends[before]

    def next_opening(self, at: int) -> int | None:
        """Return the first open instant at or after ``at``, None if the span has none."""
        before = bisect_right(self.starts, at) - 1
        if before >= 0 and at < self.ends[before]:
            return at
        return self.starts[before + 1] if before + 1 < len(self.starts) else None


class _Holder:
    """Keeps the span built so far for one calendar; replaced as a whole, so threads may share."""

    __slots__ = ("span",)

    def __init__(self) -> None:
        """Start with nothing built."""
        self.span: _Span | None = None


@lru_cache(maxsize=CACHED_CALENDARS)
def _holder(_calendar: Calendar) -> _Holder:
    return _Holder()


def _covering(calendar: Calendar, first: int, last: int) -> _Span:
    """Return a span of the calendar that holds both instants, building the years it lacks.

    Years far from what is known replace it, so that a mistyped year costs no memory for long.
    """
    holder = _holder(calendar)
    span = holder.span
    if span is None or first < span.since or last >= span.until:
        first_year, last_year = _year_of(first), _year_of(last)
        if span is not None:
            reach = max(last_year, span.last_year) - min(first_year, span.first_year)
            if reach > LONGEST_SPAN_YEARS + HORIZON_YEARS:
                span = None
        span = _grown(calendar, span, first_year, last_year)
        holder.span = span
    return span


def _extended(calendar: Calendar, span: _Span, last: int) -> _Span:
    """Return the span grown forward to hold a later instant; its totals so far stay the same."""
    span = _grown(calendar, span, span.first_year, _year_of(last))
    _holder(calendar).span = span
    return span


def _grown(calendar: Calendar, span: _Span | None, first_year: int, last_year: int) -> _Span:
    """Return a span over the years asked for, those that ``span`` has, and any between."""
    starts: array[int] = array("q")
    ends: array[int] = array("q")
    known = range(0)
    if span is not None:
        first_year, last_year = (
            min(first_year, span.first_year),
            max(last_year, span.last_year),
        )
        known = range(span.first_year, span.last_year + 1)
    for year in range(first_year, last_year + 1):
        if span is None or year not in known:
            for start, end in _open_in_year(calendar, year):
                starts.append(start)
                ends.append(end)
        elif year == span.first_year:
            starts.extend(span.starts)
            ends.extend(span.ends)
    return _Span(first_year, last_year, starts, ends)


def _open_in_year(calendar: Calendar, year: int) -> list[tuple[int, int]]:
    """Return the open intervals of one UTC year, in microseconds, sorted and disjoint.

    The windows are laid out on the wall clock, then each stretch of constant offset takes the
    part of them that its own wall clock passes through. So a reading that the clock skips is
    never taken and one that it shows twice is taken twice.
    """
    local = _wall_clock_windows(calendar, year)
    found = []
    position = 0
    for since, until, offset in _offsets(calendar.zone, year):
        # Going back an hour, the wall clock re-reads windows that the last stretch has passed.
        while position > 0 and local[position - 1][1] > since + offset:
            position -= 1
        while position < len(local) and local[position][0] < until + offset:
            start = max(local[position][0] - offset, since)
            end = min(local[position][1] - offset, until)
            if start < end:
                found.append((start * _MICROS, end * _MICROS))
            position += 1
    return found


def _wall_clock_windows(calendar: Calendar, year: int) -> list[tuple[int, int]]:
    """Return the merged windows around one year, in wall-clock seconds since 1970-01-01 00:00.

    Three days are added on either side: no zone is further than that from UTC, and a window that
    began the day before may still run.
    """
    first = date(year, 1, 1).toordinal() - 3
    last = date(year, 12, 31).toordinal() + 3
    closed = {day.toordinal() for day in calendar.holidays}
    spans = []
    for ordinal in range(first, last + 1):
        if ordinal in closed:
            continue
        midnight = (ordinal - _EPOCH_DAY) * _SECONDS_A_DAY
        for start, end in calendar.windows[(ordinal - 1) % 7]:  # 0001-01-01 was a Monday
            closing = end if end > start else end + _MINUTES_A_DAY
            spans.append((midnight + start * 60, midnight + closing * 60))
    return union(spans)


@lru_cache(maxsize=4096)
def _offsets(zone: str, year: int) -> tuple[tuple[int, int, int], ...]:
    """Return the stretches of constant offset in a UTC year as (since, until, offset) seconds.

    The offset is read once a day and each change is then found by halving. No zone has ever
    changed twice within a day: the shortest stretch in the zone database is four days
    (Africa/Freetown, 1939), and a test checks that hourly reading finds no other changes.
    """
    info = _zone_info(zone)
    since = _year_begins(year) // _MICROS
    end = _year_begins(year + 1) // _MICROS
    offset = _offset_at(info, since)
    stretches = []
    earlier = begun = since
    while earlier < end:
        later = min(earlier + _SECONDS_A_DAY, end)
        if _offset_at(info, later) != offset:
            low, high = earlier, later
            while high - low > 1:
                middle = (low + high) // 2
                if _offset_at(info, middle) == offset:
                    low = middle
                else:
                    high = middle
            if high < end:
                stretches.append((begun, high, offset))
                begun, offset = high, _offset_at(info, high)
        earlier = later
    stretches.append((begun, end, offset))
    return tuple(stretches)


def _offset_at(zone: ZoneInfo, seconds: int) -> int:
    """Return the offset from UTC, in seconds, that a zone has at an instant."""
    offset = (_EPOCH + timedelta(seconds=seconds)).astimezone(zone).utcoffset()
    assert offset is not None  # a ZoneInfo always has one for an aware datetime
    return offset.days * _SECONDS_A_DAY + offset.seconds


@lru_cache(maxsize=1024)
def _zone_info(zone: str) -> ZoneInfo:
    """Return the zone of an IANA name. Errors: ValueError if there is none."""
    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"no such time zone: {zone!r}") from error


@lru_cache(maxsize=1024)
def _year_begins(year: int) -> int:
    """Return midnight UTC of 1 January in microseconds since 1970."""
    return (date(year, 1, 1).toordinal() - _EPOCH_DAY) * _SECONDS_A_DAY * _MICROS


def _year_of(micros: int) -> int:
    """Return the UTC year of an instant. Errors: ValueError for year 1 and from 9999 on."""
    year = instant_of(micros).year
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise ValueError(f"no calendar for the year {year}")
    return year
