"""Monthly fees: pro rata by the day, once for each month, safe to ask again."""

from __future__ import annotations

import threading
from datetime import date
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from billing import services
from billing.domain.fees import charged_days, fee_for
from billing.enums import DraftLineState, LineException
from billing.models import ContractLine, DraftLine
from clients.models import Contract
from msp.core.errors import BadInput, NotAllowed, NotVisible, Refused
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories import billing as make
from tests.factories import clients as client_factories
from tests.factories import core as core_factories

NOVEMBER = make.NOVEMBER
BY = make.MAKER


@pytest.mark.parametrize(
    ("starts", "ends", "days", "amount"),
    [
        (date(2026, 1, 1), None, 30, "900.00"),
        (date(2026, 11, 16), None, 15, "450.00"),
        (date(2026, 1, 1), date(2026, 11, 1), 1, "30.00"),
        (date(2026, 11, 30), date(2026, 11, 30), 1, "30.00"),
    ],
)
def test_charges_the_days_of_the_month_that_both_hold(starts, ends, days, amount):
    charged = charged_days(NOVEMBER, (starts, ends), (date(2026, 1, 1), None))
    assert charged is not None
    assert charged.days == days
    assert fee_for(Decimal(900), "EUR", charged).amount == Decimal(amount)


def test_rounds_a_part_of_a_fee_once_with_ties_to_the_even_digit():
    half = charged_days(NOVEMBER, (date(2026, 11, 16), None))
    assert half is not None
    assert fee_for(Decimal("0.25"), "EUR", half).amount == Decimal("0.12")
    assert fee_for(Decimal("0.35"), "EUR", half).amount == Decimal("0.18")


def test_charges_nothing_for_a_month_outside():
    assert charged_days(NOVEMBER, (date(2026, 12, 1), None)) is None
    assert charged_days(NOVEMBER, (date(2026, 1, 1), date(2026, 10, 31))) is None


@given(
    period=st.dates(date(2020, 1, 1), date(2030, 12, 1)).map(lambda day: day.replace(day=1)),
    fee=st.decimals(0, 99999, places=2),
)
def test_a_whole_month_owes_the_whole_fee_however_long_it_is(period, fee):
    charged = charged_days(period, (date(2019, 1, 1), None))
    assert charged is not None
    assert fee_for(fee, "EUR", charged).amount == fee


@given(
    cut=st.integers(1, 29),
    fee=st.decimals(0, 99999, places=2),
)
def test_two_parts_of_a_month_differ_from_the_whole_by_a_cent_at_most(cut, fee):
    first = charged_days(NOVEMBER, (date(2026, 1, 1), date(2026, 11, cut)))
    second = charged_days(NOVEMBER, (date(2026, 11, cut + 1), None))
    assert first is not None
    assert second is not None
    parts = fee_for(fee, "EUR", first).amount + fee_for(fee, "EUR", second).amount
    assert abs(parts - fee) <= Decimal("0.01")


