"""The shape of the route registry. The list itself is `msp/access.py`, at the top.

A route nobody classified is refused at run time and fails a test; so is an entry for a route that
no longer exists.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.utils.module_loading import import_string

from msp.core.permissions import Danger


class Who(enum.StrEnum):
    """Kinds of principals a route may have."""

    ANYONE = "anyone"  # signed in or not: health, sign-in, static pages
    STAFF = "staff"
    PORTAL = "portal"
    AGENT = "agent"  # proves itself by signature, not by session


@dataclass(frozen=True)
class Route:
    """One row of the registry.

    `permission` is what staff need, asked again by the service; None means that any signed-in
    member of staff may. `csrf_exempt` must be true exactly for routes without a session.
    """

    who: frozenset[Who]
    methods: frozenset[str]
    danger: Danger = Danger.READ
    permission: str | None = None
    csrf_exempt: bool = False
    why: str = ""


def route(
    who: str,
    methods: str = "GET",
    danger: Danger = Danger.READ,
    permission: str | None = None,
    *,
    csrf_exempt: bool = False,
    why: str = "",
) -> Route:
    """Write a row briefly: `route("staff portal", "GET POST", Danger.ROUTINE, "tickets.work")`."""
    return Route(
        frozenset(Who(word) for word in who.split()),
        frozenset(methods.split()),
        danger,
        permission,
        csrf_exempt,
        why,
    )


@lru_cache(maxsize=1)
def routes() -> Mapping[str, Route]:
    """Return the registry: view name (with namespace) to its row."""
    table: Mapping[str, Route] = import_string(settings.ACCESS_ROUTES)
    return table
