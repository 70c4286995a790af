"""Business time against an oracle that walks the wall clock, and against cases done by hand."""

import pickle
import random
import threading
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tickets.worktime_oracle import counts, walk
from tickets.domain import worktime
from tickets.domain.worktime import (
    Calendar,
    Pause,
    due_at,
    elapsed,
    is_open,
    next_opening,
)

OFFICE = ((9 * 60, 17 * 60),)
BROKEN_DAY = ((9 * 60, 12 * 60), (13 * 60, 17 * 60 + 30))
NIGHT = ((22 * 60, 6 * 60),)

# Zones with something odd: half-hour saving, changes at midnight, saving taken back for Ramadan,
# a skipped day, a two-hour step, quarter-hour offsets, a change of standard time.
ZONES = (
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/Havana",
    "America/Caracas",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Tehran",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Asia/Gaza",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Antarctica/Troll",
    "UTC",
)
FIRST_YEAR, LAST_YEAR = 2010, 2030


def at(text: str) -> datetime:
    """Read an instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def weekly(zone: str, day=OFFICE, weekend=(), holidays=()) -> Calendar:
    """Make the same windows for Monday to Friday, others for the weekend."""
    return Calendar.of(zone, [day] * 5 + [weekend] * 2, holidays)


def changes_of(zone: str, first_year: int, last_year: int, step: timedelta) -> list[datetime]:
    """Find the changes of a zone's offset by reading it at every step."""
    info = ZoneInfo(zone)
    instant, end = (
        datetime(first_year, 1, 1, tzinfo=UTC),
        datetime(last_year + 1, 1, 1, tzinfo=UTC),
    )
    offset, found = instant.astimezone(info).utcoffset(), []
    while instant < end:
        instant += step
        if (now := instant.astimezone(info).utcoffset()) != offset:
            found.append(instant)
            offset = now
    return found


# By hand


@pytest.mark.parametrize(
    ("start", "minutes", "due"),
    [
        ("2026-03-02T08:00", 60, "2026-03-02T09:00"),  # Monday 09:00 in Berlin
        ("2026-03-02T03:00", 60, "2026-03-02T09:00"),  # before opening
        ("2026-03-02T10:30", 60, "2026-03-02T12:30"),  # over the midday break
        ("2026-03-02T08:00", 450, "2026-03-02T16:30"),  # used up at closing time, sharp
        ("2026-03-02T08:00", 451, "2026-03-03T08:01"),
        ("2026-03-06T16:30", 1, "2026-03-09T08:01"),  # Friday at closing: Monday
    ],
)
def test_counts_the_windows_of_the_day(start, minutes, due):
    assert due_at(at(start), minutes * 60, weekly("Europe/Berlin", BROKEN_DAY)) == at(due)


def test_is_due_when_the_pause_begins_that_finds_the_target_used_up():
    pause = (at("2026-03-02T09:00"), at("2026-03-02T10:00"))
    assert due_at(at("2026-03-02T08:00"), 3600, weekly("Europe/Berlin"), [pause]) == pause[0]


def test_counts_overlapping_pauses_once():
    pauses = [
        (at("2026-03-02T09:00"), at("2026-03-02T10:00")),
        (at("2026-03-02T09:30"), at("2026-03-02T10:30")),
        (at("2026-03-02T09:40"), at("2026-03-02T09:45")),
    ]
    calendar = weekly("Europe/Berlin")
    due = at("2026-03-02T11:30")
    assert due_at(at("2026-03-02T08:00"), 7200, calendar, pauses) == due
    assert elapsed(at("2026-03-02T08:00"), due, calendar, pauses) == 7200


def test_ignores_the_part_of_a_pause_before_the_start():
    pauses = [(at("2026-03-01T00:00"), at("2026-03-02T08:30"))]
    start = at("2026-03-02T08:00")
    assert due_at(start, 60, weekly("Europe/Berlin"), pauses) == at("2026-03-02T08:31")
    assert due_at(start, 60, Calendar("UTC", always=True), pauses) == at("2026-03-02T08:31")


