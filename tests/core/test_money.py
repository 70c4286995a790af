"""Money: exact, rounded half-even to the currency's smallest unit, never mixed."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msp.core.money import CurrencyMismatch, Money, quantum, round_money, sum_money

amounts = st.decimals(-(10**9), 10**9, places=4, allow_nan=False)


@pytest.mark.parametrize(
    ("currency", "smallest"),
    [("EUR", "0.01"), ("USD", "0.01"), ("JPY", "1"), ("KWD", "0.001"), ("CLF", "0.0001")],
)
def test_knows_the_smallest_unit_of_a_currency(currency, smallest):
    assert quantum(currency) == Decimal(smallest)


@pytest.mark.parametrize("code", ["", "eur", "EURO", "E1R", "ÄÖÜ", "EUR\n"])
def test_refuses_what_is_not_a_currency_code(code):
    with pytest.raises(ValueError, match="ISO 4217"):
        Money(Decimal(1), code)


@pytest.mark.parametrize(
    ("amount", "currency", "rounded"),
    [
        ("0.125", "EUR", "0.12"),
        ("0.135", "EUR", "0.14"),
        ("-0.125", "EUR", "-0.12"),
        ("0.5", "JPY", "0"),
        ("1.5", "JPY", "2"),
        ("2.0005", "KWD", "2.000"),
        ("-0.001", "EUR", "0.00"),
    ],
)
def test_rounds_ties_to_the_even_digit(amount, currency, rounded):
    assert str(round_money(Decimal(amount), currency)) == rounded


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1E51"])
def test_refuses_to_round_what_is_no_amount(amount):
    with pytest.raises(ValueError, match="amount of money"):
        round_money(Decimal(amount), "EUR")


def test_refuses_floats_and_infinity():
    with pytest.raises(TypeError, match="Decimal"):
        Money(0.1, "EUR")
    with pytest.raises(ValueError, match="finite"):
        Money(Decimal("Infinity"), "EUR")


@pytest.mark.parametrize(
    "combine",
    [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a < b, lambda a, b: a <= b],
)
def test_refuses_to_mix_currencies(combine):
    with pytest.raises(CurrencyMismatch, match="EUR and USD"):
        combine(Money(Decimal(1), "EUR"), Money(Decimal(1), "USD"))


def test_compares_and_negates_amounts_of_one_currency():
    one, two = Money(Decimal(1), "EUR"), Money(Decimal(2), "EUR")
    assert one < two
    assert one <= Money(Decimal("1.00"), "EUR")
    assert two - one == one
    assert -one + one == Money.zero("EUR")
    assert Money(Decimal(1), "EUR") != Money(Decimal(1), "USD")
    assert str(-two) == "-2 EUR"


def test_writes_zero_with_the_places_of_its_currency():
    assert [str(Money.zero(code)) for code in ("EUR", "JPY")] == ["0.00 EUR", "0 JPY"]
    assert sum_money([], "EUR") == Money.zero("EUR")


@given(st.lists(amounts, max_size=20))
def test_sums_exactly_whatever_precision_the_thread_has(numbers):
    exact = sum(int(number * 10_000) for number in numbers)
    with localcontext(prec=3):
        total = sum_money([Money(number, "EUR") for number in numbers], "EUR")
    assert int(total.amount * 10_000) == exact


@given(amounts, st.sampled_from(["EUR", "JPY", "KWD"]))
def test_rounds_by_at_most_half_a_unit_and_only_once(amount, currency):
    rounded = Money(amount, currency).rounded()
    assert abs(rounded.amount - amount) <= quantum(currency) / 2
    assert rounded.rounded() == rounded
