"""Take pictures of the seeded demo in Chromium, as WebP of at most 80 KB each.

    python scripts/screenshots.py                 the kept ones, into docs/screenshots/
    python scripts/screenshots.py --all DIR       every view, light and dark, 1440 and 390 px

Servers, web process and agent are its own, and end with it.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from PIL import Image  # noqa: E402
from playwright.sync_api import Browser, Page  # noqa: E402

from tests.browser.watch import chromium, sign_in, visitor  # noqa: E402
from tests.stage import Stage, free_port, wait_until_healthy, web_command  # noqa: E402

MOST_BYTES = 80 * 1024
QUALITIES = range(82, 20, -6)
WIDE, PHONE = 1440, 390
HEIGHTS = {WIDE: 900, PHONE: 844}
THEMES = ("light", "dark")
#: What the pictures of this machine's page need: a minute of reports, taken in less.
AGENT_SECONDS, AGENT_INTERVAL = 25, 0.5


@dataclass(frozen=True)
class View:
    """A page, who looks at it, and how one gets there from where they start."""

    name: str
    who: str
    go: Callable[[Page], object]


def _open(address: str) -> Callable[[Page], object]:
    return lambda page: page.goto(address)


def _follow(address: str, *texts: str) -> Callable[[Page], object]:
    """Open a page and follow the first link that contains each text."""

    def go(page: Page) -> None:
        page.goto(address)
        for text in texts:
            page.get_by_role("link").filter(has_text=text).first.click()
            page.wait_for_load_state("networkidle")

    return go


VIEWS = (
    View("sign-in", "", _open("/accounts/login/")),
    View("queue", "Technician", _open("/?view=open")),
    View("ticket", "Technician", _follow("/?view=open", "Practice software does not start")),
    View("alerts", "Technician", _open("/alerts/")),
    View("devices", "Technician", _open("/devices/")),
    View("device", "Technician", _follow("/devices/", "bw-office-01", "1 h")),
    View("client", "Service manager", _follow("/clients/", "Harbour Dental Group")),
    View("invoices", "Service manager", _open("/invoices/")),
    View("invoice", "Service manager", _follow("/invoices/", "INV-1002")),
    View("portal-home", "Contact at Harbour Dental Group", _open("/portal/")),
    View(
        "portal-ticket",
        "Contact at Harbour Dental Group",
        _follow("/portal/requests/", "Practice software does not start"),
    ),
)
#: The handful in the repository: view, theme, width.
KEPT = {
    ("queue", "light", WIDE), ("queue", "dark", WIDE), ("queue", "light", PHONE),
    ("ticket", "light", WIDE), ("ticket", "dark", PHONE), ("device", "light", WIDE),
    ("alerts", "dark", WIDE), ("client", "light", WIDE), ("invoice", "light", WIDE),
    ("portal-home", "light", WIDE), ("portal-ticket", "light", PHONE),
    ("sign-in", "light", WIDE),
}  # fmt: skip


def main() -> None:
    """Take the pictures and name each with its size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", type=Path, metavar="DIR", help="every view, into this directory")
    options = parser.parse_args()
    directory = options.all or ROOT / "docs" / "screenshots"
    directory.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="msp-pictures-") as temporary,
        _demo(Path(temporary)) as (url, sign_ins),
        chromium() as browser,
    ):
        for path in _pictures(browser, url, sign_ins, directory, every=bool(options.all)):
            print(f"{path.stat().st_size / 1024:5.0f} KB  {path}")


def _pictures(
    browser: Browser,
    url: str,
    sign_ins: dict[str, tuple[str, str]],
    directory: Path,
    *,
    every: bool,
) -> Iterator[Path]:
    for who in dict.fromkeys(view.who for view in VIEWS):
        with visitor(browser, url) as page:
            if who:
                sign_in(page, *sign_ins[who])
            for view in (view for view in VIEWS if view.who == who):
                for theme in THEMES:
                    for width, height in HEIGHTS.items():
                        if every or (view.name, theme, width) in KEPT:
                            page.set_viewport_size({"width": width, "height": height})
                            page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
                            view.go(page)
                            page.wait_for_load_state("networkidle")
                            size = "-phone" if width == PHONE else ""
                            path = directory / f"{view.name}-{theme}{size}.webp"
                            path.write_bytes(_small(page.screenshot()))
                            yield path


def _small(picture: bytes) -> bytes:
    """Return a PNG as WebP below the limit, as good as it can be there.

    Errors: RuntimeError if it is too much for any quality.
    """
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    for quality in QUALITIES:
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=quality, method=6)
        if buffer.tell() <= MOST_BYTES:
            return buffer.getvalue()
    raise RuntimeError("A picture does not fit into 80 KB.")


@contextmanager
def _demo(directory: Path) -> Iterator[tuple[str, dict[str, tuple[str, str]]]]:
    """Run the demo; yield its address and the sign-ins by who they are."""
    port = free_port()
    url = f"http://localhost:{port}"
    stage = Stage("msp.settings.dev", PUBLIC_URL=url, PORT=str(port), VAR_DIR=str(directory))
    try:
        stage.manage("setup_database", "-v0")
        signins, token = directory / "signins.json", directory / "token"
        stage.manage("seed_demo", "--signins", str(signins), "--agent-token-file", str(token))
        with (directory / "web.log").open("w") as log:
            web = stage.start("web", *web_command(port), stdout=log, stderr=log)
            wait_until_healthy(url, web, directory / "web.log")
            _report(stage, url, directory, log)
        rows = json.loads(signins.read_text())
        yield url, {row["who"]: (row["email"], row["password"]) for row in rows}
    finally:
        stage.close()


def _report(stage: Stage, url: str, directory: Path, log: io.TextIOBase) -> None:
    """Let this machine's agent join the demo and report for a moment."""
    endpoint = ROOT / "agents" / "endpoint"
    stage.start(
        "agent", sys.executable, "-m", "msp_agent", "run", "--server", url,
        "--token-file", str(directory / "token"), "--state-dir", str(directory / "agent"),
        "--name", "bw-office-01", "--interval", str(AGENT_INTERVAL),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(endpoint)}, cwd=endpoint,
        stdout=log, stderr=subprocess.STDOUT,
    )  # fmt: skip
    time.sleep(AGENT_SECONDS)


if __name__ == "__main__":
    main()
