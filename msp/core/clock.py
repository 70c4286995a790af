"""The only place that reads the time.

Seeding and tests set it, so that a story with history is built through the same services that
serve live work. The setting is a context variable: parallel tests and requests do not disturb each
other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

_set: ContextVar[datetime | None] = ContextVar("clock", default=None)


def now() -> datetime:
    """Return the present instant, aware, in UTC."""
    return _set.get() or datetime.now(UTC)


def today(zone: str = "UTC") -> date:
    """Return the present date in an IANA zone."""
    return now().astimezone(ZoneInfo(zone)).date()


@contextmanager
def at(instant: datetime) -> Iterator[None]:
    """Stand the clock at an aware instant while the block runs."""
    if instant.tzinfo is None:
        raise ValueError("The clock takes aware instants only.")
    token = _set.set(instant.astimezone(UTC))
    try:
        yield
    finally:
        _set.reset(token)


def advance(step: timedelta) -> None:
    """Move a clock that `at` has set; a running clock cannot be moved."""
    standing = _set.get()
    if standing is None:
        raise RuntimeError("Only a clock that stands can be moved; use clock.at(...) first.")
    _set.set(standing + step)