def test_waits_for_ever_in_a_pause_that_has_not_ended():
    pauses = [(at("2026-03-02T09:00"), None)]
    for calendar in (weekly("Europe/Berlin"), Calendar("UTC", always=True)):
        assert due_at(at("2026-03-02T08:00"), 3601, calendar, pauses) is None
        assert due_at(at("2026-03-02T08:00"), 3600, calendar, pauses) == at("2026-03-02T09:00")
        assert elapsed(at("2026-03-02T08:00"), at("2026-03-05T08:00"), calendar, pauses) == 3600


def test_shortens_a_night_when_the_clock_goes_forward():
    night = Calendar.of("Europe/Berlin", [()] * 5 + [NIGHT, ()])  # Saturday 22:00 to Sunday 06:00
    whole = (at("2026-03-28T12:00"), at("2026-03-29T12:00"))
    assert elapsed(*whole, night) == 7 * 3600


def test_counts_an_hour_twice_when_the_clock_goes_back():
    night = Calendar.of("Europe/Berlin", [()] * 5 + [NIGHT, ()])
    assert elapsed(at("2026-10-24T12:00"), at("2026-10-25T12:00"), night) == 9 * 3600
    twice = Calendar.of("Europe/Berlin", [()] * 6 + [((120, 150),)])  # Sunday 02:00 to 02:30
    start = at("2026-10-25T00:00")
    assert elapsed(start, at("2026-10-25T12:00"), twice) == 3600
    assert due_at(start, 1800, twice) == at("2026-10-25T00:30")
    assert due_at(start, 1801, twice) == at("2026-10-25T01:00:01")


def test_never_opens_in_an_hour_that_the_clock_skips():
    gap = Calendar.of("Europe/Berlin", [()] * 6 + [((120, 180),)])  # Sunday 02:00 to 03:00
    assert elapsed(at("2026-03-29T00:00"), at("2026-03-30T00:00"), gap) == 0
    assert next_opening(at("2026-03-29T00:00"), gap) == at("2026-04-05T00:00")


def test_moves_by_half_an_hour_on_lord_howe():
    calendar = Calendar.of("Australia/Lord_Howe", [()] * 6 + [((0, 1440),)])
    assert elapsed(at("2026-04-04T00:00"), at("2026-04-06T00:00"), calendar) == 24.5 * 3600
    assert elapsed(at("2026-10-03T00:00"), at("2026-10-05T00:00"), calendar) == 23.5 * 3600


def test_skips_the_day_that_apia_skipped():
    calendar = weekly("Pacific/Apia")  # Friday 30 December 2011 never was
    assert elapsed(at("2011-12-29T00:00"), at("2012-01-03T00:00"), calendar) == 3 * 8 * 3600
    # From Wednesday 14:00 local: 3 h left on it, 8 h on Thursday, Monday is the next working day.
    assert due_at(at("2011-12-29T00:00"), 12 * 3600, calendar) == at("2012-01-01T20:00")


def test_removes_the_whole_night_that_starts_on_a_holiday():
    nights = Calendar.of("Europe/Berlin", [NIGHT] * 7, {date(2026, 12, 25)})
    assert is_open(at("2026-12-25T04:59"), nights)  # the night that began on the 24th
    assert not is_open(at("2026-12-25T05:00"), nights)
    assert next_opening(at("2026-12-25T05:00"), nights) == at("2026-12-26T21:00")


def test_reads_equal_ends_as_a_whole_day_and_midnight_either_way():
    for end in (0, 1440):
        until_midnight = Calendar.of("UTC", [((1380, end),)] + [()] * 6)
        week = (at("2026-03-02T00:00"), at("2026-03-09T00:00"))
        assert elapsed(*week, until_midnight) == 3600
    round_the_clock = Calendar.of("UTC", [((540, 540),)] + [()] * 6)
    assert elapsed(at("2026-03-02T00:00"), at("2026-03-04T00:00"), round_the_clock) == 86_400


