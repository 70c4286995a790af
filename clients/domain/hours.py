"""What a well-formed week of working hours is.

Windows are wall-clock times of one zone. A window whose end is not after its start runs over
midnight into the next day; "24:00" is midnight.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_A_DAY = 1440
MINUTES_A_WEEK = 7 * MINUTES_A_DAY
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")


class Fault(enum.StrEnum):
    UNKNOWN_DAY = "unknown_day"
    NOT_A_PAIR = "not_a_pair"
    NOT_A_TIME = "not_a_time"
    STARTS_AT_24 = "starts_at_24"
    NO_LENGTH = "no_length"
    OVERLAP = "overlap"
    NOT_A_DATE = "not_a_date"
    NO_WINDOW = "no_window"


@dataclass
class HoursFault(Exception):
    """The first thing that is wrong, with the day it is on and the text that was given."""

    fault: Fault
    day: str = ""
    text: str = ""


def checked_windows(windows: Mapping[str, Iterable[Sequence[str]]]) -> dict[str, list[list[str]]]:
    """Return the windows in order of day and time, days without hours left out.

    Errors: HoursFault for an unknown day, something that is not a time, and windows that overlap,
    also across midnight.
    """
    if unknown := [day for day in windows if day not in DAYS]:
        raise HoursFault(Fault.UNKNOWN_DAY, text=str(unknown[0]))
    ordered: dict[str, list[list[str]]] = {}
    spans: list[tuple[int, int, str, str]] = []
    for number, day in enumerate(DAYS):
        for start, end in sorted(_checked_pair(day, pair) for pair in windows.get(day, ())):
            ordered.setdefault(day, []).append([start, end])
            begin, length = _minutes(start), _length(start, end)
            words = f"{start}–{end}"
            spans.append((number * MINUTES_A_DAY + begin, length, day, words))
    for (begin, length, _, _), (following, _, day, words) in pairwise(spans):
        if begin + length > following:
            raise HoursFault(Fault.OVERLAP, day, words)
    if spans:  # Sunday night may run into Monday.
        begin, length, _, _ = spans[-1]
        if begin + length - MINUTES_A_WEEK > spans[0][0]:
            raise HoursFault(Fault.OVERLAP, spans[0][2], spans[0][3])
    return ordered


def checked_holidays(holidays: Iterable[str]) -> list[str]:
    """Return the ISO dates in order, each once.

    Errors: HoursFault for what is not a date.
    """
    found = set()
    for text in holidays:
        try:
            found.add(date.fromisoformat(str(text)).isoformat())
        except ValueError:
            raise HoursFault(Fault.NOT_A_DATE, text=str(text)) from None
    return sorted(found)


def read_windows(day: str, text: str) -> list[list[str]]:
    """Read one weekday as people write it: `09:00-12:30, 13:30-17:00`; empty is closed.

    Errors: HoursFault unless each part is two times with a dash between.
    """
    pairs = []
    for part in filter(None, (piece.strip() for piece in text.replace(";", ",").split(","))):
        times = [piece.strip() for piece in re.split(r"[-–]", part)]
        if len(times) != 2:
            raise HoursFault(Fault.NOT_A_PAIR, day, part)
        pairs.append(times)
    return pairs


def written_windows(pairs: Iterable[Sequence[str]]) -> str:
    """Return one weekday as people write it."""
    return ", ".join(f"{start}–{end}" for start, end in pairs)


def _checked_pair(day: str, pair: Sequence[str]) -> tuple[str, str]:
    if isinstance(pair, str) or len(pair) != 2:
        raise HoursFault(Fault.NOT_A_PAIR, day, str(pair))
    for text in pair:
        if not isinstance(text, str) or not _TIME.fullmatch(text):
            raise HoursFault(Fault.NOT_A_TIME, day, str(text))
    start, end = pair
    if start == "24:00":
        raise HoursFault(Fault.STARTS_AT_24, day, start)
    if start == end:
        raise HoursFault(Fault.NO_LENGTH, day, f"{start}–{end}")
    return start, end


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _length(start: str, end: str) -> int:
    return (_minutes(end) - _minutes(start)) % MINUTES_A_DAY or MINUTES_A_DAY
