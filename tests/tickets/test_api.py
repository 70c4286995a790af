"""The management API of tickets."""

from __future__ import annotations

import json

import pytest
from django.test import Client as Browser
from django.urls import reverse

from tests.factories import clients as client_factories
from tests.factories import tickets as ticket_factories
from tests.tickets.test_pages import signed_in
from tickets.models import Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday", "acme")]


def post(browser: Browser, name: str, *args: int, **values: object):
    return browser.post(
        reverse(f"tickets-api:{name}", args=args), json.dumps(values), "application/json"
    )


def test_opens_answers_logs_and_resolves(technician):
    acme, browser = client_factories.client("Acme"), signed_in(technician)
    cora = client_factories.contact(acme, email="cora@acme.example")
    asked = {"client": str(acme.public_id), "contact": str(cora.public_id), "subject": "Printer"}
    opened = post(browser, "tickets", **asked, token="a")
    assert opened.status_code == 201
    number = opened.json()["number"]
    again = post(browser, "tickets", **asked, token="a")
    assert again.json()["number"] == number
    assert post(browser, "messages", number, kind="public", body="Hello").status_code == 201
    assert post(browser, "time", number, minutes=0).status_code == 201
    assigned = post(browser, "assign", number, owner=str(technician.public_id))
    assert assigned.json()["owner_name"] == technician.name
    waiting = post(browser, "status", number, status="waiting_client")
    assert {row["target"]: row["standing"] for row in waiting.json()["clocks"]} == {
        "response": "met",
        "update": "paused",
        "resolution": "paused",
    }
    assert post(browser, "resolve", number, resolution="Done.").json()["status"] == "resolved"
    assert post(browser, "reopen", number).json()["status"] == "in_progress"
    thread = browser.get(reverse("tickets-api:messages", args=[number])).json()
    assert [row["body"] for row in thread if row["kind"] == "public"] == ["Hello", "Done."]


def test_answers_bad_input_with_fields(technician):
    ticket = ticket_factories.ticket()
    browser = signed_in(technician)
    assert post(browser, "messages", ticket.number, kind="public").status_code == 422
    assert post(browser, "resolve", ticket.number, resolution=" ").status_code == 422
    wrong = browser.get(reverse("tickets-api:tickets"), {"status": "nonsense"})
    assert (wrong.status_code, list(wrong.json()["fields"])) == (422, ["status"])


def test_answers_a_refusal_with_its_code(technician):
    ticket = ticket_factories.ticket()
    browser = signed_in(technician)
    refused = post(browser, "reopen", ticket.number)
    assert (refused.status_code, refused.json()["code"]) == (409, "is_open")


@pytest.mark.parametrize("name", ["ticket", "messages", "time"])
def test_hides_other_clients_tickets(restricted, name):
    ticket = ticket_factories.ticket(client_factories.client("Acme"))
    browser = signed_in(restricted)
    mine = browser.get(reverse(f"tickets-api:{name}", args=[ticket.number]))
    absent = browser.get(reverse(f"tickets-api:{name}", args=[999_999]))
    assert mine.status_code == absent.status_code == 404
    assert mine.content == absent.content
    assert browser.get(reverse("tickets-api:tickets")).json()["results"] == []


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("messages", {"kind": "public", "body": "x"}),
        ("status", {"status": "in_progress"}),
        ("assign", {"owner": None}),
        ("resolve", {"resolution": "x"}),
        ("reopen", {}),
        ("time", {"minutes": 1}),
    ],
)
def test_refuses_who_may_only_look_and_hides_from_who_may_not(
    billing_clerk, restricted, stranger, name, values
):
    ticket = ticket_factories.ticket(client_factories.client("Acme"))
    assert post(signed_in(billing_clerk), name, ticket.number, **values).status_code == 403
    assert post(signed_in(restricted), name, ticket.number, **values).status_code == 404
    assert post(signed_in(stranger), name, ticket.number, **values).status_code == 404
    assert Ticket.objects.unscoped().get().version == 1


@pytest.mark.parametrize("size", [3, 30])
def test_asks_as_many_questions_for_a_long_list(technician, django_assert_num_queries, size):
    for number in range(size):
        ticket_factories.ticket(subject=f"T{number}")
    browser = signed_in(technician)
    with django_assert_num_queries(5):
        answer = browser.get(reverse("tickets-api:tickets"))
    assert len(answer.json()["results"]) == size
