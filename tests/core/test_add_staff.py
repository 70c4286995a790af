"""The first administrator comes from the command line, with a link instead of a password."""

from __future__ import annotations

from io import StringIO
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client as Browser

from msp.core.models import AuditEntry, Grant, User
from msp.core.permissions import can
from tests.factories import core as make

pytestmark = pytest.mark.django_db

EMAIL = "ann@msp.example"
CHOSEN = "a long pass phrase of my own"


@pytest.fixture(autouse=True)
def _roles() -> None:
    """See to the default roles: a transactional test before may have flushed them."""
    make.role("administrator")
    make.role("technician")


def add(email: str = EMAIL, role: str = "administrator", **options: str) -> str:
    out = StringIO()
    call_command("add_staff", email, name="Ann Admin", role=role, stdout=out, **options)
    return out.getvalue()


def link_in(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("http"))


def choose_password(link: str, password: str = CHOSEN) -> int:
    """Follow the link as a browser does; return the status of the answer to the form."""
    browser = Browser()
    form = browser.get(urlsplit(link).path, follow=True)
    address = form.redirect_chain[-1][0] if form.redirect_chain else urlsplit(link).path
    answer = browser.post(address, {"password1": password, "password2": password})
    return answer.status_code


def test_adds_an_administrator_for_all_clients() -> None:
    add()
    user = User.objects.get(email=EMAIL)
    assert user.is_staff_member
    assert user.name == "Ann Admin"
    assert can(user, "core.users")
    assert can(user, "tickets.work", client_id=1)


def test_gives_exactly_the_role_asked_for() -> None:
    add(role="technician")
    user = User.objects.get(email=EMAIL)
    assert can(user, "tickets.work")
    assert not can(user, "core.users")


def test_sets_no_password_and_sends_no_mail() -> None:
    add()
    assert not User.objects.get(email=EMAIL).has_usable_password()
    assert mail.outbox == []


def test_prints_a_link_on_the_public_address() -> None:
    assert link_in(add()).startswith(f"{settings.PUBLIC_URL}/accounts/password/reset/key/")


def test_the_link_lets_the_person_choose_a_password_and_sign_in() -> None:
    assert choose_password(link_in(add())) == 302
    browser = Browser()
    browser.post("/accounts/login/", {"login": EMAIL, "password": CHOSEN})
    assert browser.get("/notifications/").status_code == 200


def test_the_link_works_once() -> None:
    link = link_in(add())
    choose_password(link)
    choose_password(link, "another phrase, of somebody else")
    user = User.objects.get(email=EMAIL)
    assert user.check_password(CHOSEN)


def test_writes_audit_rows_for_the_person_and_the_role() -> None:
    add()
    acts = AuditEntry.objects.filter(actor_label="manage.py add_staff")
    assert sorted(acts.values_list("action", flat=True)) == ["grant.given", "user.added"]


def test_refuses_an_address_that_is_taken_and_changes_nothing() -> None:
    add()
    with pytest.raises(CommandError, match="already"):
        add("ANN@msp.example", role="technician")
    assert User.objects.filter(email__iexact=EMAIL).count() == 1
    assert Grant.objects.filter(user__email=EMAIL).count() == 1


def test_refuses_an_unknown_role_and_names_the_known_ones() -> None:
    with pytest.raises(CommandError, match=r"administrator.*technician"):
        add(role="wizard")
    assert not User.objects.filter(email=EMAIL).exists()


def test_refuses_what_is_no_address() -> None:
    with pytest.raises(CommandError, match="no e-mail address"):
        add("ann at msp")
