"""The portal: three words, the next step and by when, and nothing of how we work."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.urls import reverse

from msp.core import clock
from msp.core.models import User
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories import clients as client_factories
from tests.factories import tickets as ticket_factories
from tests.tickets.test_pages import signed_in
from tickets.enums import Status
from tickets.models import Clock, Message, Ticket
from tickets.services import (
    add_message,
    change_status,
    log_time,
    note_from_system,
    open_ticket,
    resolve_ticket,
)
from tickets.views.portal import address_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday", "acme")]

SYSTEM = SystemPrincipal("tests")
CANARY = "CANARY-7f3a"


@pytest.fixture
def ticket(acme, contact: User) -> Ticket:
    """A ticket that Ada opened in the portal."""
    with acting_as(contact):
        return open_ticket(
            by=contact, client_id=acme.pk, subject="Outlook asks for a password", body="Since noon."
        )


def everywhere(user: User, ticket: Ticket) -> str:
    browser = signed_in(user)
    pages = [
        browser.get(reverse("portal:home")),
        browser.get(reverse("portal:tickets")),
        browser.get(reverse("portal:ticket", args=[ticket.number])),
    ]
    assert {page.status_code for page in pages} == {200}
    text = "".join(page.content.decode() for page in pages)
    assert "{%" not in text
    return text


def test_reports_a_problem_without_javascript(contact):
    browser = signed_in(contact)
    assert browser.get(reverse("portal:ticket-new")).status_code == 200
    values = {
        "subject": "Printer",
        "body": "Half pages.",
        "urgency": "high",
        "impact": "low",
        "token": "t",
    }
    for _time in range(2):
        answer = browser.post(reverse("portal:ticket-new"), values)
        assert answer.status_code == 302
    ticket = Ticket.objects.unscoped().get()
    assert (ticket.source, ticket.priority, ticket.contact_id) == (
        "portal",
        "p3",
        contact.scope.contact_id,
    )
    assert answer.url == reverse("portal:ticket", args=[ticket.number])
    assert browser.post(reverse("portal:ticket-new"), {"subject": "x"}).status_code == 422


def test_never_shows_what_is_ours(ticket, contact, technician):
    with acting_as(technician):
        add_message(ticket.number, by=technician, kind="public", body="We look at it.")
        add_message(ticket.number, by=technician, kind="note", body=f"{CANARY} note")
        log_time(ticket.number, by=technician, minutes=37, note=f"{CANARY} time")
        change_status(ticket.number, by=technician, status="waiting_vendor", reason=CANARY)
    with acting_as(SYSTEM):
        note_from_system(ticket.pk, by=SYSTEM, body=f"{CANARY} automatic")
        Clock.objects.create(
            client_id=ticket.client_id,
            ticket=ticket,
            target="internal",
            standing="running",
            target_seconds=60,
            started_at=clock.now(),
            due_at=clock.now() + timedelta(days=399),
        )
    text = everywhere(contact, ticket)
    assert "We look at it." in text
    assert CANARY not in text
    assert "2027" not in text
    # Random tokens of forms may hold any figures.
    shown = re.sub(r'value="[^"]*"', "", text).replace(str(ticket.number), "")
    assert "37" not in shown
    assert "Waiting for a vendor" not in text
    assert "We wait for a supplier." in text


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("in_progress", "In progress"),
        ("waiting_client", "Waiting for you"),
        ("waiting_vendor", "In progress"),
    ],
)
def test_says_where_it_stands_in_plain_words(ticket, contact, technician, status, word):
    with acting_as(technician):
        change_status(ticket.number, by=technician, status=status)
    page = signed_in(contact).get(reverse("portal:ticket", args=[ticket.number]))
    assert f"· {word}</p>" in page.content.decode()


def test_says_by_when_we_answer_and_admits_when_we_are_late(ticket, contact):
    url = reverse("portal:ticket", args=[ticket.number])
    assert "We answer by" in signed_in(contact).get(url).content.decode()
    clock.advance(timedelta(hours=5))
    assert "late with it" in signed_in(contact).get(url).content.decode()


def test_promises_a_solution_only_where_the_contract_commits_to_one(acme, contact):
    client_factories.contract(
        acme, policy=client_factories.policy("Committed", resolution_is_commitment=True)
    )
    with acting_as(contact):
        ticket = open_ticket(by=contact, client_id=acme.pk, subject="X", body="Y")
    url = reverse("portal:ticket", args=[ticket.number])
    assert "promised by" in signed_in(contact).get(url).content.decode()


def test_does_not_promise_a_solution_otherwise(ticket, contact):
    url = reverse("portal:ticket", args=[ticket.number])
    assert "promised by" not in signed_in(contact).get(url).content.decode()


def test_takes_an_answer_once_and_sets_us_to_work(ticket, contact, technician):
    with acting_as(technician):
        change_status(ticket.number, by=technician, status="waiting_client")
    browser = signed_in(contact)
    url = reverse("portal:ticket-answer", args=[ticket.number])
    assert browser.post(url, {"body": " "}).status_code == 422
    for _time in range(2):
        assert browser.post(url, {"body": "At noon.", "token": "t"}).status_code == 302
    assert Ticket.objects.unscoped().get().status == Status.IN_PROGRESS
    assert Message.objects.unscoped().filter(body="At noon.").count() == 1


def test_takes_a_solution_back_for_seven_days(ticket, contact, technician):
    with acting_as(technician):
        resolve_ticket(ticket.number, by=technician, resolution="New sign-in.")
    browser = signed_in(contact)
    page = browser.get(reverse("portal:ticket", args=[ticket.number])).content.decode()
    assert "New sign-in." in page
    assert reverse("portal:ticket-reopen", args=[ticket.number]) in page
    browser.post(reverse("portal:ticket-reopen", args=[ticket.number]), {"body": "Again."})
    assert Ticket.objects.unscoped().get().status == Status.IN_PROGRESS
    with acting_as(technician):
        resolve_ticket(ticket.number, by=technician, resolution="Really.")
    clock.advance(timedelta(days=8))
    late = signed_in(contact)  # the session has run out by now
    page = late.get(reverse("portal:ticket", args=[ticket.number])).content.decode()
    assert reverse("portal:ticket-reopen", args=[ticket.number]) not in page
    refused = late.post(reverse("portal:ticket-reopen", args=[ticket.number]), {"body": "Again."})
    assert refused.status_code == 409


def test_lets_a_contact_say_that_it_is_solved(ticket, contact, technician):
    with acting_as(technician):
        resolve_ticket(ticket.number, by=technician, resolution="New sign-in.")
    signed_in(contact).post(reverse("portal:ticket-solved", args=[ticket.number]))
    assert Ticket.objects.unscoped().get().status == Status.CLOSED


def test_hides_a_request_from_a_colleague_and_a_stranger(ticket, colleague, stranger):
    for user in (colleague, stranger):
        browser = signed_in(user)
        mine = browser.get(reverse("portal:ticket", args=[ticket.number]))
        absent = browser.get(reverse("portal:ticket", args=[999_999]))
        assert (mine.status_code, mine.content) == (404, absent.content)
        for name in ("answer", "reopen", "solved"):
            url = reverse(f"portal:ticket-{name}", args=[ticket.number])
            assert browser.post(url, {"body": "x"}).status_code == 404
        assert "Outlook" not in browser.get(reverse("portal:home")).content.decode()


def test_shows_the_companys_requests_to_a_manager(ticket):
    manager = client_factories.portal_user(
        "Acme", email="boss@acme.example", name="Bo Boss", roles=["manager"]
    )
    assert "Outlook asks for a password" in everywhere(manager, ticket)


def test_hides_alert_tickets_from_every_contact(acme, contact):
    manager = client_factories.portal_user(
        "Acme", email="boss@acme.example", name="Bo Boss", roles=["manager"]
    )
    ticket = ticket_factories.ticket(
        acme, subject="Disk full", source="alert", kind="alert", contact_id=contact.scope.contact_id
    )
    for user in (contact, manager):
        browser = signed_in(user)
        assert browser.get(reverse("portal:ticket", args=[ticket.number])).status_code == 404
        assert "Disk full" not in browser.get(reverse("portal:home")).content.decode()


def test_keeps_the_planes_apart(ticket, contact, technician):
    assert signed_in(technician).get(reverse("portal:home")).status_code == 404
    browser = signed_in(contact)
    assert browser.get(reverse("tickets:detail", args=[ticket.number])).status_code == 404
    assert browser.get("/").headers["Location"] == reverse("portal:home")


def test_asks_as_many_questions_for_many_requests(acme, contact, django_assert_max_num_queries):
    browser = signed_in(contact)
    questions = set()
    for before, size in ((0, 3), (3, 30)):
        with acting_as(contact):
            for number in range(before, size):
                open_ticket(by=contact, client_id=acme.pk, subject=f"T{number}", body="x")
        cache.clear()
        with django_assert_max_num_queries(20) as asked:
            browser.get(reverse("portal:home"))
        questions.add(len(asked))
    assert len(questions) == 1


@pytest.mark.parametrize(
    ("name", "greeted"),
    [("Priya Nair", "Priya"), ("Dr Niamh Farrell", "Dr Niamh Farrell"), ("", "")],
)
def test_greets_nobody_by_a_title_alone(name, greeted):
    assert address_of(name) == greeted


def test_takes_a_second_click_on_solved_as_the_first(ticket, contact, technician):
    with acting_as(technician):
        resolve_ticket(ticket.number, by=technician, resolution="New drum.")
    browser = signed_in(contact)
    for _time in range(2):
        answer = browser.post(reverse("portal:ticket-solved", args=[ticket.number]))
        assert answer.status_code == 302
