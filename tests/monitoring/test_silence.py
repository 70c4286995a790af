"""Silence counts only while we listened."""

from __future__ import annotations

import pytest

from monitoring.domain.silence import LONGEST_PAUSE_MS, RETURN_MS, next_span, silent_ms

MINUTE = 60_000


@pytest.mark.parametrize(
    ("span", "newest", "expected"),
    [
        (None, None, None),
        (None, 1000, (1000, 1000)),
        ((0, 1000), None, (0, 1000)),
        ((0, 1000), 500, (0, 1000)),
        ((0, 1000), 1000 + LONGEST_PAUSE_MS, (0, 1000 + LONGEST_PAUSE_MS)),
        (
            (0, 1000),
            1001 + LONGEST_PAUSE_MS,
            (1001 + LONGEST_PAUSE_MS, 1001 + LONGEST_PAUSE_MS),
        ),
    ],
)
def test_the_span_of_listening_grows_until_a_long_pause(
    span: tuple[int, int] | None, newest: int | None, expected: tuple[int, int] | None
) -> None:
    assert next_span(span, newest) == expected


def test_a_report_in_the_span_starts_the_silence() -> None:
    assert silent_ms((0, 10 * MINUTE), 4 * MINUTE) == 6 * MINUTE


def test_a_report_before_the_span_gets_the_time_to_come_back() -> None:
    assert silent_ms((60 * MINUTE, 67 * MINUTE), 0) == 7 * MINUTE - RETURN_MS
    assert silent_ms((60 * MINUTE, 62 * MINUTE), 0) == 0


def test_a_report_newer_than_the_span_is_no_silence() -> None:
    assert silent_ms((0, MINUTE), 2 * MINUTE) == 0
