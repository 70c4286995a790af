"""Invoices: numbers without a gap, no second run, and frozen once posted."""

from __future__ import annotations

import threading
from datetime import date
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from billing import services
from billing.enums import DraftLineState, InvoiceState
from billing.models import CreditNote, DraftLine, Invoice, InvoiceLine
from clients.models import Client
from msp.core import clock, events
from msp.core.database import as_owner
from msp.core.errors import BadInput, NotAllowed, NotVisible, Refused
from msp.core.models import AuditEntry, Delivery, Notification
from msp.core.scope import SystemPrincipal, acting_as
from tests.billing.conftest import MONTH_END
from tests.factories import billing as make
from tests.factories import clients as client_factories

BY = make.MAKER
NOVEMBER = make.NOVEMBER


@pytest.mark.django_db
@pytest.mark.usefixtures("month_end", "as_system")
class TestPosting:
    def test_makes_an_invoice_of_what_waits(self, acme, managed, profile, billing_clerk):
        make.price("120", work_type="onsite")
        make.draft_line(acme, 75)
        make.draft_line(acme, 50, work_type="remote")
        make.contract_line(managed, "900")
        services.draft_month(managed.pk, period=NOVEMBER, by=BY)
        invoice = services.post_invoice(acme.pk, period=NOVEMBER, by=billing_clerk)
        assert (invoice.net, invoice.tax, invoice.total) == (
            1050,
            Decimal("241.50"),
            Decimal("1291.50"),
        )
        assert (invoice.number, invoice.name) == (1001, "INV-1001")
        assert (invoice.issued_on, invoice.due_on) == (date(2026, 11, 30), date(2026, 12, 30))
        assert invoice.buyer["name"] == "Acme Ltd"
        lines = InvoiceLine.objects.filter(invoice=invoice)
        assert sorted(line.amount for line in lines) == [0, 150, 900]
        assert set(DraftLine.objects.values_list("state", flat=True)) == {DraftLineState.INVOICED}

    def test_keeps_the_evidence_with_each_line(self, acme):
        invoice = make.invoice(acme)
        line = InvoiceLine.objects.get(invoice=invoice)
        assert line.evidence["minutes"] == 75
        assert line.evidence["person"] == "Wes Worker"
        assert line.draft_line.time_entry.minutes == 75

    def test_makes_no_second_invoice_of_a_second_run(self, acme):
        first = make.invoice(acme)
        again = services.post_invoice(acme.pk, period=NOVEMBER, by=BY)
        assert services.post_draft(first.public_id, by=BY).pk == again.pk == first.pk
        assert Invoice.objects.count() == 1
        assert Delivery.objects.filter(event="billing.events.InvoicePosted").count() == 2
        assert AuditEntry.objects.filter(action="invoice.posted").count() == 1

    def test_bills_time_approved_later_on_an_invoice_of_its_own(self, acme):
        make.invoice(acme)
        make.draft_line(acme, 30)
        second = services.post_invoice(acme.pk, period=NOVEMBER, by=BY)
        assert (second.number, second.net) == (1002, 60)

    def test_refuses_while_a_line_has_no_price(self, acme, profile):
        make.draft_line(acme)
        with pytest.raises(Refused) as refusal:
            services.post_invoice(acme.pk, period=NOVEMBER, by=BY)
        assert refusal.value.code == "exceptions"
        assert not Invoice.objects.exists()

    def test_refuses_without_a_profile_and_without_anything_to_bill(self, acme):
        with pytest.raises(Refused) as refusal:
            services.post_invoice(acme.pk, period=NOVEMBER, by=BY)
        assert refusal.value.code == "nothing"
        make.price(work_type="onsite")
        make.draft_line(acme)
        with pytest.raises(Refused) as refusal:
            services.post_invoice(acme.pk, period=NOVEMBER, by=BY)
        assert refusal.value.code == "no_profile"

    def test_bills_a_client_that_joined_another_by_the_others_profile(self, acme, profile):
        old = client_factories.client("Acme Old")
        Client.objects.filter(pk=old.pk).update(merged_into=acme, merged_at=clock.now())
        make.price(work_type="onsite")
        make.draft_line(old)
        invoice = services.post_invoice(old.pk, period=NOVEMBER, by=BY)
        assert (invoice.client_id, invoice.buyer["name"]) == (old.pk, "Acme Ltd")

    def test_throws_a_draft_away_and_lets_its_lines_wait_again(self, acme):
        draft = make.invoice(acme, post=False)
        services.discard_invoice(draft.public_id, by=BY)
        assert not Invoice.objects.exists()
        assert DraftLine.objects.loose().count() == 1
        assert make.invoice(acme).number == 1001

    def test_puts_what_came_meanwhile_on_the_same_draft(self, acme):
        draft = make.invoice(acme, post=False)
        make.draft_line(acme)
        again = services.draft_invoice(acme.pk, period=NOVEMBER, by=BY)
        assert (again.pk, again.draft_lines.count()) == (draft.pk, 2)

    def test_takes_a_line_that_is_left_out_off_the_draft(self, acme):
        draft = make.invoice(acme, post=False)
        line = DraftLine.objects.get()
        services.drop_line(line.public_id, by=BY, reason="Goodwill")
        with pytest.raises(Refused):
            services.post_draft(draft.public_id, by=BY)

    def test_a_posting_that_fails_leaves_no_gap(self, acme, monkeypatch):
        draft = make.invoice(acme, post=False)

        def broken(event):
            raise RuntimeError

        with monkeypatch.context() as patch:
            patch.setattr("billing.services.invoicing.publish", broken)
            with pytest.raises(RuntimeError):
                services.post_draft(draft.public_id, by=BY)
        assert services.post_draft(draft.public_id, by=BY).number == 1001

    def test_asks_the_right_to_post(self, acme, technician, stranger, bookkeeper):
        draft = make.invoice(acme, post=False)
        with acting_as(technician), pytest.raises(NotAllowed):
            services.post_draft(draft.public_id, by=technician)
        for contact in (stranger, bookkeeper):
            with acting_as(contact), pytest.raises(NotVisible):
                services.post_draft(draft.public_id, by=contact)
            with acting_as(contact), pytest.raises((NotVisible, NotAllowed)):
                services.post_invoice(acme.pk, period=NOVEMBER, by=contact)

    def test_writes_figures_without_places_in_yen(self, acme):
        Client.objects.filter(pk=acme.pk).update(currency="JPY")
        make.price("1000", work_type="onsite", currency="JPY")
        make.profile(acme, tax_ratio=Decimal("0.1"))
        make.draft_line(acme, 1)
        invoice = services.post_invoice(acme.pk, period=NOVEMBER, by=BY)
        assert (invoice.net, invoice.tax, invoice.total) == (17, 2, 19)