@pytest.mark.django_db
@pytest.mark.usefixtures("month_end", "as_system")
class TestDrafting:
    def test_makes_the_fee_pro_rata_from_the_start_of_the_contract(self, managed):
        Contract.objects.filter(pk=managed.pk).update(starts_on=date(2026, 11, 11))
        make.contract_line(managed, "1000")
        (line,) = services.draft_month(managed.pk, period=NOVEMBER, by=BY)
        assert line.amount == Decimal("666.67")
        assert (line.quantity, line.price_per) == (20, 30)
        assert (line.first_day, line.last_day) == (date(2026, 11, 11), date(2026, 11, 30))

    def test_makes_nothing_twice(self, managed):
        make.contract_line(managed)
        first = services.draft_month(managed.pk, period=NOVEMBER, by=BY)
        again = services.draft_month(managed.pk, period=date(2026, 11, 17), by=BY)
        assert [row.pk for row in first] == [row.pk for row in again]
        assert DraftLine.objects.count() == 1

    def test_brings_what_waits_up_to_date_and_leaves_what_is_gone_out(self, managed):
        fee = make.contract_line(managed)
        extra = make.contract_line(managed, "60", name="Backup")
        services.draft_month(managed.pk, period=NOVEMBER, by=BY)
        services.change_contract_line(
            fee.public_id, by=BY, amount=Decimal(1200), from_on=date(2026, 11, 16)
        )
        services.end_contract_line(extra.public_id, by=BY, ends_on=date(2026, 10, 31))
        services.draft_month(managed.pk, period=NOVEMBER, by=BY)
        waiting = DraftLine.objects.waiting().order_by("first_day")
        assert [row.amount for row in waiting] == [450, 600]
        gone = DraftLine.objects.get(contract_line=extra)
        assert gone.state == DraftLineState.DROPPED
        assert gone.drop_reason

    def test_leaves_what_is_invoiced_as_it_is(self, managed, profile):
        make.contract_line(managed)
        services.draft_month(managed.pk, period=NOVEMBER, by=BY)
        services.post_invoice(managed.client_id, period=NOVEMBER, by=BY)
        Contract.objects.filter(pk=managed.pk).update(ends_on=date(2026, 11, 10))
        (line,) = services.draft_month(managed.pk, period=NOVEMBER, by=BY)
        assert (line.state, line.amount) == (DraftLineState.INVOICED, 900)

    def test_shows_an_exception_for_another_currency(self, managed):
        make.contract_line(managed)
        type(managed.client).objects.filter(pk=managed.client_id).update(currency="GBP")
        (line,) = services.draft_month(managed.pk, period=NOVEMBER, by=BY)
        assert (line.amount, line.exception) == (None, LineException.OTHER_CURRENCY)

    def test_refuses_a_contract_that_is_a_draft(self, managed):
        Contract.objects.filter(pk=managed.pk).update(state="draft")
        with pytest.raises(Refused):
            services.draft_month(managed.pk, period=NOVEMBER, by=BY)

    def test_prepares_the_clients_of_the_person_alone(self, managed):
        rival = client_factories.client("Rival")
        make.contract_line(managed)
        make.contract_line(client_factories.contract(rival))
        clerk = core_factories.staff(
            "billing_clerk", email="r@msp.example", scope="set", client_ids=[rival.pk]
        )
        with acting_as(clerk):
            assert services.prepare_month(period=NOVEMBER, by=clerk) == 1
        assert DraftLine.objects.get().client_id == rival.pk

    def test_goes_on_after_a_contract_that_fails_and_says_so(self, managed, monkeypatch):
        other = client_factories.contract(client_factories.client("Rival"))
        make.contract_line(managed)
        make.contract_line(other)
        whole = services.fees._values

        def broken(contract, line, charged):
            if contract.pk == managed.pk:
                raise ValueError("broken")
            return whole(contract, line, charged)

        monkeypatch.setattr(services.fees, "_values", broken)
        with pytest.raises(RuntimeError, match=str(managed.pk)):
            services.prepare_month(period=NOVEMBER, by=BY)
        assert DraftLine.objects.get().contract_id == other.pk

    def test_refuses_people_who_do_not_bill(self, managed, technician, stranger):
        with acting_as(technician), pytest.raises(NotAllowed):
            services.draft_month(managed.pk, period=NOVEMBER, by=technician)
        with acting_as(stranger), pytest.raises(NotVisible):
            services.draft_month(managed.pk, period=NOVEMBER, by=stranger)


