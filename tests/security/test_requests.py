"""Requests that nobody honest sends get an answer that is short, right and never a 500."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core import mail
from django.test import Client as Browser
from django.urls import reverse

from msp.core import notify
from msp.core.accounts import PORTAL_HOME
from msp.core.api.parsers import MAX_BODY_BYTES
from msp.core.enums import Channel, NotificationState
from msp.core.models import Notification, User

pytestmark = pytest.mark.django_db

LOGIN = "/accounts/login/"


@pytest.fixture
def manager(service_manager: User) -> Browser:
    browser = Browser()
    browser.force_login(service_manager)
    return browser


@pytest.mark.parametrize("path", ["/notifications/", "/api/v1/me/", "/absent/"])
def test_what_a_person_sees_stays_out_of_caches(manager: Browser, path: str) -> None:
    assert manager.get(path).headers["Cache-Control"] == "private, no-store"


def test_a_view_may_say_more_of_caching_itself(manager: Browser) -> None:
    assert "max-age=0" in manager.get(LOGIN).headers["Cache-Control"]


@pytest.mark.parametrize("name", ["clients:list", "agents:list", "monitoring:alerts"])
def test_a_zero_byte_in_a_query_is_bad_input(manager: Browser, name: str) -> None:
    assert manager.get(f"{reverse(name)}?q=a%00b").status_code == 422


@pytest.mark.parametrize("name", ["clients-api:clients", "agents-api:devices"])
def test_a_zero_byte_in_a_query_of_the_api_is_bad_input(manager: Browser, name: str) -> None:
    answer = manager.get(f"{reverse(name)}?q=%00")
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_input")


@pytest.mark.parametrize(
    "after",
    ["0001-01-01T00:00:00+23:59,1", "9999-12-31T23:59:59-23:59,1", "none1," + "9" * 5000, "x,1"],
)
def test_a_place_in_the_queue_that_cannot_be_is_bad_input(manager: Browser, after: str) -> None:
    assert manager.get(reverse("tickets:queue"), {"after": after}).status_code == 422


def test_a_number_too_long_to_read_is_bad_input(manager: Browser) -> None:
    answer = manager.post(reverse("clients:policy-new"), {"warnings": "1" * 5000})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 100_000, 400),
        (b'{"name": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", 400),
        (rb'{"name": "Acme", "state": "\ud800"}', 400),
        (b'{"name": "\xff"}', 400),
        (b'{"name": NaN}', 400),
        (b'{"name": ' + b"9" * 5_000 + b"}", 400),
        (b'{"name": "' + b"x" * MAX_BODY_BYTES + b'"}', 413),
        (rb'{"name": "a\u0000b"}', 422),
        (b"[]", 422),
        (b"", 422),
    ],
)
def test_a_hostile_body_is_refused_by_the_api(manager: Browser, body: bytes, status: int) -> None:
    answer = manager.post(reverse("clients-api:clients"), body, content_type="application/json")
    assert answer.status_code == status
    assert set(answer.json()) >= {"code", "message"}


def test_a_plain_body_is_taken_by_the_api(manager: Browser) -> None:
    answer = manager.post(
        reverse("clients-api:clients"),
        json.dumps({"name": "Ångström & Söhne"}),
        content_type="application/json",
    )
    assert (answer.status_code, answer.json()["name"]) == (201, "Ångström & Söhne")


@pytest.mark.parametrize(
    ("page", "back"),
    [
        ("http://testserver/alerts/?tab=open&page=2", "/alerts/?tab=open&page=2"),
        ("https://evil.example/x?a=b&next=c", "/x?a=b&next=c"),
        ("https:////evil.example/x", "/evil.example/x"),
        (r"https://h/\evil.example", "/evil.example"),
        ("http://[x", "/"),
        ("", "/"),
    ],
)
def test_htmx_is_sent_to_sign_in_and_back_to_a_page_of_ours(page: str, back: str) -> None:
    answer = Browser().get("/alerts/", headers={"HX-Request": "true", "HX-Current-URL": page})
    target = urlsplit(answer.headers["HX-Redirect"])
    assert (target.netloc, target.path) == ("", LOGIN)
    assert parse_qs(target.query) == {"next": [back]}


def test_asking_for_a_password_does_not_tell_who_has_one(technician: User) -> None:
    answers = [
        Browser().post(reverse("account_reset_password"), {"email": address})
        for address in (technician.email, "nobody@msp.example")
    ]
    assert [answer.status_code for answer in answers] == [302, 302]
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    assert [message.to for message in mail.outbox] == [[technician.email]]


def test_the_portals_home_is_where_the_adapter_says() -> None:
    assert reverse("portal:home") == PORTAL_HOME


@pytest.mark.urls("msp.urls_staff")
def test_a_contact_who_signs_in_where_only_staff_are_served_is_sent_on(contact: User) -> None:
    browser = Browser()
    browser.force_login(contact)
    for path in ("/", LOGIN):
        answer = browser.get(path)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/portal/")


def test_a_subject_with_lines_in_it_is_one_line(technician: User) -> None:
    notify.tell(technician, key="k", subject="a\r\nBcc: x@evil.example", channels=(Channel.EMAIL,))
    assert notify.send_due() == 1
    [sent] = mail.outbox
    assert (sent.subject, sent.recipients()) == ("a Bcc: x@evil.example", [technician.email])


def test_a_mail_that_cannot_be_written_does_not_hold_up_the_next(technician: User) -> None:
    def waiting(key: str, **fields: Any) -> Notification:
        return Notification.objects.create(
            key=key,
            channel=Channel.EMAIL,
            recipient=technician,
            address=technician.email,
            state=NotificationState.PENDING,
            **fields,
        )

    bad = waiting("bad", subject="a\nb")
    good = waiting("good", subject="fine", url="/accounts/password/reset/key/1-secret/")
    assert notify.send_due() == 2
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.state, good.state) == (NotificationState.PENDING, NotificationState.SENT)
    assert "BadHeaderError" in bad.last_error
    assert "1-secret" in mail.outbox[0].body
    assert good.url == ""  # whoever reads the table later finds no way in
