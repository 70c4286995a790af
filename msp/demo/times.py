"""When things happened in the demo: told from the day it is made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Dublin")
_SATURDAY = 5


@dataclass(frozen=True)
class Back:
    """A wall-clock time some working days before the day of the demo."""

    days: int
    clock: str


@dataclass(frozen=True)
class Ago:
    """Some minutes before the demo was made."""

    minutes: float


When = Back | Ago


def instant(when: When, now: datetime) -> datetime:
    """Return the aware instant that is meant, seen from `now`."""
    if isinstance(when, Ago):
        return now - timedelta(minutes=when.minutes)
    day = working_day(now.astimezone(ZONE).date(), when.days)
    return datetime.combine(day, time.fromisoformat(when.clock), ZONE)


def working_day(today: date, back: int) -> date:
    """Return the day that lies this many working days before today (Monday to Friday)."""
    day = today
    while back:
        day -= timedelta(days=1)
        back -= day.weekday() < _SATURDAY
    return day


def first_of_month(day: date, *, back: int = 0) -> date:
    """Return the first day of the month, or of one some months before."""
    months = day.year * 12 + day.month - 1 - back
    return date(months // 12, months % 12 + 1, 1)
