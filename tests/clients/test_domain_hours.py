"""Working hours are checked in words a person can act on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.domain.hours import (
    DAYS,
    Fault,
    HoursFault,
    checked_holidays,
    checked_windows,
    read_windows,
    written_windows,
)


def test_puts_windows_in_order_and_leaves_closed_days_out() -> None:
    given = {
        "tue": [["13:00", "17:00"], ["09:00", "12:00"]],
        "mon": [["09:00", "17:00"]],
        "sun": [],
    }
    assert checked_windows(given) == {
        "mon": [["09:00", "17:00"]],
        "tue": [["09:00", "12:00"], ["13:00", "17:00"]],
    }


@pytest.mark.parametrize(
    ("windows", "fault", "day"),
    [
        ({"funday": [["09:00", "17:00"]]}, Fault.UNKNOWN_DAY, ""),
        ({"mon": [["9:00", "17:00"]]}, Fault.NOT_A_TIME, "mon"),
        ({"mon": [["09:00", "17:60"]]}, Fault.NOT_A_TIME, "mon"),
        ({"mon": [["09:00", "25:00"]]}, Fault.NOT_A_TIME, "mon"),
        ({"mon": [["09:00", 17]]}, Fault.NOT_A_TIME, "mon"),
        ({"mon": [["09:00"]]}, Fault.NOT_A_PAIR, "mon"),
        ({"mon": ["09:00"]}, Fault.NOT_A_PAIR, "mon"),
        ({"mon": [["24:00", "02:00"]]}, Fault.STARTS_AT_24, "mon"),
        ({"mon": [["09:00", "09:00"]]}, Fault.NO_LENGTH, "mon"),
        ({"mon": [["09:00", "12:00"], ["11:59", "13:00"]]}, Fault.OVERLAP, "mon"),
        ({"mon": [["22:00", "06:00"]], "tue": [["05:00", "08:00"]]}, Fault.OVERLAP, "tue"),
        ({"sun": [["22:00", "06:00"]], "mon": [["05:00", "08:00"]]}, Fault.OVERLAP, "mon"),
    ],
)
def test_names_the_first_thing_that_is_wrong(windows, fault, day) -> None:
    with pytest.raises(HoursFault) as caught:
        checked_windows(windows)
    assert (caught.value.fault, caught.value.day) == (fault, day)


@pytest.mark.parametrize(
    "windows",
    [
        {"mon": [["09:00", "12:00"], ["12:00", "17:00"]]},
        {"mon": [["22:00", "06:00"]], "tue": [["06:00", "08:00"]]},
        {day: [["00:00", "24:00"]] for day in DAYS},
        {"sun": [["22:00", "06:00"]], "mon": [["06:00", "08:00"]]},
    ],
)
def test_windows_that_only_touch_do_not_overlap(windows) -> None:
    assert checked_windows(windows) == windows


def test_holidays_are_dates_in_order_each_once() -> None:
    assert checked_holidays(["2026-12-26", "2026-12-25", "2026-12-26"]) == [
        "2026-12-25",
        "2026-12-26",
    ]
    with pytest.raises(HoursFault) as caught:
        checked_holidays(["25.12.2026"])
    assert caught.value.fault is Fault.NOT_A_DATE


def test_reads_a_day_as_people_write_it() -> None:
    assert read_windows("mon", " 09:00-12:30 ; 13:30 – 17:00,") == [
        ["09:00", "12:30"],
        ["13:30", "17:00"],
    ]
    assert read_windows("mon", "  ") == []
    with pytest.raises(HoursFault):
        read_windows("mon", "nine to five")


times = st.integers(0, 1439).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")


@given(st.lists(st.tuples(times, times).map(list), max_size=4))
def test_what_is_written_reads_back_the_same(pairs) -> None:
    assert read_windows("mon", written_windows(pairs)) == pairs
