"""The staff pages: a story told through forms, who gets in, and how many questions they ask."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client as Browser
from django.urls import reverse

from msp.core import clock
from msp.core.models import User
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories import agents as agent_factories
from tests.factories import clients as client_factories
from tests.factories import tickets as ticket_factories
from tickets.enums import ClockTarget, Status
from tickets.models import Clock, Message, Ticket, TimeEntry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday", "acme")]


def signed_in(user: User) -> Browser:
    browser = Browser()
    browser.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return browser


def ticket_of_acme(**fields) -> Ticket:
    return ticket_factories.ticket(client_factories.client("Acme"), **fields)


def seen(number: int) -> Ticket:
    with acting_as(SystemPrincipal("tests")):
        return Ticket.objects.select_related("owner").get(number=number)


def test_tells_the_story_from_opening_to_approval(technician, service_manager):
    acme = client_factories.client("Acme")
    tess, mona = signed_in(technician), signed_in(service_manager)
    form = tess.get(reverse("tickets:new"), {"client": acme.public_id})
    assert form.status_code == 200
    opened = tess.post(
        reverse("tickets:new"),
        {
            "client": acme.public_id,
            "subject": "Printer prints half pages",
            "kind": "incident",
            "impact": "low",
            "urgency": "medium",
            "token": "t1",
        },
    )
    assert opened.status_code == 302
    number = Ticket.objects.unscoped().get().number
    url = reverse("tickets:detail", args=[number])
    assert opened.url == url
    compose = reverse("tickets:compose", args=[number])
    answer = {"kind": "reply", "body": "We look at it.", "token": "t2", "after": "waiting_client"}
    assert tess.post(compose, answer).status_code == 302
    assert seen(number).status == Status.WAITING_CLIENT
    done = {
        "kind": "reply",
        "body": "New drum.",
        "minutes": "50",
        "work_type": "onsite",
        "after": "resolved",
        "token": "t3",
    }
    assert tess.post(compose, done).status_code == 302
    assert seen(number).status == Status.RESOLVED
    entry = TimeEntry.objects.unscoped().get()
    assert (entry.minutes, entry.approved_at) == (50, None)
    assert "Printer prints half pages" in mona.get(reverse("tickets:approvals")).content.decode()
    approve = reverse("tickets:time-approve", args=[entry.public_id])
    assert tess.post(approve).status_code == 403
    assert mona.post(approve, {"next": reverse("tickets:approvals")}).status_code == 302
    assert TimeEntry.objects.unscoped().get().approved_by_id == service_manager.pk
    page = mona.get(url).content.decode()
    assert "New drum." in page
    assert "{%" not in page
    assert "{{" not in page


@pytest.mark.parametrize("view", ["next", "mine", "unassigned", "open", "resolved"])
def test_shows_each_view_of_the_queue(technician, view):
    ticket_of_acme()
    answer = signed_in(technician).get(reverse("tickets:queue"), {"view": view})
    assert answer.status_code == 200
    assert ("Printer prints half pages" in answer.content.decode()) == (
        view in ("next", "unassigned", "open")
    )
    assert "{%" not in answer.content.decode()


def test_keeps_other_clients_from_restricted_staff(restricted):
    ticket = ticket_of_acme(subject="Canary")
    browser = signed_in(restricted)
    assert "Canary" not in browser.get(reverse("tickets:queue"), {"view": "open"}).content.decode()
    for name in ("detail", "thread", "head", "time", "move"):
        assert browser.get(reverse(f"tickets:{name}", args=[ticket.number])).status_code == 404
    for name in ("compose", "status", "priority", "assign", "resolve", "reopen", "close"):
        answer = browser.post(reverse(f"tickets:{name}", args=[ticket.number]), {"body": "x"})
        assert answer.status_code == 404
    acme = client_factories.client("Acme")
    assert browser.get(reverse("tickets:new"), {"client": acme.public_id}).status_code == 404


def test_shows_the_page_and_no_forms_to_who_may_only_look(billing_clerk):
    ticket = ticket_of_acme()
    browser = signed_in(billing_clerk)
    page = browser.get(reverse("tickets:detail", args=[ticket.number]))
    assert page.status_code == 200
    assert "reply-composer" not in page.content.decode()
    assert browser.post(reverse("tickets:compose", args=[ticket.number])).status_code == 403


def test_says_why_a_form_was_refused(technician):
    ticket = ticket_of_acme()
    browser = signed_in(technician)
    empty = browser.post(reverse("tickets:compose", args=[ticket.number]), {"kind": "reply"})
    assert empty.status_code == 422
    assert "Write something first." in empty.content.decode()
    unsolved = browser.post(
        reverse("tickets:compose", args=[ticket.number]),
        {"kind": "note", "body": "x", "after": "resolved"},
    )
    assert unsolved.status_code == 422
    closed = browser.post(reverse("tickets:close", args=[ticket.number]))
    assert closed.status_code == 409
    assert "Resolve the ticket before closing it." in closed.content.decode()
    assert Message.objects.unscoped().count() == 0


def test_refuses_another_clients_things_in_the_new_form(technician):
    acme, rival = client_factories.client("Acme"), client_factories.client("Rival")
    device = agent_factories.device(rival)
    values = {"client": acme.public_id, "subject": "X", "kind": "incident", "impact": "low"}
    answer = signed_in(technician).post(
        reverse("tickets:new"), values | {"urgency": "low", "device": device.public_id}
    )
    assert answer.status_code == 422
    assert not Ticket.objects.unscoped().exists()


def test_opens_one_ticket_for_a_form_sent_twice(technician):
    acme = client_factories.client("Acme")
    values = {"client": acme.public_id, "subject": "X", "kind": "incident", "impact": "low"}
    browser = signed_in(technician)
    for _time in range(2):
        answer = browser.post(reverse("tickets:new"), values | {"urgency": "low", "token": "same"})
        assert answer.status_code == 302
    assert Ticket.objects.unscoped().count() == 1


def test_writes_one_message_and_one_entry_for_a_form_sent_twice(technician):
    ticket = ticket_of_acme()
    browser = signed_in(technician)
    values = {"kind": "note", "body": "Looked.", "minutes": "5", "token": "same"}
    for _time in range(2):
        browser.post(reverse("tickets:compose", args=[ticket.number]), values)
    assert Message.objects.unscoped().filter(kind="note").count() == 1
    assert TimeEntry.objects.unscoped().count() == 1


def test_answers_changed_rows_as_templates_and_leaves_out_what_left_the_view(technician):
    mine = ticket_of_acme(owner_id=technician.pk)
    other = ticket_of_acme(subject="Other")
    answer = signed_in(technician).get(
        reverse("tickets:rows"),
        {"view": "mine", "ids": f"{mine.public_id},{other.public_id},nonsense"},
    )
    text = answer.content.decode()
    assert text.count("<template><tr") == 1
    assert f'id="ticket-{mine.public_id}-row"' in text
    assert 'hx-swap-oob="morph"' in text


def test_changes_owner_priority_and_status_from_the_head(technician):
    ticket = ticket_of_acme()
    browser = signed_in(technician)
    browser.post(reverse("tickets:assign", args=[ticket.number]), {"owner": technician.pk})
    browser.post(reverse("tickets:priority", args=[ticket.number]), {"priority": "p1"})
    browser.post(
        reverse("tickets:status", args=[ticket.number]),
        {"status": "scheduled", "until": "2026-11-26T10:00"},
    )
    found = seen(ticket.number)
    assert (found.owner_id, found.priority, found.status) == (technician.pk, "p1", "scheduled")
    clock_row = Clock.objects.unscoped().get(ticket=ticket, target=ClockTarget.RESOLUTION)
    assert clock_row.target_seconds == 4 * 3600
    assert clock_row.pause_reason == "scheduled"


def test_asks_as_many_questions_for_a_long_queue(technician, django_assert_max_num_queries):
    browser = signed_in(technician)
    questions = set()
    for size in (3, 30):
        for number in range(size - Ticket.objects.unscoped().count()):
            ticket_of_acme(subject=f"Ticket {number}", priority=f"p{number % 4 + 1}")
        cache.clear()
        with django_assert_max_num_queries(12) as asked:
            answer = browser.get(reverse("tickets:queue"), {"view": "open"})
        assert answer.content.decode().count('class="row"') == size
        questions.add(len(asked))
    assert len(questions) == 1


def test_asks_as_many_questions_for_a_long_ticket(technician, django_assert_max_num_queries):
    from tickets.services import add_message, log_time

    ticket = ticket_of_acme()
    browser = signed_in(technician)
    questions = set()
    for before, size in ((0, 3), (3, 30)):
        with acting_as(technician):
            for number in range(before, size):
                add_message(ticket.number, by=technician, kind="note", body=f"Note {number}")
                log_time(ticket.number, by=technician, minutes=number)
        cache.clear()
        with django_assert_max_num_queries(18) as asked:
            answer = browser.get(reverse("tickets:detail", args=[ticket.number]))
        assert answer.content.decode().count("Internal note") == size
        questions.add(len(asked))
    assert len(questions) == 1


def test_pages_the_queue_by_key_without_repeating_or_losing_a_row(technician, acme):
    from tickets.selectors import queue
    from tickets.services import change_status

    numbers = set()
    for number in range(12):
        ticket = ticket_of_acme(subject=f"T{number}", priority=f"p{number % 4 + 1}")
        numbers.add(ticket.number)
        if number % 3 == 0:
            with acting_as(technician):
                change_status(ticket.number, by=technician, status="waiting_client")
    with acting_as(technician):
        found, cursor = [], ""
        for _page in range(10):
            page = queue(technician, "open", cursor=cursor, size=5)
            found += [ticket.number for ticket in page.tickets]
            cursor = page.next_cursor
            if not cursor:
                break
    assert len(found) == len(numbers)
    assert set(found) == numbers


def test_heads_the_queue_by_due_time(technician):
    from datetime import timedelta

    ticket_of_acme(subject="Urgent", priority="p1")
    ticket_of_acme(subject="Calm", priority="p4")
    clock.advance(timedelta(minutes=16))
    page = (
        signed_in(technician).get(reverse("tickets:queue")).content.decode().split("data-rows")[-1]
    )
    assert page.index("Past due") < page.index("Urgent") < page.index("Today")
    assert page.index("Today") < page.index("Calm")


def test_shows_tickets_on_the_pages_of_client_contact_and_device(technician, restricted):
    acme = client_factories.client("Acme")
    device = agent_factories.device(acme)
    contact = client_factories.contact(acme, email="c@acme.example")
    ticket = ticket_of_acme(device_id=device.pk, contact_id=contact.pk)
    for name, key in (
        ("client", acme.public_id),
        ("contact", contact.public_id),
        ("device", device.public_id),
    ):
        url = reverse(f"tickets:{name}-panel", args=[key])
        whole = signed_in(technician).get(url).content.decode()
        part = signed_in(technician).get(url, headers={"HX-Request": "true"}).content.decode()
        assert f"{ticket.number} {ticket.subject}" in whole
        assert f"{ticket.number} {ticket.subject}" in part
        assert "<html" not in part
        assert signed_in(restricted).get(url).status_code == 404


def test_takes_no_ticket_from_a_colleague_who_was_quicker(technician, service_manager):
    ticket = ticket_of_acme()
    tess, mona = signed_in(technician), signed_in(service_manager)
    assign = reverse("tickets:assign", args=[ticket.number])
    assert tess.post(assign, {"owner": technician.pk, "seen": 0}).status_code == 302
    late = mona.post(assign, {"owner": service_manager.pk, "seen": 0})
    assert late.status_code == 409
    assert technician.name in late.content.decode()
    assert seen(ticket.number).owner_id == technician.pk
    again = {"owner": service_manager.pk, "seen": technician.pk}
    assert mona.post(assign, again).status_code == 302
    assert seen(ticket.number).owner_id == service_manager.pk


def test_reopens_nothing_by_a_status_chosen_on_a_page_that_is_out_of_date(
    technician, service_manager
):
    ticket = ticket_of_acme()
    tess, mona = signed_in(technician), signed_in(service_manager)
    tess.post(reverse("tickets:resolve", args=[ticket.number]), {"resolution": "Done."})
    change = reverse("tickets:status", args=[ticket.number])
    for chosen in ({"status": "in_progress", "seen": "new"}, {"status": "waiting_vendor"}):
        assert mona.post(change, chosen).status_code == 409
        assert seen(ticket.number).status == Status.RESOLVED


def test_gives_a_refused_composer_back_with_all_that_was_typed(technician):
    ticket = ticket_of_acme()
    answer = signed_in(technician).post(
        reverse("tickets:compose", args=[ticket.number]),
        {"kind": "call", "body": "She rang.", "minutes": "12", "happened_at": "2027-01-01T10:00"},
    )
    page = answer.content.decode()
    assert answer.status_code == 422
    assert 'value="2027-01-01T10:00"' in page
    assert 'value="12"' in page
    assert "She rang." in page
    # A reload belongs to the ticket, not to the command that was refused.
    assert f'rel="canonical" href="{reverse("tickets:detail", args=[ticket.number])}"' in page


def test_shows_the_owner_of_this_moment_to_a_page_that_stays_open(technician, service_manager):
    ticket = ticket_of_acme()
    mona = signed_in(service_manager)
    signed_in(technician).post(
        reverse("tickets:assign", args=[ticket.number]), {"owner": technician.pk}
    )
    head = mona.get(reverse("tickets:head", args=[ticket.number])).content.decode()
    assert technician.name in head
    assert f'value="{technician.pk}" form="owner-form"' in head


@pytest.mark.parametrize("view", ["open", "resolved"])
@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "2026-03-03T10:00:00,1",
        "0001-01-01T00:00:00+14:00,1",
        "9999-12-31T23:59:59-14:00,1",
    ],
)
def test_a_page_of_the_queue_that_cannot_be_is_refused_in_words(technician, view, cursor):
    answer = signed_in(technician).get(reverse("tickets:queue"), {"view": view, "after": cursor})
    assert answer.status_code == 422
    assert "This page does not exist." in answer.content.decode()


def test_a_link_from_a_contact_or_device_chooses_it_by_its_public_id(technician):
    acme = client_factories.client("Acme")
    cora = client_factories.contact(acme, email="cora@acme.example")
    server = agent_factories.device(acme)
    browser = signed_in(technician)
    for name, row in (("contact", cora), ("device", server)):
        panel = browser.get(reverse(f"tickets:{name}-panel", args=[row.public_id]))
        link = f"?client={acme.public_id}&amp;{name}={row.public_id}"
        assert link in panel.content.decode()
        form = browser.get(reverse("tickets:new") + link.replace("&amp;", "&"))
        assert f'<option value="{row.public_id}" selected>' in form.content.decode()
    odd = browser.get(reverse("tickets:new"), {"client": acme.public_id, "contact": "nonsense"})
    assert odd.status_code == 200
