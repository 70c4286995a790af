"""How long a device has been silent, counting only the time in which we were listening.

After our own down time every agent needs a while to come back: it waits up to five minutes between
its tries (telemetry.md section 3). So a device last heard before the present span of listening is
given that long from the start of the span before its silence counts.
"""

from typing import Final

LONGEST_PAUSE_MS: Final = 150_000
"""A longer pause between two reports of the whole fleet is ours: we were not listening."""

RETURN_MS: Final = 300_000
"""Cap of the agents' waits between tries on the live lane; telemetry.md section 3."""


def next_span(span: tuple[int, int] | None, newest_ms: int | None) -> tuple[int, int] | None:
    """Return the span of listening, as (since, until) in ms, after looking for newer reports.

    `newest_ms` is when the newest report of any device was committed. The span grows while reports
    follow each other closely; after a longer pause a new one begins at the newest report.
    """
    if newest_ms is None:
        return span
    if span is None:
        return newest_ms, newest_ms
    since, until = span
    if newest_ms <= until:
        return span
    if newest_ms - until > LONGEST_PAUSE_MS:
        return newest_ms, newest_ms
    return since, newest_ms


def silent_ms(span: tuple[int, int], last_report_ms: int) -> int:
    """Return for how long (ms) a device has been silent while we listened, 0 or more."""
    since, until = span
    counts_from = last_report_ms if last_report_ms >= since else since + RETURN_MS
    return max(0, until - counts_from)
