"""Monthly fees: which days of a month are charged, and what part of the fee they are.

Days are dates; spans include both ends.

Source: product.md section 2.4 (pro rata), house.md section 8 (rounded once per line).
"""

import calendar
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from fractions import Fraction

from msp.core.money import Money

_DIGITS = 50  # of a quotient before it is rounded, so that the division makes no tie


@dataclass(frozen=True, slots=True)
class ChargedDays:
    """The days of one month for which a fee is owed."""

    first: date
    last: date
    days: int
    days_in_month: int


def month_of(day: date) -> date:
    """Return the first day of a day's month: how periods are named."""
    return day.replace(day=1)


def last_day(period: date) -> date:
    """Return the last day of the month that begins on `period`."""
    return period.replace(day=calendar.monthrange(period.year, period.month)[1])


def charged_days(period: date, *spans: tuple[date, date | None]) -> ChargedDays | None:
    """Return the days of a month that lie in every span; None if no day does.

    A span without an end goes on for ever.
    """
    first, last = period, last_day(period)
    for starts, ends in spans:
        first = max(first, starts)
        last = min(last, ends) if ends is not None else last
    if first > last:
        return None
    return ChargedDays(first, last, (last - first).days + 1, last_day(period).day)


def fee_for(monthly: Decimal, currency: str, charged: ChargedDays) -> Money:
    """Return the part of a monthly fee owed for some of its days, rounded once, ties to even.

    All days of a month owe the whole fee, however long the month is.

    Errors: ValueError for a fee that is negative or not finite.
    """
    if not monthly.is_finite() or monthly < 0:
        raise ValueError("a monthly fee is a finite amount of 0 or more")
    exact = Fraction(monthly) * charged.days / charged.days_in_month
    quotient = Context(prec=_DIGITS).divide(Decimal(exact.numerator), Decimal(exact.denominator))
    return Money(quotient, currency).rounded()
