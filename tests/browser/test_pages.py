"""Every page in Chromium with real rows: accessible, quiet, within the narrowest screen.

The pages come from the registry (`msp/access.py`), so a new one is looked at without being listed
here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from msp.core import clock
from msp.core.access import Who, routes
from msp.core.models import User
from tests import walk
from tests.browser.watch import AXE_RULES, HIGH, WIDE, chromium, visitor
from tests.factories import core as make_staff
from tests.factories.estate import Estate, estate

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE, NARROWEST = 390, 320  #: px; the second by WCAG 1.4.10
#: Answers that are no pages: files and programs' answers.
NO_PAGE = ("-pdf", "-api:", "api-schema", "healthz")
#: Pages whose rows differ so much that each state is looked at.
EACH_STATE = ("tickets:detail", "portal:ticket", "billing:invoice", "portal:invoice")
WORD = "Meridian"
AREAS = ("account", "core", "clients", "agents", "tickets", "monitoring", "billing")

CookieOf = Callable[[User], dict[str, str]]


@pytest.fixture
def small_world(db: None) -> tuple[Estate, User]:
    """Make a client with one of everything, lately, and somebody who may see it all."""
    worker = make_staff.staff("service_manager", email="wes@msp.example", name="Wes Worker")
    made = estate("Estate", WORD, worker=worker, now=clock.now() - timedelta(minutes=1))
    manager = make_staff.staff("administrator", email="mona@msp.example", name="Mona Manager")
    return made, manager


@pytest.mark.parametrize("area", AREAS)
def test_pages_of_the_staff(
    area: str, live_server_url: str, small_world: tuple[Estate, User], cookie_of: CookieOf
) -> None:
    of, manager = small_world
    pages = [name for name in _pages(Who.STAFF) if name.startswith((f"{area}:", f"{area}_"))]
    _look(live_server_url, cookie_of(manager), _addresses(pages, of))


def test_pages_of_the_portal(
    live_server_url: str, small_world: tuple[Estate, User], cookie_of: CookieOf
) -> None:
    of, _manager = small_world
    pages = [name for name in _pages(Who.PORTAL) if name.startswith("portal:")]
    _look(live_server_url, cookie_of(of.manager), _addresses(pages, of))


def test_pages_for_anyone(live_server_url: str) -> None:
    pages = [name for name in _pages(Who.ANYONE) if not walk.parameters(name)]
    _look(live_server_url, None, [(name, walk.address(name)) for name in pages])


def test_every_page_belongs_to_an_area() -> None:
    starts = tuple(f"{area}{end}" for area in AREAS for end in (":", "_"))
    strays = [name for name in _pages(Who.STAFF) if not name.startswith(starts)]
    assert [name for name in strays if Who.PORTAL not in routes()[name].who] == []


def _pages(who: Who) -> list[str]:
    return sorted(
        name
        for name, entry in routes().items()
        if who in entry.who and "GET" in entry.methods and not any(x in name for x in NO_PAGE)
    )


def _addresses(names: Iterable[str], of: Estate) -> list[tuple[str, str]]:
    return [
        (name, walk.address(name, arguments))
        for name in names
        for arguments in _arguments(name, of)
    ]


def _arguments(name: str, of: Estate) -> list[dict[str, object]]:
    if not walk.parameters(name):
        return [{}]
    if name in walk.OURS:
        return [found] if (found := walk.ours(name)) else []
    found_rows = walk.objects(name, of)
    return found_rows if name in EACH_STATE else found_rows[:1]


def _look(url: str, cookie: dict[str, str] | None, addresses: list[tuple[str, str]]) -> None:
    """Open each page and gather what is wrong with it, at all widths and in both themes."""
    faults: list[str] = []
    assert addresses
    with chromium() as browser, visitor(browser, url, cookie=cookie) as page:
        for name, address in addresses:
            answer = page.goto(address)
            assert answer is not None
            if answer.status in (404, 409) and name in (*EACH_STATE, "billing:credit"):
                continue  # an alert's ticket is no client's; a draft is not shown or credited
            if answer.status != 200:
                faults.append(f"{name}: {answer.status}")
                continue
            if "<html" not in answer.text():
                faults += _syntax(name, answer.text())  # a fragment: the pages that hold it tell
                continue
            faults += [f"{name}, {fault}" for fault in _faults_of(page)]
    assert not faults, "\n".join(faults)


def _faults_of(page: Page) -> Iterator[str]:
    yield from _syntax("text", page.locator("body").inner_text())
    for theme, width in (("light", WIDE), ("dark", WIDE), ("light", PHONE)):
        page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": HIGH})
        found = Axe().run(page, options={"runOnly": AXE_RULES}).response["violations"]
        for fault in found:
            yield f"{theme} at {width}: {fault['id']} {fault['nodes'][0]['target']}"
    page.set_viewport_size({"width": NARROWEST, "height": HIGH})
    wide = page.evaluate("() => document.documentElement.scrollWidth")
    if wide > NARROWEST:
        yield f"{wide} px wide at {NARROWEST}"
    page.set_viewport_size({"width": WIDE, "height": HIGH})


def _syntax(name: str, text: str) -> list[str]:
    return [f"{name}: {mark} in the text" for mark in ("{%", "{{", "{#") if mark in text]
