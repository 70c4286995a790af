"""Every route is classified, and nobody reaches one that is not theirs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client as Browser
from django.urls import URLPattern, URLResolver, get_resolver

from msp.core.access import Route, Who, routes
from msp.core.models import User
from msp.core.permissions import PERMISSIONS
from tests import walk


def _patterns(
    entries: list[URLPattern | URLResolver], namespace: str = ""
) -> Iterator[tuple[str, URLPattern]]:
    for entry in entries:
        if isinstance(entry, URLResolver):
            inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            yield from _patterns(entry.url_patterns, inner)
        else:
            yield f"{namespace}{entry.name}", entry


def _all_routes() -> dict[str, URLPattern]:
    return dict(_patterns(get_resolver().url_patterns))


def test_every_address_is_in_the_registry() -> None:
    assert sorted(set(_all_routes()) - set(routes())) == []


def test_no_entry_outlives_its_address() -> None:
    assert sorted(set(routes()) - set(_all_routes())) == []


def test_every_named_permission_exists() -> None:
    named = {entry.permission for entry in routes().values() if entry.permission}
    assert named <= set(PERMISSIONS)


def test_only_routes_without_a_session_skip_the_form_token() -> None:
    exempt = {name for name, entry in routes().items() if entry.csrf_exempt}
    assert exempt == {name for name, entry in routes().items() if Who.AGENT in entry.who}


def test_every_other_changing_view_checks_the_form_token() -> None:
    unguarded = [
        name
        for name, pattern in _all_routes().items()
        if getattr(pattern.callback, "csrf_exempt", False)
        # DRF marks its views exempt and checks the token in SessionAuthentication itself.
        and not hasattr(pattern.callback, "cls")
        and not routes()[name].csrf_exempt
    ]
    assert unguarded == []


@pytest.mark.django_db
def test_an_unlisted_route_is_refused_at_run_time(
    technician: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser()
    browser.force_login(technician)
    assert browser.get("/notifications/").status_code == 200
    table = {name: entry for name, entry in routes().items() if name != "core:notifications"}
    monkeypatch.setattr("msp.core.middleware.routes", lambda: table)
    assert browser.get("/notifications/").status_code == 404


def _principals(entry: Route) -> set[str]:
    return {str(who) for who in entry.who}


@pytest.mark.django_db
def test_nobody_gets_in_without_signing_in() -> None:
    browser = Browser()
    open_doors = []
    for name, entry in sorted(routes().items()):
        if {Who.ANYONE, Who.AGENT} & entry.who:
            continue
        for method in entry.methods:
            answer = browser.generic(method, walk.address(name))
            ok = answer.status_code == 401 or (
                answer.status_code == 302
                and answer.headers["Location"].startswith("/accounts/login/")
            )
            if not ok:
                open_doors.append((name, method, answer.status_code))
    assert open_doors == []


@pytest.mark.django_db
def test_a_contact_finds_no_staff_page(contact: User) -> None:
    browser = Browser()
    browser.force_login(contact)
    open_doors = []
    for name, entry in sorted(routes().items()):
        if Who.STAFF not in entry.who or Who.PORTAL in entry.who or Who.ANYONE in entry.who:
            continue
        for method in entry.methods:
            answer = browser.generic(method, walk.address(name))
            home = answer.status_code == 302 and answer.headers["Location"] == "/portal/"
            if answer.status_code != 404 and not home:
                open_doors.append((name, method, answer.status_code))
    assert open_doors == []


@pytest.mark.django_db
def test_staff_without_the_permission_are_refused(billing_clerk: User) -> None:
    browser = Browser()
    browser.force_login(billing_clerk)
    allowed = set(billing_clerk.live_grants()[0].permissions)
    open_doors = []
    for name, entry in sorted(routes().items()):
        if Who.STAFF not in entry.who or not entry.permission or entry.permission in allowed:
            continue
        for method in entry.methods:
            answer = browser.generic(method, walk.address(name))
            if answer.status_code != 403:
                open_doors.append((name, method, answer.status_code))
    assert open_doors == []


@pytest.mark.django_db
def test_a_method_that_is_not_listed_is_refused(technician: User) -> None:
    browser = Browser()
    browser.force_login(technician)
    assert browser.post("/notifications/").status_code == 405
    assert browser.delete("/notifications/read/").status_code == 405