def test_opens_at_the_start_and_closes_at_the_end_of_a_window():
    calendar = weekly("Europe/Berlin")
    for instant, expected in [
        ("07:59:59", 0),
        ("08:00:00", 1),
        ("15:59:59", 1),
        ("16:00:00", 0),
    ]:
        assert is_open(at(f"2026-03-02T{instant}"), calendar) is bool(expected)
    assert next_opening(at("2026-03-02T09:00"), calendar) == at("2026-03-02T09:00")
    assert next_opening(at("2026-03-02T16:00"), calendar) == at("2026-03-03T08:00")
    assert next_opening(at("2026-12-31T20:00"), calendar) == at("2027-01-01T08:00")


def test_ignores_windows_and_holidays_when_always_open():
    calendar = Calendar.of("Europe/Berlin", holidays=[date(2026, 3, 2)], always=True)
    start = datetime(2026, 3, 2, 1, tzinfo=timezone(timedelta(hours=2)))
    assert due_at(start, 60, calendar) == at("2026-03-01T23:01")
    assert is_open(start, calendar)
    assert next_opening(start, calendar) == start
    assert next_opening(start, calendar).tzinfo is UTC
    pauses = [(start + timedelta(seconds=30), start + timedelta(seconds=90))]
    assert due_at(start, 60, calendar, pauses) == at("2026-03-01T23:02")


def test_is_never_due_when_it_never_opens_within_five_years():
    assert due_at(at("2026-03-02T00:00"), 60, Calendar("UTC")) is None
    assert next_opening(at("2026-03-02T00:00"), Calendar("UTC")) is None
    sundays = Calendar.of("UTC", [()] * 6 + [((0, 1),)])
    start = at("2026-03-02T00:00")  # a Monday; 260 Sundays follow before 2 March 2031
    assert due_at(start, 260 * 60, sundays) == at("2031-02-23T00:01")
    assert due_at(start, 261 * 60, sundays) is None


def test_is_due_on_the_last_day_of_the_five_years_and_not_after():
    always = Calendar("UTC", always=True)
    start = at("2024-02-29T12:00")
    seconds = int((at("2029-02-28T12:00") - start).total_seconds())
    assert due_at(start, seconds, always) == at("2029-02-28T12:00")
    assert due_at(start, seconds + 1, always) is None
    opened_late = Calendar.of("UTC", [((0, 1440),)] * 7)
    assert due_at(start, seconds, opened_late) == at("2029-02-28T12:00")
    assert due_at(start, seconds + 1, opened_late) is None


def test_gives_up_when_pauses_reach_beyond_the_five_years():
    start, calendar = at("2026-03-02T08:00"), weekly("Europe/Berlin")
    assert due_at(start, 60, calendar, [(start, at("2032-01-01T00:00"))]) is None
    later = [(at("2033-01-01T00:00"), at("2034-01-01T00:00"))]
    assert due_at(start, 60, calendar, later) == at("2026-03-02T08:01")
    never = Calendar("UTC")
    assert due_at(start, 60, never, later) is None
    spanning = [(start + timedelta(seconds=30), at("2029-01-01T08:00"))]
    assert due_at(start, 60, calendar, spanning) == at("2029-01-01T08:00:30")
    worktime._holder.cache_clear()
    distant = [(at("2028-01-03T08:00"), at("2028-01-03T09:00"))]
    assert due_at(start, 60, calendar, distant) == at("2026-03-02T08:01")


def test_keeps_fractions_of_a_second():
    start = at("2026-03-02T08:00:00.250001")
    calendar = weekly("Europe/Berlin")
    assert due_at(start, 1, calendar) == at("2026-03-02T08:00:01.250001")
    assert elapsed(start, at("2026-03-02T08:00:01"), calendar) == 0.749999


