"""Pages of clients, people, contracts and hours: who sees what, and what a form does."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from clients import services
from clients.models import Calendar, Client, Contact, Contract, Site, SlaPolicy
from msp.core import clock, panels
from msp.core.models import User
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories import clients as make
from tests.factories import core as make_core

SYSTEM = SystemPrincipal("tests")


def browser(user: User) -> Browser:
    signed_in = Browser()
    signed_in.force_login(user)
    return signed_in


@pytest.fixture
def acme(db: None) -> Client:
    owner = make.client("Acme", zone="Europe/Dublin")
    make.site(owner)
    make.contact(owner, email="cora@acme.example")
    make.contract(owner)
    with acting_as(SYSTEM):
        services.ensure_defaults(by=SYSTEM)
    return owner


def every_page(owner: Client) -> list[str]:
    """Return the address of each page that shows something of this client."""
    with acting_as(SYSTEM):
        site, contact = Site.objects.get(client=owner), Contact.objects.get(client=owner)
        contract = Contract.objects.get(client=owner)
    names = {
        owner: ["detail", "edit", "merge", "sites", "site-new", "contacts", "contact-new"],
        site: ["site"],
        contact: ["contact", "contact-edit"],
        contract: ["contract"],
    }
    names[owner].append("contract-new")
    return [
        reverse(f"clients:{name}", args=[row.public_id])
        for row, many in names.items()
        for name in many
    ]


def shared_pages() -> list[str]:
    calendar, policy = Calendar.objects.get(is_default=True), SlaPolicy.objects.get(is_default=True)
    plain = ["list", "new", "contracts", "policies", "policy-new", "calendars", "calendar-new"]
    return [
        *(reverse(f"clients:{name}") for name in [*plain, "priorities"]),
        reverse("clients:calendar", args=[calendar.public_id]),
        reverse("clients:calendar-version", args=[calendar.public_id]),
        reverse("clients:policy", args=[policy.public_id]),
        reverse("clients:policy-version", args=[policy.public_id]),
    ]


@pytest.fixture
def administrator(db: None) -> User:
    return make_core.staff("administrator", email="root@msp.example", name="Ann Admin")


def test_every_page_opens_for_an_administrator(acme, administrator) -> None:
    signed_in = browser(administrator)
    for url in [*every_page(acme), *shared_pages()]:
        response = signed_in.get(url)
        assert response.status_code == 200, url
        for trace in (b"{{", b"{%", b"style="):
            assert trace not in response.content, url


def test_a_stranger_finds_none_of_it(acme, stranger) -> None:
    signed_in = browser(stranger)
    nothing = signed_in.get(reverse("clients:detail", args=[uuid.uuid4()]))
    for url in [*every_page(acme), *shared_pages()]:
        response = signed_in.get(url)
        assert (response.status_code, response.content) == (404, nothing.content), url


def test_staff_for_another_client_find_none_of_it(acme) -> None:
    rival = make.client("Rival")
    some = make_core.staff(
        "administrator", email="s@msp.example", scope="set", client_ids=[rival.pk]
    )
    signed_in = browser(some)
    nothing = signed_in.get(reverse("clients:detail", args=[uuid.uuid4()]))
    for url in every_page(acme):
        response = signed_in.get(url)
        assert (response.status_code, response.content) == (404, nothing.content), url
    assert b"Acme" not in signed_in.get(reverse("clients:list")).content
    assert b"Managed" not in signed_in.get(reverse("clients:contracts")).content


def test_staff_for_one_client_see_just_that_one(acme) -> None:
    make.client("Rival")
    some = make_core.staff("technician", email="s@msp.example", scope="set", client_ids=[acme.pk])
    signed_in = browser(some)
    page = signed_in.get(reverse("clients:list")).content
    assert b"Acme" in page
    assert b"Rival" not in page
    assert b"New client" not in page
    posted = signed_in.post(reverse("clients:new"), client_fields(name="Birch"))
    assert posted.status_code == 403


def test_the_billing_clerk_reads_and_does_not_change(acme, billing_clerk) -> None:
    signed_in = browser(billing_clerk)
    detail = signed_in.get(reverse("clients:detail", args=[acme.public_id]))
    assert detail.status_code == 200
    assert reverse("clients:edit", args=[acme.public_id]).encode() not in detail.content
    for name in ("edit", "contact-new", "contract-new", "merge"):
        assert signed_in.get(reverse(f"clients:{name}", args=[acme.public_id])).status_code == 403


def test_a_technician_changes_people_but_no_contract(acme, technician) -> None:
    signed_in = browser(technician)
    with acting_as(SYSTEM):
        contract = Contract.objects.get(client=acme)
    end = reverse("clients:contract-end", args=[contract.public_id])
    assert signed_in.post(end, {"ends_on": "2026-12-31"}).status_code == 403
    url = reverse("clients:contact-new", args=[acme.public_id])
    posted = signed_in.post(url, {"name": "Ada", "email": "ada@acme.example", "roles": ["vip"]})
    with acting_as(SYSTEM):
        made = Contact.objects.get(email="ada@acme.example")
    assert posted.headers["Location"] == reverse("clients:contact", args=[made.public_id])
    assert made.roles == ["vip"]


def client_fields(**changed: Any) -> dict[str, Any]:
    start = {"name": "Birch", "state": "active", "zone": "Europe/Dublin", "country": "ie"}
    return start | {"currency": "eur", "email_domains": "birch.example, birch.test"} | changed


def test_adds_a_client_by_form(technician) -> None:
    posted = browser(technician).post(reverse("clients:new"), client_fields())
    with acting_as(SYSTEM):
        made = Client.objects.get(name="Birch")
    assert posted.headers["Location"] == reverse("clients:detail", args=[made.public_id])
    assert (made.country, made.currency) == ("IE", "EUR")
    assert made.email_domains == ["birch.example", "birch.test"]


def test_what_the_service_refuses_stands_at_its_field(acme, technician) -> None:
    signed_in = browser(technician)
    response = signed_in.post(reverse("clients:new"), client_fields(zone="Europe/Atlantis"))
    assert response.status_code == 422
    assert "Europe/Atlantis" in response.context["form"].errors["zone"][0]
    again = {"name": "Cora 2", "email": "CORA@acme.example"}
    response = signed_in.post(reverse("clients:contact-new", args=[acme.public_id]), again)
    assert response.status_code == 422
    assert "contact with this address" in response.context["form"].errors["email"][0]


def test_a_site_of_another_client_is_no_choice(acme, technician) -> None:
    foreign = make.site(make.client("Rival"))
    response = browser(technician).post(
        reverse("clients:contact-new", args=[acme.public_id]),
        {"name": "Ada", "email": "ada@acme.example", "site": foreign.public_id},
    )
    assert response.status_code == 422
    assert "site" in response.context["form"].errors


def test_archives_and_restores_by_one_click(acme, technician) -> None:
    signed_in = browser(technician)
    with acting_as(SYSTEM):
        contact, site = Contact.objects.get(client=acme), Site.objects.get(client=acme)
    for name, row in (("contact-archive", contact), ("site-archive", site)):
        url = reverse(f"clients:{name}", args=[row.public_id])
        signed_in.post(url)
        row.refresh_from_db()
        assert row.archived_at is not None
        signed_in.post(url)
        row.refresh_from_db()
        assert row.archived_at is None


def test_invites_from_the_contacts_page(acme, technician) -> None:
    with acting_as(SYSTEM):
        contact = Contact.objects.get(client=acme)
    url = reverse("clients:contact-invite", args=[contact.public_id])
    page = browser(technician).post(url, follow=True)
    assert b"An invitation is on its way" in page.content
    assert b"Signs in as cora@acme.example" in page.content
    withdraw = reverse("clients:contact-withdraw", args=[contact.public_id])
    assert b"No sign-in" in browser(technician).post(withdraw, follow=True).content


def test_a_merged_clients_page_leads_to_the_survivor_who_can_undo_it(acme, administrator) -> None:
    birch = make.client("Birch")
    signed_in = browser(administrator)
    form = reverse("clients:merge", args=[birch.public_id])
    assert signed_in.post(form, {"into": acme.public_id}).status_code == 422  # why is asked
    merged = signed_in.post(form, {"into": acme.public_id, "reason": "bought"})
    survivor = reverse("clients:detail", args=[acme.public_id])
    assert merged.headers["Location"] == survivor
    assert (
        signed_in.get(reverse("clients:detail", args=[birch.public_id])).headers["Location"]
        == survivor
    )
    undo = reverse("clients:unmerge", args=[birch.public_id])
    assert undo.encode() in signed_in.get(survivor).content
    signed_in.post(undo)
    assert signed_in.get(reverse("clients:detail", args=[birch.public_id])).status_code == 200


def test_a_refused_merge_stands_on_the_form(acme, administrator) -> None:
    birch, cedar = make.client("Birch"), make.client("Cedar")
    with acting_as(SYSTEM):
        services.merge_clients(birch.pk, into=cedar.pk, by=SYSTEM)
    response = browser(administrator).post(
        reverse("clients:merge", args=[birch.public_id]),
        {"into": acme.public_id, "reason": "again"},
    )
    assert response.status_code == 409
    assert b"is merged already" in response.content


def test_panels_of_higher_apps_are_fetched_into_the_page(acme, technician, monkeypatch) -> None:
    monkeypatch.setattr(panels, "_panels", {})
    panels.register("client", panels.Panel("here", "Here", "clients:sites", 1, "clients.view"))
    panels.register("client", panels.Panel("no", "Hidden", "clients:sites", 2, "core.users"))
    page = browser(technician).get(reverse("clients:detail", args=[acme.public_id])).content
    url = reverse("clients:sites", args=[acme.public_id])
    assert f'hx-get="{url}" hx-trigger="load"'.encode() in page
    assert b"Hidden" not in page


# ------------------------------------------------------------------------------------ contracts


def contract_fields(**changed: Any) -> dict[str, Any]:
    rules: dict[str, Any] = {"rules-TOTAL_FORMS": "3", "rules-INITIAL_FORMS": "0"}
    for index, (clause, order) in enumerate([("second", "2"), ("first", "1"), ("", "")]):
        row = {
            "work_type": "any",
            "hours": "any",
            "covered": "no",
            "clause": clause,
            "ORDER": order,
        }
        rules |= {f"rules-{index}-{name}": value for name, value in row.items()}
    start = {"name": "Managed", "starts_on": "2026-01-01", "notice_days": "90"}
    start |= {
        "policy": SlaPolicy.objects.get(is_default=True).public_id,
        "calendar": Calendar.objects.get(is_default=True).public_id,
        "whose_hours": "contract",
    }
    return rules | start | changed


def test_drafts_a_contract_with_its_rules_in_order(acme, service_manager) -> None:
    signed_in = browser(service_manager)
    new = reverse("clients:contract-new", args=[acme.public_id])
    posted = signed_in.post(new, contract_fields(name="Draft"))
    with acting_as(SYSTEM):
        contract = Contract.objects.get(name="Draft")
    assert posted.headers["Location"] == reverse("clients:contract", args=[contract.public_id])
    assert [rule["clause"] for rule in contract.coverage] == ["first", "second"]
    assert contract.coverage[0]["covered"] is False
    edit = reverse("clients:contract-edit", args=[contract.public_id])
    assert signed_in.get(edit).status_code == 200
    removed = {"rules-0-DELETE": "on", "rules-INITIAL_FORMS": "2"}
    signed_in.post(edit, contract_fields(**removed))
    contract.refresh_from_db()
    assert [rule["clause"] for rule in contract.coverage] == ["first"]
    signed_in.post(reverse("clients:contract-activate", args=[contract.public_id]))
    contract.refresh_from_db()
    assert contract.state == "active"
    assert signed_in.post(edit, contract_fields()).status_code == 409


def test_a_contract_that_ends_first_is_refused_at_its_field(acme, service_manager) -> None:
    response = browser(service_manager).post(
        reverse("clients:contract-new", args=[acme.public_id]),
        contract_fields(ends_on="2025-01-01"),
    )
    assert response.status_code == 422
    assert response.context["form"].errors["ends_on"]


def test_ends_a_contract_from_its_page(acme, service_manager) -> None:
    with acting_as(SYSTEM):
        contract = Contract.objects.get(client=acme)
    end = reverse("clients:contract-end", args=[contract.public_id])
    signed_in = browser(service_manager)
    assert signed_in.post(end, {"ends_on": "2025-01-01"}).status_code == 422
    with clock.at(datetime(2026, 6, 1, tzinfo=UTC)):
        signed_in.post(end, {"ends_on": "2026-05-31", "reason": "moved"})
    contract.refresh_from_db()
    assert (contract.state, str(contract.ends_on)) == ("ended", "2026-05-31")


@pytest.mark.parametrize(("hours", "words"), [("inside", b"Covered."), ("outside", b"Billable.")])
def test_the_tester_answers_for_work_and_hours(acme, technician, hours, words) -> None:
    with acting_as(SYSTEM):
        contract = Contract.objects.get(client=acme)
    url = reverse("clients:contract", args=[contract.public_id])
    question = {"work_type": "remote", "hours": hours}
    page = browser(technician).get(url, question)
    part = browser(technician).get(url, question, headers={"HX-Request": "true"})
    assert words in page.content
    assert words in part.content
    assert b"<html" not in part.content


# ------------------------------------------------------------------------- calendars and policies


def test_a_calendar_has_versions_that_pages_show(acme, service_manager) -> None:
    signed_in = browser(service_manager)
    posted = signed_in.post(
        reverse("clients:calendar-new"), {"name": "Long", "mon": "08:00-12:00, 13:00-18:00"}
    )
    calendar = Calendar.objects.get(name="Long")
    assert posted.headers["Location"] == reverse("clients:calendar", args=[calendar.public_id])
    change = reverse("clients:calendar-version", args=[calendar.public_id])
    form = signed_in.get(change).context["form"]
    assert form["mon"].value() == "08:00–12:00, 13:00–18:00"
    signed_in.post(change, {"always": "on", "holidays": "2026-12-25\n2026-01-01"})
    newest = calendar.versions.first()
    assert (newest.number, newest.always, newest.created_by) == (2, True, service_manager)
    assert newest.holidays == ["2026-01-01", "2026-12-25"]
    page = signed_in.get(posted.headers["Location"]).content.decode()
    assert "Around the clock" in page
    assert "08:00–12:00, 13:00–18:00" in page


def test_wrong_hours_are_explained_at_their_day(acme, service_manager) -> None:
    response = browser(service_manager).post(
        reverse("clients:calendar-new"), {"name": "Long", "mon": "nine to five", "tue": "9-17:00"}
    )
    assert response.status_code == 422
    assert "“nine to five” is not a time span" in response.context["form"].errors["mon"][0]
    response = browser(service_manager).post(
        reverse("clients:calendar-new"), {"name": "Long", "tue": "9-17:00"}
    )
    assert "Tuesday: “9” is not a time" in response.context["form"].errors["tue"][0]


def test_a_policy_has_versions_and_may_become_the_default(acme, service_manager) -> None:
    signed_in = browser(service_manager)
    policy = SlaPolicy.objects.get(is_default=True)
    change = reverse("clients:policy-version", args=[policy.public_id])
    form = signed_in.get(change).context["form"]
    data = {name: form[name].value() for name in form.fields}
    data = {name: value for name, value in data.items() if value not in (None, False)}
    signed_in.post(change, data | {"p1_response": "10", "warnings": "80"})
    newest = policy.versions.first()
    assert (newest.number, newest.targets["p1"]["response"], newest.warnings) == (2, 10, [80])
    assert newest.targets["p4"]["update"] is None
    assert signed_in.post(change, data | {"warnings": "often"}).status_code == 422
    made = signed_in.post(reverse("clients:policy-new"), data | {"name": "Gold"})
    gold = SlaPolicy.objects.get(name="Gold")
    signed_in.post(reverse("clients:policy-default", args=[gold.public_id]))
    gold.refresh_from_db()
    assert gold.is_default
    assert b"Default" in signed_in.get(made.headers["Location"]).content


def test_a_matrix_is_changed_cell_by_cell(acme, service_manager) -> None:
    matrix = services.ensure_defaults(by=SYSTEM).matrix
    signed_in = browser(service_manager)
    url = reverse("clients:matrix-version", args=[matrix.public_id])
    form = signed_in.get(url).context["form"]
    data = {name: form[name].value() or "" for name in form.fields}
    signed_in.post(url, data | {"low_low": "p1"})
    newest = matrix.versions.order_by("-number").first()
    assert (newest.number, newest.cells["low:low"]) == (2, "p1")


def test_who_may_not_change_hours_is_offered_nothing(acme, technician) -> None:
    signed_in = browser(technician)
    assert b"New calendar" not in signed_in.get(reverse("clients:calendars")).content
    assert signed_in.get(reverse("clients:calendar-new")).status_code == 403


# -------------------------------------------------------------------------------- lists and pages


def test_the_list_is_filtered_and_keeps_those_that_left_apart(acme, technician) -> None:
    make.client("Birch", email_domains=["birch.example"])
    make.client("Gone", state="left")
    signed_in = browser(technician)

    def names(query: str) -> list[str]:
        page = signed_in.get(reverse("clients:list") + query).context["page"]
        return [row.name for row in page.rows]

    assert names("") == ["Acme", "Birch"]
    assert names("?q=bir") == ["Birch"]
    assert names("?q=birch.example") == ["Birch"]
    assert names("?state=left") == ["Gone"]
    assert names("?state=any") == ["Acme", "Birch", "Gone"]
    assert names("?state=nonsense") == ["Acme", "Birch"]


def test_pages_neither_repeat_nor_drop_a_row(db, technician) -> None:
    for number in range(120):
        make.client(f"Client {number % 3} {number:03}")
    signed_in, url, seen = browser(technician), reverse("clients:list"), []
    query = ""
    for _page in range(3):
        page = signed_in.get(url + query).context["page"]
        seen += [row.name for row in page.rows]
        query = page.next_url
    assert query == ""
    assert seen == sorted(seen)
    assert len(set(seen)) == len(seen) == 120


def test_a_made_up_place_in_the_list_starts_at_the_top(acme, technician) -> None:
    for after in (uuid.uuid4(), "rubbish"):
        page = browser(technician).get(reverse("clients:list"), {"after": after}).context["page"]
        assert [row.name for row in page.rows] == ["Acme"]


def queries(ask: Callable[[], HttpResponse]) -> int:
    with CaptureQueriesContext(connection) as asked:
        assert ask().status_code == 200
    return len(asked)


@pytest.mark.parametrize(
    "name", ["list", "contracts", "detail", "contacts", "sites", "calendars", "policies"]
)
def test_thirty_rows_cost_as_many_queries_as_three(acme, administrator, name) -> None:
    signed_in = browser(administrator)
    args = [acme.public_id] if name in ("detail", "contacts", "sites") else []
    url = reverse(f"clients:{name}", args=args)

    def more(first: int, last: int) -> None:
        for number in range(first, last):
            other = make.client(f"Client {number}")
            make.contract(other, name=f"Contract {number}")
            make.site(acme, f"Site {number}", calendar=make.calendar(f"Calendar {number}"))
            make.contact(acme, email=f"c{number}@acme.example", site=make.site(acme))
            make.contract(acme, name=f"Own {number}", policy=make.policy(f"Policy {number}"))
            merged = make.client(f"Part {number}")
            with acting_as(SYSTEM):
                services.merge_clients(merged.pk, into=acme.pk, by=SYSTEM)

    more(0, 3)
    signed_in.get(url)
    few = queries(lambda: signed_in.get(url))
    more(3, 30)
    assert queries(lambda: signed_in.get(url)) == few
