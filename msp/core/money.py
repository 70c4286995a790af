"""Money: exact decimal amounts that never mix currencies.

An amount is a ``decimal.Decimal``; a currency is its ISO 4217 code in upper case. Nothing here
converts between currencies.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import Self

# Source: ISO 4217, list one, column "minor unit"; every other currency has two places.
_CODES_BY_PLACES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_USUAL_PLACES = 2
_PLACES = {code: places for places, codes in _CODES_BY_PLACES.items() for code in codes.split()}

_CODE = re.compile(r"[A-Z]{3}")
# Wide enough that an addition or a rounding never loses a digit of a sum of money, whatever
# precision the calling thread has set.
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)


class CurrencyMismatch(ValueError):
    """Two amounts of different currencies were to be combined or compared."""

    code = "currency_mismatch"


@lru_cache(maxsize=256)
def quantum(currency: str) -> Decimal:
    """Return the smallest amount of a currency: 0.01 for EUR, 1 for JPY, 0.001 for KWD.

    Errors: ValueError unless the code is three capital letters.
    Source: ISO 4217 minor units.
    """
    if not _CODE.fullmatch(currency):
        raise ValueError(f"not an ISO 4217 currency code: {currency!r}")
    return Decimal(1).scaleb(-_PLACES.get(currency, _USUAL_PLACES))


def round_money(amount: Decimal, currency: str) -> Decimal:
    """Round an amount to the smallest unit of its currency, ties to the even digit.

    Errors: ValueError for NaN, infinity, or an amount beyond 10^50.
    Source: product.md section 3, house.md section 8: rounded once per line.
    """
    if not amount.is_finite():
        raise ValueError("an amount of money must be finite")
    if amount and amount.adjusted() > 50:
        raise ValueError("an amount of money beyond 10^50 is a mistake")
    rounded = amount.quantize(quantum(currency), context=_EXACT)
    return rounded if rounded else abs(rounded)  # never "-0.00" on an invoice


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount in one currency; not rounded unless ``rounded()`` is asked for.

    Errors: ValueError for a bad code or an amount that is not finite; TypeError for a float.
    """

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        """Refuse anything that is not a finite decimal in a well-formed currency."""
        if not isinstance(self.amount, Decimal):
            raise TypeError("an amount of money is a Decimal")
        if not self.amount.is_finite():
            raise ValueError("an amount of money must be finite")
        quantum(self.currency)

    @classmethod
    def zero(cls, currency: str) -> Self:
        """Return nothing, written with the places of the currency."""
        return cls(round_money(Decimal(0), currency), currency)

    def __add__(self, other: "Money") -> "Money":
        """Add an amount of the same currency. Errors: CurrencyMismatch."""
        self._require_same(other)
        return Money(_EXACT.add(self.amount, other.amount), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        """Subtract an amount of the same currency. Errors: CurrencyMismatch."""
        self._require_same(other)
        return Money(_EXACT.subtract(self.amount, other.amount), self.currency)

    def __neg__(self) -> "Money":
        """Return the amount owed the other way round."""
        return Money(_EXACT.minus(self.amount), self.currency)

    def __lt__(self, other: "Money") -> bool:
        """Compare amounts of the same currency. Errors: CurrencyMismatch."""
        self._require_same(other)
        return self.amount < other.amount

    def __le__(self, other: "Money") -> bool:
        """Compare amounts of the same currency. Errors: CurrencyMismatch."""
        self._require_same(other)
        return self.amount <= other.amount

    def __str__(self) -> str:
        """Show the amount and its currency for logs; screens format for the reader's locale."""
        return f"{self.amount:f} {self.currency}"

    def rounded(self) -> "Money":
        """Return the amount in whole smallest units, ties to the even digit."""
        return Money(round_money(self.amount, self.currency), self.currency)

    def _require_same(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} do not mix")


def sum_money(amounts: Iterable[Money], currency: str) -> Money:
    """Add up amounts of one currency; an empty sum is zero of that currency.

    Errors: CurrencyMismatch as soon as one amount differs.
    """
    total = Money.zero(currency)
    for amount in amounts:
        total = total + amount
    return total
