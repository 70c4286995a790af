"""Prices, fees and invoices of the demo."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal

from billing import services as billing
from billing.enums import LineKind
from msp.core.scope import Principal
from msp.demo.cast import Cast
from msp.demo.telling import Teller
from msp.demo.times import ZONE, first_of_month
from tickets.enums import WorkType

#: Euros an hour, from the first of January of the year before the demo.
PRICE_BOOK = {
    WorkType.REMOTE: Decimal(96),
    WorkType.ONSITE: Decimal(118),
    WorkType.PROJECT: Decimal(132),
    WorkType.TRAVEL: Decimal(60),
}
TAX_RATIO = Decimal("0.23")
#: Client, fee of a month, what it is for, invoice address, reference.
FEES = (
    ("harbour", "1480.00", "Managed Plus, monthly fee",
     "Harbour Dental Group Ltd\n18 Custom House Quay\nDublin 1", "PO 2210"),
    ("oakfield", "620.00", "Essential, monthly fee",
     "Oakfield Dental Care\n61 Oakfield Road\nCork", ""),
)  # fmt: skip
#: When the billing clerk looks at the month that has ended.
AT_WORK = time(9, 30)


def add_prices(cast: Cast, *, by: Principal, today: date) -> None:
    """Fill the price book, and say what the clients pay a month and to whom invoices go."""
    since = date(today.year - 1, 1, 1)
    for work, price in PRICE_BOOK.items():
        billing.add_price_version(
            work_type=work, by=by, currency="EUR", price_per_hour=price, valid_from=since
        )
    for short, fee, name, address, reference in FEES:
        billing.set_profile(
            cast.clients[short].pk,
            by=by,
            invoice_name=address.split("\n", 1)[0],
            address=address.split("\n", 1)[1],
            tax_ratio=TAX_RATIO,
            reference=reference,
        )
        contract = cast.contracts[short]
        billing.add_contract_line(
            contract.pk,
            by=by,
            name=name,
            kind=LineKind.FLAT,
            amount=Decimal(fee),
            starts_on=contract.starts_on,
        )


def plan_invoices(teller: Teller, *, by: Principal) -> None:
    """Bill the last two months, each on the first day of the next; one draft is left to post."""
    today = teller.now.astimezone(ZONE).date()
    for back in (2, 1):
        period = first_of_month(today, back=back)
        at = min(datetime.combine(first_of_month(today, back=back - 1), AT_WORK, ZONE), teller.now)
        for short, *_rest in FEES:
            is_left = back == 1 and short == "oakfield"
            teller.act_at(at, by, _Bill(teller.cast, short, period, by, is_left=is_left))


class _Bill:
    """One client's invoice of one month."""

    def __init__(
        self, cast: Cast, short: str, period: date, by: Principal, *, is_left: bool
    ) -> None:
        self.cast, self.short, self.period, self.by = cast, short, period, by
        self.is_left = is_left

    def __call__(self) -> None:
        client = self.cast.clients[self.short]
        billing.draft_month(self.cast.contracts[self.short].pk, period=self.period, by=self.by)
        bill = billing.draft_invoice if self.is_left else billing.post_invoice
        bill(client.pk, period=self.period, by=self.by)