@pytest.mark.django_db
@pytest.mark.usefixtures("month_end", "as_system")
class TestContractLines:
    def test_refuses_two_lines_of_one_key_on_one_day(self, managed):
        make.contract_line(managed, ends_on=date(2026, 6, 30))
        make.contract_line(managed, starts_on=date(2026, 7, 1))
        with pytest.raises(BadInput, match="already"):
            make.contract_line(managed, starts_on=date(2026, 6, 30), ends_on=date(2026, 6, 30))

    def test_lets_another_key_hold_on_the_same_days(self, managed):
        make.contract_line(managed)
        assert make.contract_line(managed, "10", name="Backup").pk

    def test_never_changes_an_amount_even_by_raw_sql(self, managed):
        line = make.contract_line(managed)
        with (
            pytest.raises(IntegrityError, match="only added"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute("UPDATE billing_contractline SET amount = 1 WHERE id = %s", [line.pk])

    def test_ends_one_line_and_begins_another_for_a_new_amount(self, managed):
        line = make.contract_line(managed)
        new = services.change_contract_line(
            line.public_id, by=BY, amount=Decimal(950), from_on=date(2026, 12, 1)
        )
        line.refresh_from_db()
        assert (line.ends_on, new.starts_on) == (date(2026, 11, 30), date(2026, 12, 1))
        assert (new.amount, new.key) == (950, line.key)

    def test_refuses_to_end_before_days_that_are_invoiced(self, managed, profile):
        line = make.contract_line(managed)
        services.draft_month(managed.pk, period=NOVEMBER, by=BY)
        services.post_invoice(managed.client_id, period=NOVEMBER, by=BY)
        with pytest.raises(Refused):
            services.end_contract_line(line.public_id, by=BY, ends_on=date(2026, 11, 15))
        with pytest.raises(Refused):
            services.withdraw_contract_line(line.public_id, by=BY, reason="mistake")
        assert services.end_contract_line(
            line.public_id, by=BY, ends_on=date(2026, 11, 30)
        ).ends_on == date(2026, 11, 30)

    def test_withdraws_a_mistake_and_frees_its_days(self, managed):
        line = make.contract_line(managed)
        services.withdraw_contract_line(line.public_id, by=BY, reason="Wrong amount")
        assert make.contract_line(managed, "800").amount == 800

    def test_raw_sql_cannot_charge_under_another_clients_contract(self, managed):
        line = make.contract_line(managed)
        other = client_factories.contract(client_factories.client("Rival"))
        fields = (
            "key, name, kind, work_type, amount, currency, increment_minutes, minimum_minutes, "
            "starts_on, created_at"
        )
        with (
            pytest.raises(IntegrityError, match="same_client"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(
                f"INSERT INTO billing_contractline (public_id, client_id, contract_id, {fields}) "
                f"SELECT gen_random_uuid(), client_id, %s, {fields} "
                "FROM billing_contractline WHERE id = %s",
                [other.pk, line.pk],
            )


@pytest.mark.django_db
@pytest.mark.usefixtures("month_end", "as_system")
class TestPrices:
    def test_replaces_a_price_of_the_same_day_and_keeps_what_was(self):
        old = make.price("100")
        new = make.price("110")
        old.refresh_from_db()
        assert old.withdrawn_at is not None
        assert new.withdrawn_at is None

    def test_the_database_refuses_two_prices_of_one_day(self):
        version = make.price("100")
        fields = (
            "item_id, currency, price_per_hour, increment_minutes, minimum_minutes, valid_from, "
            "created_at"
        )
        with (
            pytest.raises(IntegrityError, match="one_a_day"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(
                f"INSERT INTO billing_priceversion (public_id, {fields}) "
                f"SELECT gen_random_uuid(), {fields} FROM billing_priceversion WHERE id = %s",
                [version.pk],
            )

    def test_the_price_book_is_for_those_who_bill_everybody(self, acme):
        clerk = core_factories.staff(
            "billing_clerk", email="r@msp.example", scope="set", client_ids=[acme.pk]
        )
        with acting_as(clerk), pytest.raises(NotAllowed):
            services.add_price_version(
                by=clerk, work_type="remote", currency="EUR", price_per_hour=Decimal(1),
                valid_from=date(2026, 1, 1),
            )  # fmt: skip

    def test_ends_an_agreed_price_when_the_next_begins(self, acme, billing_clerk):
        def agree(amount: int, starts_on: date, ends_on: date | None = None):
            return services.add_client_price(
                acme.pk, by=billing_clerk, work_type="remote", price_per_hour=Decimal(amount),
                starts_on=starts_on, ends_on=ends_on,
            )  # fmt: skip

        first = agree(90, date(2026, 1, 1))
        agree(95, date(2026, 7, 1))
        first.refresh_from_db()
        assert first.ends_on == date(2026, 6, 30)
        with pytest.raises(BadInput):
            agree(80, date(2026, 3, 1), date(2026, 3, 31))


@pytest.mark.django_db(transaction=True)
def test_ten_preparations_at_once_make_one_fee():
    contract = client_factories.contract(client_factories.client("Acme"))
    make.contract_line(contract)
    start = threading.Barrier(10)
    failed: list[Exception] = []

    def prepare() -> None:
        try:
            with acting_as(SystemPrincipal("worker")):
                start.wait()
                services.draft_month(contract.pk, period=NOVEMBER, by=BY)
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=prepare) for _ in range(10)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failed == []
    with acting_as(BY):
        assert DraftLine.objects.count() == 1
        assert ContractLine.objects.count() == 1