def test_reads_offsets_with_seconds():
    calendar = Calendar.of("Africa/Monrovia", [OFFICE] * 7)  # 44 min 30 s behind until 1972
    assert next_opening(at("1971-03-01T00:00"), calendar) == at("1971-03-01T09:44:30")
    assert elapsed(at("1971-03-01T00:00"), at("1971-03-02T00:00"), calendar) == 8 * 3600


def test_reads_a_change_at_the_turn_of_the_year():
    # Palmer kept UTC until 1965 began there, then went back three hours, to Thursday 21:00.
    evening = Calendar.of("Antarctica/Palmer", [()] * 3 + [((21 * 60, 1440),)] + [()] * 3)
    assert elapsed(at("1964-12-31T00:00"), at("1965-01-02T00:00"), evening) == 6 * 3600


def test_elapses_nothing_backwards():
    assert elapsed(at("2026-03-02T10:00"), at("2026-03-02T09:00"), weekly("UTC")) == 0.0


def test_reads_a_stored_calendar():
    stored = {"mon": [["09:00", "12:00"], ["13:00", "17:30"]], "sat": [["22:00", "06:00"]]}
    stored["sun"] = [["08:00", "24:00"]]
    calendar = Calendar.parse("Europe/Berlin", stored, ["2026-12-25"])
    assert calendar == Calendar.of(
        "Europe/Berlin",
        [BROKEN_DAY, (), (), (), (), NIGHT, ((480, 1440),)],
        [date(2026, 12, 25)],
    )
    assert Calendar.parse("UTC", {}, always=True).always


@pytest.mark.parametrize(
    ("windows", "holidays"),
    [
        ({"monday": []}, []),
        ({"mon": [["9:00", "17:00"]]}, []),
        ({"mon": [["09:00", "24:01"]]}, []),
        ({"mon": [["24:00", "24:00"]]}, []),
        ({"mon": [["09:00", "17:60"]]}, []),
        ({"mon": [["09:00"]]}, []),
        ({"mon": [["09:00", "12:00", "13:00"]]}, []),
        ({}, ["25.12.2026"]),
    ],
)
def test_refuses_a_stored_calendar_it_cannot_read(windows, holidays):
    with pytest.raises(ValueError, match=r"day of the week|time of day|window|isoformat"):
        Calendar.parse("Europe/Berlin", windows, holidays)


# Refusals


@pytest.mark.parametrize(
    "build",
    [
        lambda: Calendar("Mars/Olympus"),
        lambda: Calendar("../etc/passwd"),
        lambda: Calendar(""),
        lambda: Calendar("UTC", windows=((),) * 6),
        lambda: Calendar.of("UTC", [((-1, 60),)] + [()] * 6),
        lambda: Calendar.of("UTC", [((1440, 60),)] + [()] * 6),
        lambda: Calendar.of("UTC", [((0, 1441),)] + [()] * 6),
    ],
)
def test_refuses_a_calendar_that_cannot_be(build):
    with pytest.raises(ValueError, match=r"zone|weekdays|window"):
        build()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: due_at(at("2026-03-02").replace(tzinfo=None), 60, c), "naive"),
        (lambda c: due_at(at("2026-03-02"), 0, c), "at least one second"),
        (
            lambda c: due_at(at("2026-03-02"), 60, c, [(at("2026-03-02"), at("2026-03-01"))]),
            "pause",
        ),
        (lambda c: elapsed(at("1900-01-01"), at("2026-01-01"), c), "100 years"),
        (lambda c: is_open(at("9999-06-01"), c), "9999"),
        (lambda c: is_open(at("0001-06-01"), c), "year 1"),
    ],
)
def test_refuses_what_it_cannot_count(call, message):
    with pytest.raises(ValueError, match=message):
        call(weekly("Europe/Berlin"))


# The index behind it