@pytest.mark.django_db
@pytest.mark.usefixtures("month_end", "as_system")
class TestFrozen:
    CHANGES = (
        "UPDATE billing_invoice SET total = total + 1, net = net + 1 WHERE id = %(invoice)s",
        "UPDATE billing_invoice SET state = 'draft', number = NULL WHERE id = %(invoice)s",
        "UPDATE billing_invoice SET due_on = '2030-01-01' WHERE id = %(invoice)s",
        "DELETE FROM billing_invoice WHERE id = %(invoice)s",
        "UPDATE billing_invoiceline SET amount = 1 WHERE invoice_id = %(invoice)s",
        "DELETE FROM billing_invoiceline WHERE invoice_id = %(invoice)s",
    )

    @pytest.mark.parametrize("change", CHANGES)
    def test_the_application_cannot_change_a_posted_invoice(self, acme, change):
        invoice = make.invoice(acme)
        with (
            pytest.raises(DatabaseError, match=r"posted|only added|permission denied"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(change, {"invoice": invoice.pk})

    def test_nobody_adds_a_line_to_a_posted_invoice(self, acme):
        invoice = make.invoice(acme)
        with (
            pytest.raises(IntegrityError, match="no line is added"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(
                "INSERT INTO billing_invoiceline "
                "SELECT (jsonb_populate_record(l, jsonb_build_object("
                "'id', l.id + 1000, 'public_id', gen_random_uuid(), 'position', 99))).* "
                "FROM billing_invoiceline l WHERE invoice_id = %s",
                [invoice.pk],
            )

    def test_nobody_bears_a_posted_invoice(self, acme):
        with pytest.raises(IntegrityError, match="born a draft"), transaction.atomic():
            Invoice.objects.create(
                client=acme, period=NOVEMBER, currency="EUR", state=InvoiceState.POSTED,
                number=7, issued_on=NOVEMBER, posted_at=clock.now(),
            )  # fmt: skip

    @pytest.mark.parametrize(
        ("figures", "why"),
        [
            ("net = 151, tax = 34.50, total = 185.50", "does not add up"),
            ("net = 150, tax = 34.50, total = 184.00", "add up|net_and_tax_is_total"),
            ("net = 150, tax = 34.52, total = 184.52", "wrong tax"),
        ],
    )
    def test_the_database_refuses_figures_that_do_not_add_up(self, acme, figures, why):
        draft = make.invoice(acme, post=False)
        line = DraftLine.objects.get(invoice=draft)
        copy = InvoiceLine(
            client=acme, invoice=draft, draft_line=line, position=1, tax_ratio=Decimal("0.23"),
            line_kind=line.line_kind, description="x", first_day=line.first_day,
            last_day=line.last_day, quantity=75, unit="minute", price_per=60, unit_price=120,
            amount=150,
        )  # fmt: skip
        copy.save()
        post = "state = 'posted', number = 1, issued_on = now(), posted_at = now()"
        with (
            pytest.raises(IntegrityError, match=why),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(
                f"UPDATE billing_invoice SET {figures}, {post} WHERE id = %s", [draft.pk]
            )
        with connection.cursor() as cursor:
            right = "net = 150, tax = 34.50, total = 184.50"
            cursor.execute(f"UPDATE billing_invoice SET {right}, {post} WHERE id = %s", [draft.pk])

    def test_refuses_to_post_without_lines(self, acme):
        draft = make.invoice(acme, post=False)
        with (
            pytest.raises(IntegrityError, match="no lines"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(
                "UPDATE billing_invoice SET state = 'posted', number = 1, issued_on = now(), "
                "posted_at = now() WHERE id = %s",
                [draft.pk],
            )

    def test_no_draft_line_is_invoiced_twice(self, acme):
        invoice = make.invoice(acme)
        line = InvoiceLine.objects.get(invoice=invoice)
        other = Invoice.objects.create(client=acme, period=date(2026, 12, 1), currency="EUR")
        line.pk, line.public_id, line.invoice = None, other.public_id, other
        line._state.adding = True
        with pytest.raises(IntegrityError, match="draft_line"), transaction.atomic():
            line.save(force_insert=True)


@pytest.mark.django_db(transaction=True)
def test_the_owner_of_the_tables_cannot_change_a_posted_invoice_either():
    with acting_as(BY), clock.at(MONTH_END):
        invoice = make.invoice()
    for change in TestFrozen.CHANGES:
        with (
            as_owner(),
            pytest.raises(IntegrityError, match=r"posted|only added"),
            connection.cursor() as cursor,
        ):
            cursor.execute(change, {"invoice": invoice.pk})


@pytest.mark.django_db
@pytest.mark.usefixtures("month_end", "as_system")
class TestCredit:
    def test_gives_everything_back_once(self, acme, billing_clerk):
        invoice = make.invoice(acme)
        note = services.credit_invoice(invoice.public_id, by=billing_clerk, reason="Wrong client")
        assert (note.number, note.name, note.total) == (1001, "CN-1001", invoice.total)
        with pytest.raises(Refused) as refusal:
            services.credit_invoice(invoice.public_id, by=billing_clerk, reason="Again")
        assert refusal.value.code == "credited"

    def test_gives_a_part_back_and_never_more_than_the_line(self, acme):
        invoice = make.invoice(acme)
        line = InvoiceLine.objects.get()
        note = services.credit_invoice(
            invoice.public_id, by=BY, reason="Half", amounts={line.public_id: Decimal("75.00")}
        )
        assert (note.net, note.tax, note.total) == (75, Decimal("17.25"), Decimal("92.25"))
        for wrong in ("75.01", "-1", "0.001", "0"):
            with pytest.raises(BadInput):
                services.credit_invoice(
                    invoice.public_id, by=BY, reason="x", amounts={line.public_id: Decimal(wrong)}
                )
        rest = services.credit_invoice(invoice.public_id, by=BY, reason="The rest")
        assert (rest.number, rest.net) == (1002, 75)

    def test_credits_once_for_a_form_sent_twice(self, acme):
        invoice = make.invoice(acme)
        line = InvoiceLine.objects.get()
        notes = {
            services.credit_invoice(
                invoice.public_id, by=BY, reason="x", token="form-1",
                amounts={line.public_id: Decimal(10)},
            ).pk
            for _ in range(2)
        }  # fmt: skip
        assert len(notes) == CreditNote.objects.count() == 1

    def test_the_database_gives_no_line_back_twice(self, acme):
        invoice = make.invoice(acme)
        services.credit_invoice(invoice.public_id, by=BY, reason="All")
        line = InvoiceLine.objects.get()
        note = CreditNote.objects.create(client=acme, invoice=invoice, reason="x", currency="EUR")
        with (
            pytest.raises(IntegrityError, match="too much"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(
                "INSERT INTO billing_creditnoteline (public_id, client_id, credit_note_id, "
                "invoice_line_id, position, description, amount, tax_ratio) "
                "VALUES (gen_random_uuid(), %s, %s, %s, 1, 'x', 1, 0.23)",
                [acme.pk, note.pk, line.pk],
            )

    def test_refuses_a_draft_and_a_stranger(self, acme, stranger, technician):
        draft = make.invoice(acme, post=False)
        with pytest.raises(Refused):
            services.credit_invoice(draft.public_id, by=BY, reason="x")
        with acting_as(stranger), pytest.raises(NotVisible):
            services.credit_invoice(draft.public_id, by=stranger, reason="x")
        with acting_as(technician), pytest.raises(NotAllowed):
            services.credit_invoice(draft.public_id, by=technician, reason="x")

    def test_is_frozen_too(self, acme):
        note = services.credit_invoice(make.invoice(acme).public_id, by=BY, reason="All")
        with (
            pytest.raises(IntegrityError, match="posted"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute("DELETE FROM billing_creditnote WHERE id = %s", [note.pk])


@pytest.mark.django_db
@pytest.mark.usefixtures("month_end", "as_system")
class TestTelling:
    def test_mails_the_invoice_address_once(self, acme):
        make.invoice(acme)
        events.deliver_all()
        note = Notification.objects.get(subject__startswith="Invoice")
        assert note.address == "accounts@acme.example"
        assert "INV-1001" in note.subject
        assert "€184.50" in note.body
        assert note.client_id == acme.pk

    def test_mails_the_billing_contacts_where_there_is_no_address(self, acme, bookkeeper, contact):
        make.profile(acme, email="")
        invoice = make.invoice(acme)
        events.deliver_all()
        services.credit_invoice(invoice.public_id, by=BY, reason="Goodwill")
        events.deliver_all()
        told = Notification.objects.filter(channel="email").order_by("pk")
        assert [row.address for row in told] == ["bea@acme.example"] * 2
        assert str(invoice.public_id) in told[0].url
        assert "Goodwill" in told[1].body


def _at_once(*works) -> list[Exception]:
    start = threading.Barrier(len(works))
    failed: list[Exception] = []

    def run(work) -> None:
        try:
            with acting_as(SystemPrincipal("worker")), clock.at(MONTH_END):
                start.wait()
                work()
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


@pytest.mark.django_db(transaction=True)
def test_ten_runs_at_once_post_one_invoice():
    with acting_as(BY), clock.at(MONTH_END):
        acme = client_factories.client("Acme")
        make.invoice(acme, post=False)
    failed = _at_once(
        *[lambda: services.post_invoice(acme.pk, period=NOVEMBER, by=BY) for _ in range(10)]
    )
    assert failed == []
    with acting_as(BY):
        assert [row.number for row in Invoice.objects.all()] == [1001]
        assert InvoiceLine.objects.count() == 1
    assert Delivery.objects.filter(event="billing.events.InvoicePosted").count() == 2


@pytest.mark.django_db(transaction=True)
def test_eight_clients_posted_at_once_get_numbers_without_a_gap():
    with acting_as(BY), clock.at(MONTH_END):
        drafts = [make.invoice(client_factories.client(f"Client{n}"), post=False) for n in range(8)]

    def fails() -> None:
        with transaction.atomic():
            services.post_draft(drafts[0].public_id, by=BY)
            raise RuntimeError

    works = [
        lambda draft=draft: services.post_draft(draft.public_id, by=BY) for draft in drafts[1:]
    ]
    failed = _at_once(fails, *works)
    assert [type(error) for error in failed] == [RuntimeError]
    with acting_as(BY):
        services.post_draft(drafts[0].public_id, by=BY)
        numbers = sorted(Invoice.objects.values_list("number", flat=True))
    assert numbers == list(range(1001, 1009))
