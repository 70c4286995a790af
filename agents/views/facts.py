"""How a section of the inventory is read on a page: paths with words, numbers with units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agents.models import InventorySection
from msp.core.templatetags.ui import byte_words

TITLES: Mapping[str, Promise] = {"system": gettext_lazy("Hardware and system")}
LABELS: Mapping[str, Promise] = {
    "hostname": gettext_lazy("Host name"),
    "os.family": gettext_lazy("Family"),
    "os.name": gettext_lazy("System"),
    "os.version": gettext_lazy("Version"),
    "kernel": gettext_lazy("Kernel"),
    "architecture": gettext_lazy("Architecture"),
    "cpu.model": gettext_lazy("Processor"),
    "cpu.cores": gettext_lazy("Cores"),
    "cpu.threads": gettext_lazy("Threads"),
    "ram_bytes": gettext_lazy("Memory"),
    "boot_time": gettext_lazy("Started"),
    "agent_version": gettext_lazy("Agent"),
}
#: A section is somebody else's words: a page shows this much of it.
MAX_FACTS = 60
MAX_TEXT = 200


@dataclass(frozen=True)
class Fact:
    """One line of a card: words, or an instant that the template writes in the reader's zone."""

    label: str
    value: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class SectionCard:
    title: str
    facts: list[Fact]
    seen_at: datetime


def cards(sections: Iterable[InventorySection]) -> list[SectionCard]:
    """Return the sections of a device as a page shows them."""
    return [
        SectionCard(
            title=str(TITLES.get(row.section, row.section)),
            facts=[
                _fact(path, value) for path, value in list(_leaves("", row.content))[:MAX_FACTS]
            ],
            seen_at=row.seen_at,
        )
        for row in sections
    ]


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(f"{path}.{name}" if path else str(name), inner)
    else:
        yield path, value


def _fact(path: str, value: Any) -> Fact:
    label = str(LABELS.get(path, path))
    if path == "boot_time" and isinstance(value, int | float):
        try:
            return Fact(label, at=datetime.fromtimestamp(value / 1000, UTC))
        except (OverflowError, ValueError, OSError):
            return Fact(label, "–")
    return Fact(label, _words(path, value))


def _words(path: str, value: Any) -> str:
    if value is None or value == "":
        return "–"
    if path.endswith("_bytes") and isinstance(value, int | float):
        return byte_words(value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(value)[:MAX_TEXT]