def test_answers_the_same_after_jumping_between_distant_years():
    calendar = weekly("Europe/Berlin", BROKEN_DAY)
    worktime._holder.cache_clear()
    wanted = {}
    for year in (2026, 2020, 2033, 1950, 2026, 2190, 2024, 2100, 2026):
        start = datetime(year, 6, 1, 12, tzinfo=UTC)
        answer = due_at(start, 100 * 3600, calendar)
        worktime._holder.cache_clear()
        wanted[start] = due_at(start, 100 * 3600, calendar)
        assert answer == wanted[start]
    assert all(due_at(start, 100 * 3600, calendar) == due for start, due in wanted.items())


def test_forgets_distant_years_instead_of_building_all_between():
    calendar = weekly("Europe/Paris")
    is_open(at("2026-01-01"), calendar)
    is_open(at("0900-01-01"), calendar)
    span = worktime._holder(calendar).span
    assert (span.first_year, span.last_year) == (900, 900)


def test_agrees_with_itself_in_threads_that_extend_it_both_ways():
    calendar = weekly("America/New_York", BROKEN_DAY)
    starts = [datetime(2000 + n % 50, 5, 4, 3, tzinfo=UTC) for n in range(200)]
    wanted = [due_at(start, 90 * 3600, calendar) for start in starts]
    worktime._holder.cache_clear()
    wrong = []

    def work(seed: int) -> None:
        order = list(range(len(starts)))
        random.Random(seed).shuffle(order)
        wrong.extend(n for n in order if due_at(starts[n], 90 * 3600, calendar) != wanted[n])

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_keeps_counting_when_another_thread_builds_earlier_years_meanwhile(monkeypatch):
    calendar, start = weekly("Europe/Madrid", BROKEN_DAY), at("2026-11-02T08:00")
    wanted = due_at(start, 500 * 3600, calendar)
    assert wanted > at("2027-01-01T00:00")
    worktime._holder.cache_clear()
    extended = worktime._extended

    def interleaved(calendar, span, last):
        is_open(at("2019-06-01T00:00"), calendar)
        return extended(calendar, span, last)

    monkeypatch.setattr(worktime, "_extended", interleaved)
    assert due_at(start, 500 * 3600, calendar) == wanted


def test_survives_pickling_into_another_process():
    calendar = weekly("Europe/Berlin", holidays=[date(2026, 12, 25)])
    copy = pickle.loads(pickle.dumps(calendar))
    assert copy == calendar
    assert hash(copy) == hash(calendar)
    assert copy != weekly("Europe/Berlin")


