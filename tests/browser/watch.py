"""Chromium with ears: whatever a page complains of fails the test that opened it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Request, Response, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: Chromium says so itself for every answer of 4xx; whether one is right, the test says.
_ITS_OWN_WORDS = "Failed to load resource"
_SERVER_ERROR = 500
WIDE, HIGH = 1440, 900
#: WCAG 2.2 AA, and what axe holds for good practice.
AXE_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass
class Complaints:
    """What a page complained of: console errors, policy reports, 5xx, requests to other hosts."""

    url: str
    found: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        """Gather from a page whatever should not be."""
        page.on(
            "console",
            lambda message: (
                self.found.append(f"console: {message.text}")
                if message.type in ("error", "warning") and _ITS_OWN_WORDS not in message.text
                else None
            ),
        )
        page.on("pageerror", lambda error: self.found.append(f"script: {error}"))
        page.on("request", self._asked)
        page.on("response", self._answered)

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        is_ours = parts.netloc == urlsplit(self.url).netloc
        if parts.scheme in ("http", "https", "ws", "wss") and not is_ours:
            self.found.append(f"outside: {request.url}")

    def _answered(self, response: Response) -> None:
        if response.status >= _SERVER_ERROR:
            self.found.append(f"{response.status}: {response.url}")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the system's Chromium.

    Inside, Playwright's event loop runs in this thread, and Django refuses to ask its database:
    make rows and sessions before.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visitor(
    browser: Browser,
    url: str,
    *,
    cookie: dict[str, str] | None = None,
    width: int = WIDE,
    height: int = HIGH,
    theme: str = "light",
) -> Iterator[Page]:
    """Open a page of somebody's own, signed in by a session's cookie; fail if it complained."""
    context: BrowserContext = browser.new_context(
        base_url=url,
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
    )
    if cookie:
        context.add_cookies([cookie | {"url": url}])  # type: ignore[list-item]
    complaints = Complaints(url)
    page = context.new_page()
    complaints.listen(page)
    try:
        yield page
    finally:
        context.close()
    assert complaints.found == []


def sign_in(page: Page, email: str, password: str) -> None:
    """Sign in through the form, as people do."""
    page.goto("/accounts/login/")
    page.get_by_label("E-mail", exact=False).fill(email)
    page.locator("input[type=password]").fill(password)
    page.locator("form button[type=submit]").first.click()
    page.wait_for_url(lambda address: "/accounts/login" not in address)
