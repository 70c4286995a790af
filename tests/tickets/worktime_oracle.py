"""Business time computed the slow way, to check the fast way.

It walks minute by minute and reads the wall clock at each, second by second where a pause begins
or ends, and knows nothing of intervals, offsets or running totals. Right for zones whose offset
is a whole number of minutes, which all have been since 1972.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from tickets.domain.worktime import Calendar, Pause

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def counts(at: datetime, calendar: Calendar) -> bool:
    """Read the wall clock and look for a window that holds the reading."""
    if calendar.always:
        return True
    local = at.astimezone(ZoneInfo(calendar.zone))
    minute = local.hour * 60 + local.minute
    today = local.date()
    if today not in calendar.holidays:
        for start, end in calendar.windows[today.weekday()]:
            if minute >= start and (minute < end or end <= start):
                return True
    yesterday = today - timedelta(days=1)
    if yesterday not in calendar.holidays:
        for start, end in calendar.windows[yesterday.weekday()]:
            if end <= start and minute < end:
                return True
    return False


def _paused(at: datetime, pauses: list[Pause]) -> bool:
    return any(start <= at and (end is None or at < end) for start, end in pauses)


def walk(
    start: datetime,
    calendar: Calendar,
    pauses: list[Pause],
    until: datetime,
    target: float,
) -> tuple[int, datetime | None]:
    """Walk from ``start`` and return (seconds that count, when the target was reached).

    Stops at ``until`` or at the target, whichever is first. Instants are whole seconds.
    """
    at = start.astimezone(UTC)
    elapsed = 0
    edges = sorted(edge for pause in pauses for edge in pause if edge is not None)
    while at < until:
        after = min(at.replace(second=0) + MINUTE, until)
        if counts(at, calendar):
            if any(at < edge < after for edge in edges):
                while at < after:
                    if not _paused(at, pauses):
                        elapsed += 1
                        if elapsed == target:
                            return elapsed, at + SECOND
                    at += SECOND
            elif not _paused(at, pauses):
                length = int((after - at).total_seconds())
                if elapsed + length >= target:
                    return int(target), at + timedelta(seconds=target - elapsed)
                elapsed += length
        at = after
    return elapsed, None