@pytest.mark.parametrize("zone", [*ZONES, "Africa/Freetown", "America/Nuuk", "Asia/Almaty"])
def test_finds_every_change_of_offset_that_hourly_reading_finds(zone):
    found = [
        # The first whole hour at which the new offset can be read.
        worktime.instant_of(-(-since // 3600) * 3600 * 1_000_000)
        for year in range(2005, 2032)
        for since, _, _ in worktime._offsets(zone, year)
        if since != worktime._year_begins(year) // 1_000_000
    ]
    assert found == changes_of(zone, 2005, 2031, timedelta(hours=1))


# Against the oracle

minutes_of_day = st.integers(0, 1439)
windows = st.lists(st.tuples(minutes_of_day, st.integers(0, 1440)), max_size=3).map(tuple)
CHANGES = [
    (zone, change)
    for zone in ZONES
    for change in changes_of(zone, FIRST_YEAR, LAST_YEAR, timedelta(hours=3))
]
around_a_change = st.tuples(st.sampled_from(CHANGES), st.integers(-4 * 86_400, 86_400)).map(
    lambda drawn: (drawn[0][0], drawn[0][1] + timedelta(seconds=drawn[1]))
)
anywhere = st.tuples(
    st.sampled_from(ZONES),
    st.integers(0, 20 * 365 * 86_400).map(
        lambda seconds: datetime(FIRST_YEAR, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    ),
)


@st.composite
def clocks(draw) -> tuple[Calendar, datetime, list[Pause]]:
    """Draw a calendar, a start near a change of its zone as a rule, and some pauses."""
    zone, start = draw(st.one_of(around_a_change, around_a_change, anywhere))
    days = draw(st.lists(windows, min_size=7, max_size=7))
    holidays = draw(st.lists(st.integers(-2, 9), max_size=3))
    calendar = Calendar.of(zone, days, [start.date() + timedelta(days=n) for n in holidays])
    pauses = draw(
        st.lists(
            st.tuples(st.integers(-86_400, 8 * 86_400), st.integers(0, 2 * 86_400)),
            max_size=4,
        )
    )
    return (
        calendar,
        start,
        [
            (
                start + timedelta(seconds=begun),
                start + timedelta(seconds=begun + length),
            )
            for begun, length in pauses
        ],
    )


@given(clocks(), st.integers(1, 6 * 86_400))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_agrees_with_a_walk_along_the_wall_clock(clock, target_seconds):
    calendar, start, pauses = clock
    until = start + timedelta(days=9)
    counted, reached = walk(start, calendar, pauses, until, target_seconds)
    due = due_at(start, target_seconds, calendar, pauses)
    if reached is None:
        assert due is None or due > until
        assert elapsed(start, until, calendar, pauses) == counted
    else:
        assert due == reached
        assert elapsed(start, due, calendar, pauses) == target_seconds


@given(clocks(), st.integers(1, 10**7), st.integers(1, 10**6))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_is_due_at_the_first_instant_that_reaches_the_target(clock, target_seconds, micros):
    calendar, start, pauses = clock
    due = due_at(start, target_seconds, calendar, pauses)
    if due is not None:
        assert elapsed(start, due, calendar, pauses) == target_seconds
        assert (
            elapsed(start, due - timedelta(microseconds=micros), calendar, pauses) < target_seconds
        )


@given(clocks(), st.integers(0, 9 * 86_400), st.integers(0, 9 * 86_400))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_adds_up_over_any_division_of_a_span(clock, first, second):
    calendar, start, pauses = clock
    middle = start + timedelta(seconds=first)
    end = middle + timedelta(seconds=second)
    parts = elapsed(start, middle, calendar, pauses) + elapsed(middle, end, calendar, pauses)
    assert elapsed(start, end, calendar, pauses) == parts


def _tabled_cases() -> list[tuple[str, datetime]]:
    """Pick two changes of every zone, the same on every run."""
    dice = random.Random(1)
    by_zone = {zone: [c for z, c in CHANGES if z == zone] for zone in ZONES}
    by_zone["UTC"] = by_zone["Asia/Kathmandu"] = [at("2026-03-29T01:00")]
    return [
        (zone, change)
        for zone, changes in by_zone.items()
        for change in dice.sample(changes, min(2, len(changes)))
    ]


@pytest.mark.parametrize(("zone", "change"), _tabled_cases())
def test_opens_and_closes_with_the_wall_clock_on_the_day_of_a_change(zone, change):
    dice = random.Random(f"{zone} {change}")
    days = [
        tuple((dice.randrange(1440), dice.randrange(1441)) for _ in range(dice.randrange(3)))
        for _ in range(7)
    ]
    calendar = Calendar.of(zone, days, [change.date() + timedelta(days=dice.randrange(-1, 2))])
    first = change - timedelta(days=1)
    instants = [first + timedelta(minutes=n) for n in range(0, 2 * 1440, 7)]
    assert [is_open(instant, calendar) for instant in instants] == [
        counts(instant, calendar) for instant in instants
    ]
    start = first + timedelta(seconds=dice.randrange(86_400))
    counted, _ = walk(start, calendar, [], start + timedelta(days=2), float("inf"))
    assert elapsed(start, start + timedelta(days=2), calendar) == counted


def test_covers_at_least_twelve_zones_with_changes():
    assert len({zone for zone, _ in CHANGES}) >= 12
