"""Pages of billing: who sees what, how much they ask the database, and the way to an invoice."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from django.test import Client as Browser
from django.urls import reverse

from billing import selectors, services
from billing.enums import DraftLineState, InvoiceState
from billing.models import (
    BillingProfile,
    ContractLine,
    CreditNote,
    DraftLine,
    Invoice,
    PriceVersion,
)
from msp.core import clock, events
from msp.core.models import User
from tests.factories import billing as make
from tests.factories import clients as client_factories
from tests.factories import core as core_factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("month_end", "as_system")]
BY = make.MAKER


def browser_of(user: User) -> Browser:
    browser = Browser()
    browser.force_login(user)
    return browser


@pytest.fixture
def clerk(billing_clerk: User) -> Browser:
    return browser_of(billing_clerk)


def _text(answer) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


class TestTheWay:
    def test_leads_from_approved_time_to_a_pdf(self, acme, clerk, profile):
        make.price("120", work_type="onsite")
        make.approved(acme, 75)
        events.deliver_all()
        listed = _text(clerk.get(reverse("billing:invoices")))
        ready_url = reverse("billing:ready", args=[acme.public_id, "2026-11"])
        assert ready_url in listed
        page = _text(clerk.get(ready_url))
        assert "Disk is full" in page
        assert "€150.00" in page
        answer = clerk.post(reverse("billing:draft", args=[acme.public_id, "2026-11"]))
        invoice = Invoice.objects.get()
        assert answer.headers["Location"] == reverse("billing:invoice", args=[invoice.public_id])
        draft = _text(clerk.get(answer.headers["Location"]))
        assert "€184.50" in draft
        assert "with posting" in draft
        clerk.post(reverse("billing:post", args=[invoice.public_id]))
        events.deliver_all()
        posted = _text(clerk.get(answer.headers["Location"]))
        assert "INV-1001" in posted
        pdf_url = reverse("billing:invoice-pdf", args=[invoice.public_id])
        assert pdf_url in posted
        download = clerk.get(pdf_url)
        assert download.headers["Content-Type"] == "application/pdf"
        assert download.headers["Content-Disposition"] == 'attachment; filename="INV-1001.pdf"'
        assert download.content.startswith(b"%PDF-")

    def test_opens_each_line_to_its_evidence(self, acme, managed, clerk, profile):
        make.price("120", work_type="onsite")
        line = make.draft_line(acme, 75, note="Cleaned the log")
        make.contract_line(managed)
        services.draft_month(managed.pk, period=make.NOVEMBER, by=BY)
        invoice = services.post_invoice(acme.pk, period=make.NOVEMBER, by=BY)
        page = _text(clerk.get(reverse("billing:invoice", args=[invoice.public_id])))
        ticket_url = reverse("tickets:detail", args=[line.evidence["ticket"]])
        for part in (ticket_url, "Wes Worker", "1 h 15 min", "not listed", "Cleaned the log",
                     "1 month", "1 Nov 2026 – 30 Nov 2026", "price book since"):  # fmt: skip
            assert part in page, part

    def test_shows_exceptions_first_and_does_not_offer_to_draft(self, acme, clerk, profile):
        rival = client_factories.client("Zeta")
        make.draft_line(rival)
        make.price(work_type="onsite")
        make.draft_line(acme)
        listed = _text(clerk.get(reverse("billing:invoices")))
        assert listed.index("Zeta") < listed.index("Acme")
        assert "1 without a price" in listed
        page = _text(clerk.get(reverse("billing:ready", args=[rival.public_id, "2026-11"])))
        assert "No price for on site work in EUR" in page
        assert reverse("billing:draft", args=[rival.public_id, "2026-11"]) not in page

    def test_says_why_a_draft_is_refused(self, acme, clerk, profile):
        make.draft_line(acme)
        answer = clerk.post(reverse("billing:draft", args=[acme.public_id, "2026-11"]), follow=True)
        assert "Some lines have no amount yet" in _text(answer)
        assert not Invoice.objects.exists()

    def test_leaves_a_line_out_and_takes_it_back(self, acme, clerk, profile):
        make.price(work_type="onsite")
        line = make.draft_line(acme)
        url = reverse("billing:line-drop", args=[line.public_id])
        clerk.post(url, {"reason": "Goodwill"})
        line.refresh_from_db()
        assert line.state == DraftLineState.DROPPED
        page = _text(clerk.get(reverse("billing:ready", args=[acme.public_id, "2026-11"])))
        assert "Goodwill" in page
        clerk.post(url)
        line.refresh_from_db()
        assert line.state == DraftLineState.DRAFT

    def test_discards_a_draft(self, acme, clerk):
        invoice = make.invoice(acme, post=False)
        clerk.post(reverse("billing:discard", args=[invoice.public_id]))
        assert not Invoice.objects.exists()

    def test_has_the_fees_of_a_month_prepared_by_the_worker(
        self, managed, clerk, billing_clerk, monkeypatch
    ):
        make.contract_line(managed)
        sent = []
        monkeypatch.setattr("billing.views.invoices.enqueue", lambda *args: sent.append(args))
        clerk.post(reverse("billing:prepare"), {"period": "2026-11-01"})
        assert sent == [("billing.prepare_month", "2026-11-01", billing_clerk.pk)]
        from billing.tasks import prepare_month

        assert prepare_month(*sent[0][1:]) == 1
        assert DraftLine.objects.get().amount == 900

    def test_calls_no_month_ready_whose_fees_are_missing(
        self, acme, managed, clerk, billing_clerk, profile
    ):
        make.contract_line(managed)
        make.price("120", work_type="onsite")
        make.draft_line(acme)
        listed, page = (
            reverse("billing:invoices"),
            reverse("billing:ready", args=[acme.public_id, "2026-11"]),
        )
        assert "Month is running" in _text(clerk.get(listed))
        clock.advance(timedelta(days=2))
        assert "Monthly fees missing" in _text(clerk.get(listed))
        assert "Monthly fees of this client are not in yet." in _text(clerk.get(page))
        services.draft_month(managed.pk, period=date(2026, 11, 1), by=BY)
        assert "Monthly fees missing" not in _text(clerk.get(listed))
        assert "are not in yet" not in _text(clerk.get(page))

    def test_asks_for_no_fee_outside_contract_and_line(self, acme, managed, billing_clerk):
        make.contract_line(managed, starts_on=date(2026, 12, 1))
        assert selectors.clients_without_fees(billing_clerk, date(2026, 11, 1)) == set()
        assert selectors.clients_without_fees(billing_clerk, date(2026, 12, 1)) == {acme.pk}

    def test_writes_a_fee_into_its_form_as_people_write_it(self, managed, clerk):
        line = make.contract_line(managed, "1480")
        page = _text(clerk.get(reverse("billing:contract-line-change", args=[line.public_id])))
        assert 'value="1480.00"' in page

    def test_gives_back_a_part_from_the_page(self, acme, clerk):
        invoice = make.invoice(acme)
        url = reverse("billing:credit", args=[invoice.public_id])
        form = clerk.get(url).context["form"]
        (field,) = set(form.fields) - {"reason", "token"}
        sent = {"reason": "Half", "token": form.initial["token"], field: "200"}
        assert clerk.post(url, sent).status_code == 422
        for _ in range(2):
            assert clerk.post(url, sent | {field: "75"}).status_code == 302
        note = CreditNote.objects.get()
        assert note.net == 75
        page = _text(clerk.get(reverse("billing:invoice", args=[invoice.public_id])))
        assert "CN-1001" in page
        shown = _text(clerk.get(reverse("billing:credit-note", args=[note.public_id])))
        assert "Half" in shown

    def test_waits_for_the_pdf_with_a_button_to_try_again(self, acme, clerk):
        invoice = make.invoice(acme)
        page = _text(clerk.get(reverse("billing:invoice", args=[invoice.public_id])))
        assert "The PDF is waiting" in page
        retry = reverse("billing:pdf-retry", args=[invoice.public_id])
        assert retry in page
        assert clerk.post(retry).status_code == 302
        assert (
            clerk.get(reverse("billing:invoice-pdf", args=[invoice.public_id])).status_code == 409
        )


class TestForms:
    def test_sets_a_price_and_withdraws_it(self, clerk):
        answer = clerk.post(
            reverse("billing:price-new"),
            {"work_type": "onsite", "price_per_hour": "120", "currency": "eur",
             "valid_from": "2026-11-01", "increment_minutes": "15", "minimum_minutes": "0"},
        )  # fmt: skip
        assert answer.status_code == 302
        version = PriceVersion.objects.get()
        assert "€120.00" in _text(clerk.get(reverse("billing:prices")))
        clerk.post(reverse("billing:price-withdraw", args=[version.public_id]), {"reason": "Typo"})
        version.refresh_from_db()
        assert version.withdrawn_at is not None

    def test_marks_the_price_that_holds_those_to_come_and_those_past(self, clerk):
        for amount, day in (("100", "2026-01-01"), ("110", "2026-06-01"), ("130", "2027-01-01")):
            make.price(amount, valid_from=date.fromisoformat(day))
        page = _text(clerk.get(reverse("billing:prices")))
        assert page.index("€130.00") < page.index("To come") < page.index("€110.00")
        assert (
            page.index("€110.00") < page.index("Holds") < page.index("€100.00") < page.index("Past")
        )

    def test_shows_what_is_wrong_with_422(self, clerk):
        answer = clerk.post(reverse("billing:price-new"), {"work_type": "onsite"})
        assert answer.status_code == 422
        answer = clerk.post(
            reverse("billing:price-new"),
            {"work_type": "onsite", "price_per_hour": "1", "currency": "12",
             "valid_from": "2026-11-01", "increment_minutes": "15", "minimum_minutes": "0"},
        )  # fmt: skip
        assert answer.status_code == 422
        assert "Three letters" in _text(answer)

    def test_sets_a_profile_with_the_tax_in_per_cent(self, acme, clerk):
        url = reverse("billing:profile", args=[acme.public_id])
        sent = {
            "invoice_name": "Acme Ltd",
            "address": "Quay",
            "tax_percent": "13.5",
            "payment_days": "14",
        }
        assert clerk.post(url, sent).status_code == 302
        profile = BillingProfile.objects.get()
        assert str(profile.tax_ratio) == "0.135000"
        assert 'value="13.5"' in _text(clerk.get(url))

    def test_charges_under_a_contract_changes_and_ends_it(self, acme, managed, clerk):
        url = reverse("billing:contract-line-new", args=[managed.public_id])
        sent = {"name": "Managed workplace", "kind": "flat", "amount": "900",
                "starts_on": "2026-01-01", "increment_minutes": "15",
                "minimum_minutes": "0"}  # fmt: skip
        assert clerk.post(url, sent).status_code == 302
        assert clerk.post(url, sent).status_code == 422
        line = ContractLine.objects.get()
        change = reverse("billing:contract-line-change", args=[line.public_id])
        clerk.post(change, {"amount": "950", "from_on": "2026-12-01"})
        newest = ContractLine.objects.latest("starts_on")
        clerk.post(
            reverse("billing:contract-line-end", args=[newest.public_id]), {"ends_on": "2026-12-31"}
        )
        newest.refresh_from_db()
        assert (newest.amount, str(newest.ends_on)) == (950, "2026-12-31")
        clerk.post(
            reverse("billing:contract-line-withdraw", args=[newest.public_id]), {"reason": "Typo"}
        )
        page = _text(clerk.get(reverse("billing:client", args=[acme.public_id])))
        assert "€900.00 a month" in page
        assert "€950.00" not in page

    def test_agrees_a_price(self, acme, clerk):
        clerk.post(
            reverse("billing:client-price-new", args=[acme.public_id]),
            {"work_type": "onsite", "price_per_hour": "90", "starts_on": "2026-11-01",
             "increment_minutes": "1", "minimum_minutes": "0"},
        )  # fmt: skip
        assert make.draft_line(acme, 60).amount == 90

    def test_gives_htmx_the_panel_of_the_clients_page_alone(self, acme, clerk, profile):
        url = reverse("billing:client", args=[acme.public_id])
        panel = clerk.get(url, headers={"HX-Request": "true"}).content
        assert b"<html" not in panel
        assert b"Acme Ltd" in panel


class TestWhoSees:
    @pytest.fixture
    def pages(self, acme) -> list[str]:
        invoice = make.invoice(acme)
        note = services.credit_invoice(invoice.public_id, by=BY, reason="x")
        events.deliver_all()
        one = [invoice.public_id]
        return [
            *(reverse(f"portal:{name}", args=one) for name in ("invoice", "invoice-pdf")),
            reverse("portal:credit-note-pdf", args=[note.public_id]),
            *(reverse(f"billing-api:{name}", args=one) for name in ("invoice", "invoice-pdf")),
        ]

    def test_those_who_pay_the_bills_see_their_invoices(self, pages, bookkeeper):
        browser = browser_of(bookkeeper)
        assert [browser.get(page).status_code for page in pages] == [200] * 5
        page = _text(browser.get(reverse("portal:invoices")))
        assert "INV-1001" in page

    def test_they_see_days_and_minutes_but_not_what_colleagues_wrote(self, acme, bookkeeper):
        invoice = make.invoice(acme, note="The client is slow")
        browser = browser_of(bookkeeper)
        page = _text(browser.get(reverse("portal:invoice", args=[invoice.public_id])))
        assert "1 h 15 min" in page
        assert "24 Nov 2026, 11:00" in page
        assert "The client is slow" not in page
        api = browser.get(reverse("billing-api:invoice", args=[invoice.public_id])).json()
        assert "note" not in api["lines"][0]["evidence"]

    @pytest.mark.parametrize("who", ["stranger", "contact"])
    def test_a_stranger_and_an_employee_find_nothing(self, pages, who, request):
        browser = browser_of(request.getfixturevalue(who))
        assert [browser.get(page).status_code for page in pages] == [404] * 5

    def test_an_employee_has_no_list_either_and_no_way_to_it(self, pages, contact, bookkeeper):
        url = reverse("portal:invoices")
        assert browser_of(contact).get(url).status_code == 404
        home = reverse("portal:home")
        assert f'href="{url}"' not in _text(browser_of(contact).get(home))
        assert f'href="{url}"' in _text(browser_of(bookkeeper).get(home))

    def test_nobody_outside_sees_a_draft(self, acme, bookkeeper):
        draft = make.invoice(acme, post=False)
        browser = browser_of(bookkeeper)
        assert browser.get(reverse("portal:invoice", args=[draft.public_id])).status_code == 404
        api = reverse("billing-api:invoice", args=[draft.public_id])
        assert browser.get(api).status_code == 404
        assert browser.get(reverse("billing-api:invoices")).json()["results"] == []

    def test_a_technician_is_refused(self, acme, technician):
        invoice = make.invoice(acme)
        browser = browser_of(technician)
        for page in (
            reverse("billing:invoices"),
            reverse("billing:invoice", args=[invoice.public_id]),
            reverse("billing:invoice-pdf", args=[invoice.public_id]),
            reverse("billing:prices"),
            reverse("billing:client", args=[acme.public_id]),
            reverse("billing-api:invoices"),
        ):
            assert browser.get(page).status_code == 403, page

    def test_who_bills_some_clients_sees_those_alone(self, acme, db):
        rival = client_factories.client("Rival")
        mine, other = make.invoice(rival), make.invoice(acme)
        person = core_factories.staff("technician", email="both@msp.example")
        core_factories.Grant.objects.create(
            user=person, role=core_factories.role("billing_clerk"), scope="set",
            client_ids=[rival.pk],
        )  # fmt: skip
        browser = browser_of(person)
        page = _text(browser.get(reverse("billing:invoices")))
        assert (mine.name in page, other.name in page) == (True, False)
        assert browser.get(reverse("billing:invoice", args=[other.public_id])).status_code == 404
        api = browser.get(reverse("billing-api:invoices")).json()["results"]
        assert [row["name"] for row in api] == [mine.name]

    def test_hostile_text_stays_text(self, acme, clerk, bookkeeper):
        invoice = make.invoice(acme, subject='<script>alert(1)</script>{% now "Y" %}')
        for browser, name in (
            (clerk, "billing:invoice"),
            (browser_of(bookkeeper), "portal:invoice"),
        ):
            page = browser.get(reverse(name, args=[invoice.public_id])).content.decode()
            assert "<script>alert(1)" not in page
            assert "&lt;script&gt;alert(1)" in page
            assert "{% now" in page


class TestApi:
    def test_drafts_posts_and_credits(self, acme, clerk, profile):
        make.price(work_type="onsite")
        make.draft_line(acme)
        rows = clerk.get(reverse("billing-api:draft-lines")).json()["results"]
        assert [row["amount"] for row in rows] == ["150.0000"]
        made = clerk.post(
            reverse("billing-api:invoices"),
            {"client": str(acme.public_id), "period": "2026-11-15"},
            content_type="application/json",
        )
        assert made.status_code == 201
        assert made.json()["number"] is None
        public_id = made.json()["id"]
        posted = clerk.post(reverse("billing-api:post", args=[public_id])).json()
        assert (posted["name"], posted["total"]) == ("INV-1001", "184.5000")
        again = clerk.post(reverse("billing-api:post", args=[public_id])).json()
        assert again["number"] == posted["number"]
        line = posted["lines"][0]
        assert line["evidence"]["minutes"] == 75
        credit = reverse("billing-api:credit", args=[public_id])
        answer = clerk.post(
            credit,
            {"reason": "Half", "amounts": {line["id"]: "75.00"}},
            content_type="application/json",
        )
        assert (answer.status_code, answer.json()["total"]) == (201, "92.2500")
        wrong = clerk.post(
            credit, {"reason": "x", "amounts": {"no": "1"}}, content_type="application/json"
        )
        assert wrong.status_code == 422
        rest = clerk.post(credit, {"reason": "Rest"}, content_type="application/json")
        assert rest.status_code == 201
        refused = clerk.post(credit, {"reason": "More"}, content_type="application/json")
        assert (refused.status_code, refused.json()["code"]) == (409, "credited")

    def test_a_stranger_cannot_tell_a_foreign_invoice_from_an_absent_one(self, acme, stranger):
        invoice = make.invoice(acme)
        browser = browser_of(stranger)
        absent = "00000000-0000-4000-8000-000000000000"
        for name in ("invoice", "invoice-pdf"):
            foreign = browser.get(reverse(f"billing-api:{name}", args=[invoice.public_id]))
            nothing = browser.get(reverse(f"billing-api:{name}", args=[absent]))
            assert (foreign.status_code, foreign.content) == (404, nothing.content)
        for name in ("post", "credit"):
            url = reverse(f"billing-api:{name}", args=[invoice.public_id])
            assert browser.post(url, {}, content_type="application/json").status_code == 404
        sent = {"client": str(acme.public_id), "period": "2026-11-15"}
        made = browser.post(reverse("billing-api:invoices"), sent, content_type="application/json")
        assert made.status_code == 404

    def test_lists_by_state(self, acme, clerk):
        make.invoice(acme)
        make.invoice(client_factories.client("Rival"), post=False)
        url = reverse("billing-api:invoices")
        assert len(clerk.get(url).json()["results"]) == 2
        drafts = clerk.get(url, {"state": InvoiceState.DRAFT}).json()["results"]
        assert [row["client"]["name"] for row in drafts] == ["Rival"]


class TestQueries:
    """A list asks as often for thirty rows as for three."""

    def _counts(self, count, get) -> int:
        get()  # fills what is cached for seconds: the figures in the navigation
        with count() as queries:
            answer = get()
        assert answer.status_code == 200
        return len(queries)

    @pytest.fixture
    def count(self):
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        return lambda: CaptureQueriesContext(connection)

    def test_of_invoices_staff_portal_and_api(self, acme, clerk, bookkeeper, count):
        portal = browser_of(bookkeeper)
        pages = [
            lambda: clerk.get(reverse("billing:invoices")),
            lambda: portal.get(reverse("portal:invoices")),
            lambda: clerk.get(reverse("billing-api:invoices")),
            lambda: clerk.get(reverse("billing:client", args=[acme.public_id])),
        ]

        def fill(first: int, last: int) -> None:
            for number in range(first, last):
                make.invoice(acme, minutes=10)
                other = client_factories.client(f"C{number}")
                make.invoice(other, post=False)
                make.draft_line(other)

        fill(0, 3)
        few = [self._counts(count, page) for page in pages]
        fill(3, 30)
        many = [self._counts(count, page) for page in pages]
        assert few == many

    def test_of_lines(self, acme, clerk, bookkeeper, profile, count):
        portal = browser_of(bookkeeper)
        make.price(work_type="onsite")

        def pages(lines: int) -> list[int]:
            for _ in range(lines):
                make.draft_line(acme, 10)
            ready = reverse("billing:ready", args=[acme.public_id, "2026-11"])
            counts = [
                self._counts(count, lambda: clerk.get(ready)),
                self._counts(count, lambda: clerk.get(reverse("billing-api:draft-lines"))),
            ]
            draft = services.draft_invoice(acme.pk, period=make.NOVEMBER, by=BY)
            url = reverse("billing:invoice", args=[draft.public_id])
            counts.append(self._counts(count, lambda: clerk.get(url)))
            services.post_draft(draft.public_id, by=BY)
            counts.append(self._counts(count, lambda: clerk.get(url)))
            own = reverse("portal:invoice", args=[draft.public_id])
            counts.append(self._counts(count, lambda: portal.get(own)))
            return counts

        assert pages(3) == pages(30)


class TestLive:
    """Open screens fetch a part of the page when something changed."""

    def test_the_list_and_an_invoice_give_their_part_alone(self, acme, clerk):
        invoice = make.invoice(acme)
        for url in (
            reverse("billing:invoices"),
            reverse("billing:invoice", args=[invoice.public_id]),
        ):
            part = clerk.get(url, headers={"HX-Request": "true"}).content.decode()
            assert "<html" not in part
            assert "INV-1001" in part
            assert "{%" not in part

    def test_hints_at_the_client_when_a_line_comes_and_when_an_invoice_is_posted(
        self, acme, profile, monkeypatch
    ):
        told = []
        monkeypatch.setattr(
            "msp.core.live.touch",
            lambda topic, public_id, *, client_id: told.append((topic, public_id, client_id)),
        )
        make.price(work_type="onsite")
        make.draft_line(acme)
        services.post_invoice(acme.pk, period=make.NOVEMBER, by=BY)
        mine = [hint for hint in told if hint[0] == "invoices"]
        assert set(mine) == {("invoices", str(acme.public_id), acme.pk)}
        assert len(mine) == 3  # the line, its draft, the posting
