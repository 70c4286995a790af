"""Prices of time and totals of invoices."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.pricing import (
    TimeRounding,
    invoice_totals,
    price_time,
    round_minutes,
)
from msp.core.money import CurrencyMismatch, Money
from tickets.enums import Coverage

EXACT = TimeRounding()
QUARTERS = TimeRounding(increment_minutes=15, minimum_minutes=30)


def euros(text: str) -> Money:
    """Write an amount in euros."""
    return Money(Decimal(text), "EUR")


def priced(minutes: int, rate: str, currency: str = "EUR", rounding=EXACT, **changes):
    """Price time under a clause."""
    terms = {"coverage": Coverage.BILLABLE, "clause": "T&M 4.1"} | changes
    return price_time(
        minutes, rate_per_hour=Decimal(rate), currency=currency, rounding=rounding, **terms
    )


@pytest.mark.parametrize(
    ("worked", "billed"), [(0, 0), (1, 30), (30, 30), (31, 45), (45, 45), (46, 60), (600, 600)]
)
def test_bills_the_minimum_and_then_whole_increments(worked, billed):
    assert round_minutes(worked, QUARTERS) == billed


def test_rounds_up_a_minimum_that_is_no_whole_increment():
    assert round_minutes(1, TimeRounding(increment_minutes=15, minimum_minutes=20)) == 30


@given(st.integers(0, 10_000), st.integers(1, 120), st.integers(0, 240))
def test_never_bills_less_than_was_worked_nor_an_increment_too_much(worked, increment, minimum):
    billed = round_minutes(worked, TimeRounding(increment, minimum))
    assert billed % increment == 0
    assert worked <= billed
    assert billed < max(worked, minimum if worked else 0) + increment


@pytest.mark.parametrize(
    ("minutes", "rate", "currency", "amount"),
    [
        (50, "95.00", "EUR", "79.17"),  # 79.1666…
        (60, "95.00", "EUR", "95.00"),
        (3, "0.10", "EUR", "0.00"),  # 0.005: the tie goes to the even digit
        (9, "0.10", "EUR", "0.02"),  # 0.015: here too
        (20, "100", "JPY", "33"),
        (1, "0.001", "KWD", "0.000"),
        (0, "95.00", "EUR", "0.00"),
    ],
)
def test_multiplies_and_rounds_once(minutes, rate, currency, amount):
    assert str(priced(minutes, rate, currency).amount) == f"{amount} {currency}"


def test_charges_nothing_for_covered_time_and_keeps_its_clause_and_minutes():
    line = priced(
        50, "95.00", rounding=QUARTERS, coverage=Coverage.COVERED, clause="Support 2.3: remote"
    )
    assert line.amount == euros("0.00")
    assert (line.worked_minutes, line.billed_minutes) == (50, 60)
    assert (line.coverage, line.clause) == (Coverage.COVERED, "Support 2.3: remote")
    assert line.rate_per_hour == Decimal("95.00")


@pytest.mark.parametrize(
    "call",
    [
        lambda: priced(10, "95", clause=" "),
        lambda: priced(10, "-1"),
        lambda: priced(10, "NaN"),
        lambda: priced(-1, "95"),
        lambda: TimeRounding(increment_minutes=0),
        lambda: TimeRounding(minimum_minutes=-1),
    ],
)
def test_refuses_prices_that_make_no_sense(call):
    with pytest.raises(ValueError, match=r"clause|rate|less than|increment"):
        call()


@given(st.integers(0, 6000), st.decimals(0, 1000, places=4))
def test_is_within_half_a_cent_of_the_exact_price(minutes, rate):
    exact = Fraction(rate) * minutes / 60
    amount = priced(minutes, str(rate)).amount.amount
    assert abs(Fraction(amount) - exact) <= Fraction(1, 200)


def test_taxes_the_sum_of_each_ratio_and_not_each_line():
    lines = [(euros("0.33"), Decimal("0.19"))] * 3 + [
        (euros("10.00"), Decimal("0.07")),
        (euros("5.00"), Decimal("0")),
        (euros("-0.09"), Decimal("0.190")),
    ]
    totals = invoice_totals(lines, "EUR")
    assert [(t.tax_ratio, t.net, t.tax) for t in totals.taxes] == [
        (Decimal("0.19"), euros("0.90"), euros("0.17")),
        (Decimal("0.07"), euros("10.00"), euros("0.70")),
        (Decimal("0"), euros("5.00"), euros("0.00")),
    ]
    assert (totals.net, totals.tax, totals.gross) == (
        euros("15.90"),
        euros("0.87"),
        euros("16.77"),
    )


def test_totals_an_empty_invoice_to_zero():
    totals = invoice_totals([], "JPY")
    assert (totals.net, totals.taxes, totals.gross) == (Money.zero("JPY"), (), Money.zero("JPY"))


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ((euros("0.005"), Decimal("0.19")), ValueError),
        ((euros("1.00"), Decimal("19")), ValueError),
        ((euros("1.00"), Decimal("-0.1")), ValueError),
        ((euros("1.00"), Decimal("NaN")), ValueError),
        ((Money(Decimal(1), "USD"), Decimal("0.19")), CurrencyMismatch),
    ],
)
def test_refuses_a_line_that_cannot_be_on_the_invoice(line, error):
    with pytest.raises(error):
        invoice_totals([line], "EUR")


@given(
    st.lists(
        st.tuples(
            st.decimals(-(10**6), 10**6, places=2),
            st.sampled_from(["0", "0.07", "0.19", "0.055", "0.21"]),
        ),
        max_size=30,
    )
)
def test_adds_up_to_the_cent(lines):
    totals = invoice_totals([(euros(str(net)), Decimal(ratio)) for net, ratio in lines], "EUR")
    assert totals.net.amount == sum((net for net, _ in lines), Decimal(0))
    assert totals.net + totals.tax == totals.gross
    assert sum((total.tax.amount for total in totals.taxes), Decimal(0)) == totals.tax.amount
    assert len({total.tax_ratio for total in totals.taxes}) == len(totals.taxes)
    for total in totals.taxes:
        exact = Fraction(total.net.amount) * Fraction(total.tax_ratio)
        assert abs(Fraction(total.tax.amount) - exact) <= Fraction(1, 200)
