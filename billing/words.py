"""Days and months as billing writes them: never as bare figures, which two countries read apart."""

from __future__ import annotations

from datetime import date, datetime

from django.utils.formats import date_format

DAY = "j M Y"


def day_words(day: date | datetime) -> str:
    """Return a day: 24 Nov 2026."""
    return date_format(day, DAY)


def days_of(first: date, last: date) -> str:
    """Return a span of days, both included; one day once."""
    return day_words(first) if first == last else f"{day_words(first)} – {day_words(last)}"


def month_words(period: date) -> str:
    """Return the month that begins on a day: November 2026."""
    return date_format(period, "F Y")
