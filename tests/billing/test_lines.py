"""Draft lines of approved time: once for each entry, never silently zero."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from billing import services
from billing.enums import DraftLineState, LineException
from billing.models import DraftLine
from msp.core import clock, events
from msp.core.errors import BadInput, NotAllowed, NotVisible, Refused
from msp.core.models import AuditEntry
from msp.core.scope import SystemPrincipal, acting_as
from tests.billing.conftest import MONTH_END
from tests.factories import billing as make
from tests.factories import clients as client_factories
from tests.factories import tickets as ticket_factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("month_end", "as_system")]


def test_makes_a_line_of_time_when_it_is_approved(acme):
    make.price("120", work_type="onsite")
    make.approved(acme, 50)
    events.deliver_all()
    line = DraftLine.objects.get()
    assert (line.amount, line.currency, line.quantity) == (Decimal("100.00"), "EUR", 50)
    assert line.period == date(2026, 11, 1)
    assert line.state == DraftLineState.DRAFT
    assert "Disk is full" in line.description


def test_charges_nothing_for_covered_time_and_names_the_clause(acme, managed):
    make.price("120")
    line = make.draft_line(acme, 50, work_type="remote")
    assert line.amount == 0
    assert (line.coverage, line.clause) == ("covered", "3.1 Remote help")
    assert line.exception == ""


def test_rounds_minutes_to_the_steps_of_the_price_and_money_once(acme):
    make.price("100", work_type="onsite", increment_minutes=15, minimum_minutes=30)
    assert make.draft_line(acme, 7).quantity == 30
    assert make.draft_line(acme, 31).quantity == 45
    make.price("100.01", work_type="onsite", valid_from=date(2026, 11, 20), increment_minutes=1)
    # 100.01 × 3 ÷ 60 is 5.0005; and 0.105 ties to the even 0.10.
    assert make.draft_line(acme, 3).amount == Decimal("5.00")
    make.price("6.30", work_type="onsite", valid_from=date(2026, 11, 20), increment_minutes=1)
    assert make.draft_line(acme, 1).amount == Decimal("0.10")


def test_takes_the_price_of_the_day_the_work_began(acme):
    make.price("100", work_type="onsite")
    make.price("200", work_type="onsite", valid_from=date(2026, 11, 24))
    before = make.draft_line(acme, 60, started_at=datetime(2026, 11, 23, 23, 30, tzinfo=UTC))
    after = make.draft_line(acme, 60, started_at=datetime(2026, 11, 24, 0, 10, tzinfo=UTC))
    assert (before.amount, after.amount) == (100, 200)


def test_counts_days_and_months_by_the_clients_own_clock(acme):
    type(acme).objects.filter(pk=acme.pk).update(zone="Pacific/Auckland")
    make.price(work_type="onsite")
    line = make.draft_line(acme, started_at=datetime(2026, 10, 31, 22, 0, tzinfo=UTC))
    assert (line.first_day, line.period) == (date(2026, 11, 1), date(2026, 11, 1))


def test_prefers_the_contract_then_the_agreed_price_then_the_book(acme, managed):
    make.price("100", work_type="onsite")
    assert make.draft_line(acme, 60).amount == 100
    with acting_as(make.MAKER):
        services.add_client_price(
            acme.pk, by=make.MAKER, work_type="onsite", price_per_hour=Decimal(90),
            starts_on=date(2026, 11, 1),
        )  # fmt: skip
    agreed = make.draft_line(acme, 60)
    assert (agreed.amount, "agreed" in agreed.price_source) == (90, True)
    make.contract_line(managed, "80", name="Hours", kind="time_and_material")
    assert make.draft_line(acme, 60).amount == 80
    make.contract_line(managed, "70", name="Visits", kind="time_and_material", work_type="onsite")
    assert make.draft_line(acme, 60).amount == 70


def test_shows_an_exception_where_there_is_no_price(acme):
    line = make.draft_line(acme, 60)
    assert (line.amount, line.exception) == (None, LineException.NO_PRICE)
    assert "on site" in line.exception_text
    assert "EUR" in line.exception_text


def test_prices_exceptions_once_there_is_a_price(acme):
    line = make.draft_line(acme, 60)
    make.price("120", work_type="onsite")
    assert services.price_all_exceptions(by=make.MAKER) == 1
    line.refresh_from_db()
    assert (line.amount, line.exception) == (120, "")
    assert services.price_all_exceptions(by=make.MAKER) == 0


def test_keeps_the_price_of_a_line_that_has_one_until_asked(acme):
    make.price("120", work_type="onsite")
    line = make.draft_line(acme, 60)
    make.price("150", work_type="onsite")
    services.price_all_exceptions(by=make.MAKER)
    line.refresh_from_db()
    assert line.amount == 120
    assert services.price_again(acme.pk, period=make.NOVEMBER, by=make.MAKER) == 1
    line.refresh_from_db()
    assert line.amount == 150


def test_bills_an_entry_of_no_minutes_as_nothing(acme):
    make.price(work_type="onsite")
    line = make.draft_line(acme, 0)
    assert (line.amount, line.exception) == (0, "")


def test_makes_one_line_however_often_the_news_arrives(acme):
    make.price(work_type="onsite")
    entry = make.approved(acme)
    first = services.draft_line_for_time(entry.pk, by=make.MAKER)
    again = services.draft_line_for_time(entry.pk, by=make.MAKER)
    assert first.pk == again.pk
    assert AuditEntry.objects.filter(action="draft_line.made").count() == 1


def test_refuses_time_that_is_not_approved(acme):
    from tickets.services import log_time

    ticket = ticket_factories.ticket(acme)
    entry = log_time(ticket.number, by=make.MAKER, person=make.worker(), minutes=5)
    with pytest.raises(NotVisible):
        services.draft_line_for_time(entry.pk, by=make.MAKER)


def test_leaves_a_line_out_with_a_reason_and_takes_it_back(acme, billing_clerk):
    make.price(work_type="onsite")
    line = make.draft_line(acme)
    with pytest.raises(BadInput):
        services.drop_line(line.public_id, by=billing_clerk, reason=" ")
    services.drop_line(line.public_id, by=billing_clerk, reason="Goodwill")
    line.refresh_from_db()
    assert (line.state, line.drop_reason) == (DraftLineState.DROPPED, "Goodwill")
    services.restore_line(line.public_id, by=billing_clerk)
    line.refresh_from_db()
    assert line.state == DraftLineState.DRAFT


def test_refuses_people_who_do_not_bill(acme, technician, bookkeeper, stranger):
    make.price(work_type="onsite")
    line = make.draft_line(acme)
    with acting_as(technician), pytest.raises(NotAllowed):
        services.drop_line(line.public_id, by=technician, reason="x")
    for contact in (bookkeeper, stranger):
        with acting_as(contact), pytest.raises(NotVisible):
            services.drop_line(line.public_id, by=contact, reason="x")


def test_the_database_refuses_a_free_line_without_a_clause_or_an_amount_by_silence(acme):
    make.price(work_type="onsite")
    line = make.draft_line(acme)
    for change in ("amount = NULL", "coverage = 'covered'", "exception = 'no_price'"):
        with (
            pytest.raises(IntegrityError),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(f"UPDATE billing_draftline SET {change} WHERE id = %s", [line.pk])


def test_raw_sql_cannot_tie_a_line_to_another_clients_time(acme):
    make.price(work_type="onsite")
    line = make.draft_line(acme)
    rival = make.draft_line(client_factories.client("Rival"))
    DraftLine.objects.filter(pk=rival.pk).delete()
    with (
        pytest.raises(IntegrityError, match="same_client"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "UPDATE billing_draftline SET time_entry_id = %s WHERE id = %s",
            [rival.time_entry_id, line.pk],
        )


def test_an_invoiced_line_is_left_out_by_nobody(acme):
    invoice = make.invoice(acme)
    line = DraftLine.objects.get(invoice=invoice)
    with pytest.raises(Refused):
        services.drop_line(line.public_id, by=make.MAKER, reason="too late")
    with (
        pytest.raises(IntegrityError, match="is invoiced"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE billing_draftline SET amount = 1 WHERE id = %s", [line.pk])


@pytest.mark.django_db(transaction=True)
def test_ten_deliveries_at_once_make_one_line():
    acme = client_factories.client("Acme")
    make.price(work_type="onsite")
    entry = make.approved(acme)
    made: list[int] = []
    start = threading.Barrier(10)

    def deliver() -> None:
        try:
            with acting_as(SystemPrincipal("worker")), clock.at(MONTH_END):
                start.wait()
                made.append(services.draft_line_for_time(entry.pk, by=make.MAKER).pk)
        finally:
            connection.close()

    workers = [threading.Thread(target=deliver) for _ in range(10)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(made) == 10
    assert len(set(made)) == 1
    assert DraftLine.objects.count() == 1
