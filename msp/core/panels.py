"""Pages that combine apps: a higher app registers a fragment for a lower app's page.

`register("ticket", Panel(...))` in an app's `apps.py`; the page loops over `panels("ticket", user)`
and htmx fetches each. The page's app imports nothing from above.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise

from msp.core.permissions import can
from msp.core.scope import Principal


@dataclass(frozen=True)
class Panel:
    """One fragment: the URL name takes the page's public id (or number) as its only argument."""

    key: str
    title: str | Promise
    url_name: str
    order: int
    permission: str | None = None


_panels: dict[str, dict[str, Panel]] = {}


def register(page: str, panel: Panel) -> None:
    """Add a fragment to a page ("client", "contact", "contract", "device", "ticket").

    Registering a key twice replaces it.
    """
    _panels.setdefault(page, {})[panel.key] = panel


def panels(page: str, user: Principal) -> list[Panel]:
    """Return the fragments of a page that this person may see, in order."""
    return sorted(
        (
            panel
            for panel in _panels.get(page, {}).values()
            if panel.permission is None or can(user, panel.permission)
        ),
        key=lambda panel: (panel.order, panel.key),
    )
