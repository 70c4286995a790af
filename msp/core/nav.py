"""The areas at the left of the screen: each app registers its own, and the shell shows them.

Areas are registered when an app is ready, so the ground floor never imports upward. `verify_areas`
runs in a test and refuses an area whose address does not exist.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise

from msp.core.models import User
from msp.core.permissions import can

log = logging.getLogger(__name__)

#: A count may be this old (s); the first who asks after that pays for all tabs of a person.
COUNT_SECONDS = 5

Count = Callable[[User], int | None]


@dataclass(frozen=True)
class Area:
    """One entry of the navigation. `order` sorts; the first four are the phone's dock."""

    key: str
    label: str | Promise
    icon: str
    url_name: str
    order: int
    section: str | Promise = ""
    permission: str | None = None
    count: Count | None = None
    #: The count asks for action: it is red, and a red dot where there is no room for figures.
    is_hot: bool = False
    #: The letter after G that leads here, and for actions the single key.
    shortcut: str = ""
    #: Portal areas that not every contact has.
    shown_to: Callable[[User], bool] | None = None


_areas: dict[str, Area] = {}
_actions: dict[str, Area] = {}
_portal_areas: dict[str, Area] = {}


def register_area(
    key: str,
    label: str | Promise,
    icon: str,
    url_name: str,
    order: int,
    section: str | Promise = "",
    permission: str | None = None,
    count: Count | None = None,
    *,
    is_hot: bool = False,
    shortcut: str = "",
) -> None:
    """Add an area of the staff screens; registering a key again replaces it."""
    _areas[key] = Area(
        key, label, icon, url_name, order, section, permission, count, is_hot, shortcut
    )


def register_action(
    key: str,
    label: str | Promise,
    icon: str,
    url_name: str,
    order: int,
    permission: str | None = None,
    *,
    shortcut: str = "",
) -> None:
    """Add something to create from anywhere, shown at the end of the top bar: "New ticket"."""
    _actions[key] = Area(key, label, icon, url_name, order, "", permission, shortcut=shortcut)


def register_portal_area(
    key: str,
    label: str | Promise,
    url_name: str,
    order: int,
    *,
    icon: str = "",
    shown_to: Callable[[User], bool] | None = None,
) -> None:
    """Add an area of the client portal; `shown_to` says to whom, everybody without it."""
    _portal_areas[key] = Area(key, label, icon, url_name, order, shown_to=shown_to)


def areas_for(user: User) -> list[Area]:
    """Return the areas a person may open, in order; none for a portal user."""
    if not user.is_staff_member:
        return []
    return _allowed(_areas, user)


def actions_for(user: User) -> list[Area]:
    """Return what a person may create from anywhere, in order."""
    if not user.is_staff_member:
        return []
    return _allowed(_actions, user)


def portal_areas_for(user: User) -> list[Area]:
    """Return the areas of the portal; none for staff."""
    if not user.is_portal_user:
        return []
    return sorted(
        (area for area in _portal_areas.values() if area.shown_to is None or area.shown_to(user)),
        key=lambda area: area.order,
    )


def _allowed(areas: dict[str, Area], user: User) -> list[Area]:
    return sorted(
        (area for area in areas.values() if not area.permission or can(user, area.permission)),
        key=lambda area: area.order,
    )


def count_for(area: Area, user: User) -> int | None:
    """Return the figure beside an area, a few seconds old at most; None if it cannot be had.

    A figure is never worth a failed page, so whatever goes wrong is logged and left out.
    """
    if area.count is None:
        return None
    key = f"nav-count:{area.key}:{user.pk}"
    try:
        known = cache.get(key)
        if known is None:
            known = area.count(user)
            cache.set(key, -1 if known is None else known, COUNT_SECONDS)
        return None if known is None or known < 0 else int(known)
    except Exception:
        log.warning("No count for the area %s.", area.key, exc_info=True)
        return None


def verify_areas() -> None:
    """Check that each registered address exists.

    Errors: ImproperlyConfigured, naming every one that does not.
    """
    missing = []
    for area in [*_areas.values(), *_actions.values(), *_portal_areas.values()]:
        try:
            reverse(area.url_name)
        except NoReverseMatch:
            missing.append(f"{area.key} ({area.url_name})")
    if missing:
        raise ImproperlyConfigured(f"No address for these areas: {', '.join(missing)}.")
