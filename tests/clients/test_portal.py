"""The portal: one company at a time, and its people for those who manage it."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from clients import services
from msp.core.models import User
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories import clients as make

SYSTEM = SystemPrincipal("tests")
CHOOSE, PEOPLE = "/portal/company/", "/portal/people/"


def browser(user: User) -> Browser:
    signed_in = Browser()
    signed_in.force_login(user)
    return signed_in


@pytest.fixture
def twin(db: None) -> User:
    """Manages Acme, and works at Birch."""
    user = make.portal_user("Acme", email="twin@acme.example", name="Twin", roles=["manager"])
    make.contact(
        make.client("Birch"),
        email="twin@birch.example",
        name="Twin B",
        user=user,
        roles=["employee"],
    )
    return user


def test_lists_the_own_companies_only(twin, stranger) -> None:
    page = browser(twin).get(CHOOSE).content
    assert b"Acme" in page
    assert b"Birch" in page
    assert b"Rival" not in page


def test_a_choice_holds_for_the_session_and_may_be_changed(twin) -> None:
    signed_in = browser(twin)
    assert signed_in.get(PEOPLE).status_code == 404  # for whom, is not chosen yet
    acme, birch = make.client("Acme"), make.client("Birch")
    chosen = signed_in.post(CHOOSE, {"client": acme.public_id})
    assert chosen.headers["Location"] == reverse("portal:home")
    assert signed_in.session["active_client_id"] == acme.pk
    assert b"Twin B" not in signed_in.get(PEOPLE).content
    signed_in.post(CHOOSE, {"client": birch.public_id})
    assert signed_in.get(PEOPLE).status_code == 404  # an employee there


def test_another_company_cannot_be_chosen(twin, stranger) -> None:
    signed_in = browser(twin)
    for wanted in (make.client("Rival").public_id, "rubbish", ""):
        assert signed_in.post(CHOOSE, {"client": wanted}).status_code == 404
    assert "active_client_id" not in signed_in.session


def test_a_choice_ends_with_the_contact(twin) -> None:
    signed_in = browser(twin)
    acme = make.client("Acme")
    signed_in.post(CHOOSE, {"client": acme.public_id})
    with acting_as(SYSTEM):
        services.archive_contact(acme.contacts.get(user=twin).pk, by=SYSTEM)
    assert signed_in.get(PEOPLE).status_code == 404
    assert b"Acme" not in signed_in.get(CHOOSE).content.replace(b"twin@acme", b"")


def test_managers_see_their_people_and_nobody_elses(stranger, contact) -> None:
    make.contact(make.client("Rival"), email="r2@rival.example", name="Rita Rival")
    page = browser(stranger).get(PEOPLE).content
    assert b"Rita Rival" in page
    assert b"Ada" not in page


def test_employees_have_no_page_of_people_and_no_link_to_one(contact, stranger) -> None:
    assert browser(contact).get(PEOPLE).status_code == 404
    assert PEOPLE.encode() not in browser(contact).get(CHOOSE).content
    assert PEOPLE.encode() in browser(stranger).get(PEOPLE).content


def test_who_has_one_company_is_not_asked_to_choose(stranger, twin) -> None:
    assert f'href="{CHOOSE}"'.encode() not in browser(stranger).get(PEOPLE).content
    assert f'href="{CHOOSE}"'.encode() in browser(twin).get(CHOOSE).content


def test_staff_have_no_portal(technician) -> None:
    for url in (CHOOSE, PEOPLE):
        assert browser(technician).get(url).status_code == 404


def test_people_cost_the_same_queries_however_many(stranger) -> None:
    signed_in = browser(stranger)
    rival = make.client("Rival")
    signed_in.get(PEOPLE)
    counts = []
    for many in (3, 30):
        for number in range(len(counts) * 3, many):
            make.contact(
                rival,
                email=f"c{number}@rival.example",
                site=make.site(rival, f"Site {number}"),
            )
        with CaptureQueriesContext(connection) as asked:
            assert signed_in.get(PEOPLE).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1]
