"""Prices: minutes and rates in, exact amounts out, each line rounded once.

Amounts are ``msp.core.money.Money``; rates are per hour; tax ratios are 0-1.

Source: product.md section 2.4, model.md "billing"; EN 16931 for the totals of an invoice.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction

from msp.core.money import Money, sum_money
from tickets.enums import Coverage

_MINUTES_AN_HOUR = 60
_DIGITS = 50  # of a quotient before it is rounded; money has at most 4 places


@dataclass(frozen=True, slots=True)
class TimeRounding:
    """How worked minutes become billed ones: a minimum, then up to the next whole increment.

    Errors: ValueError for an increment below one minute or a negative minimum.
    """

    increment_minutes: int = 1
    minimum_minutes: int = 0

    def __post_init__(self) -> None:
        """Refuse steps that lead nowhere."""
        if self.increment_minutes < 1 or self.minimum_minutes < 0:
            raise ValueError("rounding needs an increment of a minute or more and a minimum >= 0")


@dataclass(frozen=True, slots=True)
class PricedTime:
    """What one time entry costs, with the clause of the contract that says so."""

    worked_minutes: int
    billed_minutes: int
    rate_per_hour: Decimal
    coverage: Coverage
    clause: str
    amount: Money


@dataclass(frozen=True, slots=True)
class TaxTotal:
    """The tax of one rate: on the sum of its lines, not on each."""

    tax_ratio: Decimal
    net: Money
    tax: Money


@dataclass(frozen=True, slots=True)
class InvoiceTotals:
    """``net`` is the sum of the lines, ``gross`` is ``net + tax``, exactly."""

    net: Money
    taxes: tuple[TaxTotal, ...]
    tax: Money
    gross: Money


def round_minutes(worked_minutes: int, rounding: TimeRounding) -> int:
    """Return the minutes to bill. Nothing worked stays nothing: zero is a valid entry.

    Errors: ValueError for negative minutes.
    """
    if worked_minutes < 0:
        raise ValueError("nobody works for less than no time")
    if worked_minutes == 0:
        return 0
    minutes = max(worked_minutes, rounding.minimum_minutes)
    increments = -(-minutes // rounding.increment_minutes)
    return increments * rounding.increment_minutes


def price_time(
    worked_minutes: int,
    *,
    rate_per_hour: Decimal,
    currency: str,
    coverage: Coverage,
    clause: str,
    rounding: TimeRounding,
) -> PricedTime:
    """Price one time entry: billed minutes times rate, rounded once, ties to even; 0 if covered.

    Errors: ValueError without a clause, for a negative rate, or for negative minutes.
    """
    if not clause.strip():
        raise ValueError("a price names the clause that it rests on")
    if not rate_per_hour.is_finite() or rate_per_hour < 0:
        raise ValueError("an hourly rate is a finite amount of 0 or more")
    billed = round_minutes(worked_minutes, rounding)
    amount = Money.zero(currency)
    if coverage == Coverage.BILLABLE:
        amount = _rounded(Fraction(rate_per_hour) * billed / _MINUTES_AN_HOUR, currency)
    return PricedTime(worked_minutes, billed, rate_per_hour, coverage, clause, amount)


def invoice_totals(lines: Iterable[tuple[Money, Decimal]], currency: str) -> InvoiceTotals:
    """Add up an invoice from (net amount, tax ratio) of its lines.

    Tax is worked out once for each ratio, on the sum of its lines, so that the printed figures
    add up. Negative lines (credits, discounts) lower their ratio's sum.

    Errors: ValueError for a line that is not rounded, or a ratio outside 0-1; CurrencyMismatch.
    Source: EN 16931, BR-CO-10, BR-CO-14, BR-CO-15 and BR-CO-17.
    """
    by_ratio: dict[Decimal, list[Money]] = {}
    for amount, ratio in lines:
        if amount != amount.rounded():
            raise ValueError(f"a line is rounded before it is added up: {amount}")
        if not ratio.is_finite() or not 0 <= ratio <= 1:
            raise ValueError(f"a tax ratio lies between 0 and 1: {ratio}")
        by_ratio.setdefault(ratio, []).append(amount)
    taxes = []
    for ratio in sorted(by_ratio, reverse=True):
        net = sum_money(by_ratio[ratio], currency)
        tax = _rounded(Fraction(net.amount) * Fraction(ratio), currency)
        taxes.append(TaxTotal(ratio, net, tax))
    net = sum_money((total.net for total in taxes), currency)
    tax = sum_money((total.tax for total in taxes), currency)
    return InvoiceTotals(net, tuple(taxes), tax, net + tax)


def _rounded(amount: Fraction, currency: str) -> Money:
    """Return an exact fraction as money, rounded once."""
    # Far more digits than money has, so that this division cannot make or unmake a tie.
    scaled = Context(prec=_DIGITS).divide(Decimal(amount.numerator), Decimal(amount.denominator))
    return Money(scaled, currency).rounded()
