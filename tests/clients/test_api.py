"""The management API of `clients`."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rest_framework.test import APIClient

from clients import services
from clients.models import Client, Contact, Contract, Site
from clients.services.defaults import TARGETS
from msp.core.models import AuditEntry, User
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories import clients as make
from tests.factories import core as make_core

SYSTEM = SystemPrincipal("tests")


def api(user: User) -> APIClient:
    caller = APIClient()
    caller.force_login(user)
    return caller


def url(name: str, row: Any = None) -> str:
    return reverse(f"clients-api:{name}", args=[row.public_id] if row else [])


@pytest.fixture
def acme(db: None) -> Client:
    owner = make.client("Acme")
    make.site(owner)
    make.contact(owner, email="cora@acme.example")
    make.contract(owner)
    with acting_as(SYSTEM):
        services.ensure_defaults(by=SYSTEM)
    return owner


@pytest.fixture
def administrator(db: None) -> User:
    return make_core.staff("administrator", email="root@msp.example", name="Ann Admin")


def rows(owner: Client) -> dict[str, Any]:
    with acting_as(SYSTEM):
        return {
            "client": owner,
            "site": Site.objects.get(client=owner),
            "contact": Contact.objects.get(client=owner),
            "contract": Contract.objects.get(client=owner),
        }


def test_reads_each_thing_by_its_public_id(acme, technician) -> None:
    caller = api(technician)
    for name, row in rows(acme).items():
        found = caller.get(url(name, row)).json()
        assert found["id"] == str(row.public_id)
        assert found["name"] == row.name


def test_a_stranger_and_an_unknown_id_get_the_same_404(acme, stranger) -> None:
    unknown = url("client", type("Row", (), {"public_id": uuid.uuid4()}))
    nothing = api(stranger).get(unknown)
    assert nothing.status_code == 404
    for name, row in rows(acme).items():
        response = api(stranger).get(url(name, row))
        assert (response.status_code, response.content) == (404, nothing.content)


def test_staff_for_another_client_reach_nothing_by_any_command(acme) -> None:
    rival = make.client("Rival")
    some = make_core.staff(
        "administrator", email="s@msp.example", scope="set", client_ids=[rival.pk]
    )
    caller, found = api(some), rows(acme)
    asked = [(name, found[name], "patch") for name in found]
    asked += [
        (f"client-{name}", acme, "post")
        for name in ("merge", "unmerge", "sites", "contacts", "contracts")
    ]
    asked += [(f"site-{name}", found["site"], "post") for name in ("archive", "restore")]
    asked += [
        (f"contact-{name}", found["contact"], "post")
        for name in ("archive", "restore", "invite", "withdraw")
    ]
    asked += [(f"contract-{name}", found["contract"], "post") for name in ("activate", "end")]
    before = AuditEntry.objects.count()
    for name, row, method in asked:
        response = getattr(caller, method)(url(name, row), {}, format="json")
        assert (name, response.status_code) == (name, 404)
    assert AuditEntry.objects.count() == before
    assert caller.get(url("clients")).json()["results"][0]["name"] == "Rival"
    assert caller.get(url("contracts")).json()["results"] == []


def test_nobody_reads_without_signing_in(acme) -> None:
    response = APIClient().get(url("clients"))
    assert (response.status_code, response.json()["code"]) == (401, "not_signed_in")


def test_adds_and_changes_a_client(technician) -> None:
    caller = api(technician)
    made = caller.post(url("clients"), {"name": "Birch", "zone": "Europe/Paris"}, format="json")
    assert made.status_code == 201
    one = reverse("clients-api:client", args=[made.json()["id"]])
    changed = caller.patch(one, {"state": "leaving"}, format="json")
    assert (changed.json()["state"], changed.json()["zone"]) == ("leaving", "Europe/Paris")
    wrong = caller.patch(one, {"zone": "Mars"}, format="json")
    assert (wrong.status_code, list(wrong.json()["fields"])) == (422, ["zone"])
    assert caller.post(url("clients"), {}, format="json").json()["fields"]["name"]


def test_the_billing_clerk_reads_and_does_not_change(acme, billing_clerk) -> None:
    caller = api(billing_clerk)
    assert caller.get(url("client", acme)).status_code == 200
    refused = caller.patch(url("client", acme), {"phone": "1"}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")


def test_adds_people_and_places(acme, technician) -> None:
    caller = api(technician)
    site = caller.post(url("client-sites", acme), {"name": "Works"}, format="json").json()
    person = caller.post(
        url("client-contacts", acme),
        {"name": "Ada", "email": "ada@acme.example", "site": site["id"], "roles": ["vip"]},
        format="json",
    )
    assert person.status_code == 201
    assert (person.json()["site"]["name"], person.json()["has_portal"]) == ("Works", False)
    contact = reverse("clients-api:contact-invite", args=[person.json()["id"]])
    assert caller.post(contact, {}, format="json").json()["has_portal"] is True
    archive = reverse("clients-api:contact-archive", args=[person.json()["id"]])
    assert caller.post(archive, {"reason": "left"}, format="json").json()["archived_at"]
    names = [row["name"] for row in caller.get(url("client-contacts", acme)).json()["results"]]
    assert names == ["Cora Contact"]


@pytest.mark.parametrize("wanted", ["foreign", "unknown"])
def test_a_reference_to_another_client_and_to_nothing_read_the_same(
    acme, technician, wanted
) -> None:
    foreign = make.site(make.client("Rival"))
    some = make_core.staff("technician", email="s@msp.example", scope="set", client_ids=[acme.pk])
    site = foreign.public_id if wanted == "foreign" else uuid.uuid4()
    response = api(some).post(
        url("client-contacts", acme),
        {"name": "Ada", "email": "ada@acme.example", "site": str(site)},
        format="json",
    )
    assert response.status_code == 422
    assert response.json()["fields"] == {"site": ["There is no such row."]}


def test_a_contract_lives_through_the_api(acme, service_manager) -> None:
    caller = api(service_manager)
    terms = {
        "name": "Gold",
        "starts_on": "2026-01-01",
        "policy": caller.get(url("policies")).json()["results"][0]["id"],
        "calendar": caller.get(url("calendars")).json()["results"][0]["id"],
        "coverage": [{"work_type": "any", "hours": "inside", "covered": True, "clause": "3"}],
    }
    made = caller.post(url("client-contracts", acme), terms, format="json")
    assert made.status_code == 201
    one = reverse("clients-api:contract", args=[made.json()["id"]])
    assert caller.patch(one, {"notice_days": 30}, format="json").json()["notice_days"] == 30
    assert caller.post(f"{one}activate/", {}, format="json").json()["state"] == "active"
    assert caller.patch(one, {"notice_days": 60}, format="json").status_code == 409
    asked = caller.get(f"{one}coverage/", {"work_type": "remote", "inside_hours": "true"})
    assert asked.json() == {"covered": True, "clause": "3", "rule": 0}
    assert caller.get(f"{one}coverage/", {"work_type": "any"}).status_code == 422
    ended = caller.post(f"{one}end/", {"ends_on": "2026-02-01"}, format="json").json()
    assert (ended["state"], ended["ends_on"]) == ("ended", "2026-02-01")


def test_calendars_and_policies_gain_versions(acme, service_manager) -> None:
    caller = api(service_manager)
    made = caller.post(
        url("calendars"), {"name": "Long", "windows": {"mon": [["08:00", "18:00"]]}}, format="json"
    ).json()
    versions = reverse("clients-api:calendar-versions", args=[made["id"]])
    assert (
        caller.post(versions, {"always": True, "reason": "sold"}, format="json").status_code == 201
    )
    assert [row["number"] for row in caller.get(versions).json()["results"]] == [2, 1]
    wrong = caller.post(versions, {"windows": {"mon": [["8", "18:00"]]}}, format="json")
    assert (wrong.status_code, list(wrong.json()["fields"])) == (422, ["mon"])
    gold = caller.post(url("policies"), {"name": "Gold", "targets": TARGETS}, format="json").json()
    policy = reverse("clients-api:policy-versions", args=[gold["id"]])
    assert caller.post(policy, {"targets": TARGETS}, format="json").json()["number"] == 2
    default = reverse("clients-api:policy-default", args=[gold["id"]])
    assert caller.post(default, {}, format="json").status_code == 204
    marked = caller.get(url("policies")).json()["results"]
    assert [row["name"] for row in marked if row["is_default"]] == ["Gold"]


def test_merges_and_takes_it_back(acme, administrator) -> None:
    birch = make.client("Birch")
    caller = api(administrator)
    merged = caller.post(
        url("client-merge", birch), {"into": str(acme.public_id), "reason": "x"}, format="json"
    )
    assert merged.json()["merged_into"] == str(acme.public_id)
    assert [row["name"] for row in caller.get(url("clients")).json()["results"]] == ["Acme"]
    assert caller.get(url("client", birch)).json()["merged_into"] == str(acme.public_id)
    back = caller.post(url("client-unmerge", birch), {}, format="json")
    assert back.json()["merged_into"] is None


@pytest.mark.parametrize(
    "name",
    ["clients", "contracts", "client-sites", "client-contacts", "client-contracts", "calendars"],
)
def test_pages_by_cursor_at_a_steady_price(acme, technician, name) -> None:
    caller = api(technician)
    address = url(name, acme if name.startswith("client-") else None)

    def more(first: int, last: int) -> None:
        for number in range(first, last):
            make.contract(make.client(f"Client {number}"), calendar=make.calendar(f"C {number}"))
            make.contract(acme, name=f"Own {number}", policy=make.policy(f"Policy {number}"))
            site = make.site(acme, f"Site {number}", calendar=make.calendar(f"C {number}"))
            make.contact(acme, email=f"c{number}@acme.example", site=site)

    def cost() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert caller.get(address).status_code == 200
        return len(asked)

    more(0, 3)
    caller.get(address)
    few = cost()
    more(3, 30)
    assert cost() == few
    first = caller.get(address, {"limit": 10}).json()
    second = caller.get(first["next"]).json()
    ids = [row["id"] for row in first["results"] + second["results"]]
    assert len(set(ids)) == 20
