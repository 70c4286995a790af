"""The gallery in Chromium: accessible in both themes and three widths, quiet console, no spill."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from playwright.sync_api import ConsoleMessage, Page, sync_playwright

from msp.core.models import User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = (1440, 768, 390)
NARROWEST = 320  #: WCAG 1.4.10


@pytest.fixture
def cookie(technician: User) -> dict[str, str]:
    """Sign in where the database may still be asked: Playwright's loop forbids it later."""
    client = Client()
    client.force_login(technician)
    name = settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value}


@contextmanager
def opened(
    url: str, cookie: dict[str, str], *, width: int = 1440, theme: str = "light"
) -> Iterator[tuple[Page, list[str]]]:
    """Open the gallery and gather what the console complains about, policy reports included."""
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if theme == "dark" else "light",
        )
        context.add_cookies([cookie | {"url": url}])  # type: ignore[list-item]
        page = context.new_page()
        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "response",
            lambda answer: complaints.append(answer.url) if answer.status >= 400 else None,
        )
        page.goto(f"{url}/ui/")
        page.wait_for_function("() => customElements.get('row-list') !== undefined")
        yield page, complaints
        browser.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_violation_at_any_width_and_a_quiet_console(
    theme: str, live_server_url: str, cookie: dict[str, str]
) -> None:
    with opened(live_server_url, cookie, theme=theme) as (page, complaints):
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            found = Axe().run(page, options={"runOnly": RULES}).response["violations"]
            faults = [(fault["id"], fault["nodes"][0]["target"]) for fault in found]
            assert faults == [], f"at {width} px"
        assert complaints == []


def test_nothing_spills_sideways_on_the_narrowest_screen(
    live_server_url: str, cookie: dict[str, str]
) -> None:
    with opened(live_server_url, cookie, width=NARROWEST) as (page, _):
        assert page.evaluate("document.documentElement.scrollWidth") == NARROWEST


def test_theme_and_density_are_kept_over_a_reload(
    live_server_url: str, cookie: dict[str, str]
) -> None:
    with opened(live_server_url, cookie) as (page, _):
        page.locator("main [data-theme-set=dark]").click()
        page.locator("main [data-density-set=compact]").click()
        page.reload()
        root = page.locator("html")
        assert root.get_attribute("data-theme") == "dark"
        assert root.get_attribute("data-density") == "compact"
        pressed = page.locator("main [data-theme-set=dark]").get_attribute("aria-pressed")
        assert pressed == "true"


def test_question_mark_lists_keys_and_focus_comes_back(
    live_server_url: str, cookie: dict[str, str]
) -> None:
    with opened(live_server_url, cookie) as (page, _):
        button = page.locator("[data-opens=specimen-dialog]")
        button.focus()
        page.keyboard.press("Enter")
        assert page.locator("#specimen-dialog").is_visible()
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement.dataset.opens") == "specimen-dialog"
        page.keyboard.press("?")
        assert page.locator("#keys-help").is_visible()
        assert "?" in page.locator("#keys-help dl").inner_text()


def test_a_draft_survives_a_reload_and_a_note_changes_the_paper(
    live_server_url: str, cookie: dict[str, str]
) -> None:
    with opened(live_server_url, cookie) as (page, _):
        text = page.locator("reply-composer textarea")
        text.fill("Hi Dana, thank you.")
        page.reload()
        assert text.input_value() == "Hi Dana, thank you."
        paper = "getComputedStyle(document.querySelector('.composer')).backgroundColor"
        before = page.evaluate(paper)
        page.locator("reply-composer input[value=note]").check()
        assert page.evaluate(paper) != before


def test_a_running_promise_counts_on_in_the_browser(
    live_server_url: str, cookie: dict[str, str]
) -> None:
    with opened(live_server_url, cookie) as (page, _):
        page.evaluate(
            """() => {
                const badge = document.querySelector("sla-badge.warn");
                badge.id = "counting";
                badge.dataset.due = new Date(Date.now() - 90_000).toISOString();
            }"""
        )
        page.wait_for_function(
            "() => document.querySelector('#counting.bad')?.innerText === '1 min over'"
        )


def test_a_single_key_opens_the_note_and_typing_stays_typing(
    live_server_url: str, cookie: dict[str, str]
) -> None:
    with opened(live_server_url, cookie) as (page, _):
        page.keyboard.press("o")
        page.keyboard.type("o for once")
        text = page.locator("reply-composer textarea")
        assert text.input_value() == "o for once"
        assert page.locator("reply-composer input[value=note]").is_checked()


def test_single_keys_can_be_turned_off(live_server_url: str, cookie: dict[str, str]) -> None:
    with opened(live_server_url, cookie) as (page, _):
        page.keyboard.press("?")
        page.locator("[data-keys-toggle]").click()
        page.keyboard.press("Escape")
        page.keyboard.press("o")
        assert not page.locator("reply-composer input[value=note]").is_checked()
