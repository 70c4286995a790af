"""Who is acting, and which clients' rows they may reach.

A `Scope` is NONE, a SET of plain client ids, or ALL. It lives in a context variable that an edge
sets: middleware, task, consumer or command. The default manager of every client-owned model raises
when there is none, so a forgotten edge fails loudly instead of reading every client's rows.
An empty SET reaches nothing (it never means "no restriction").
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from msp.core.models import User


class ScopeKind(enum.StrEnum):
    NONE = "none"
    SET = "set"
    ALL = "all"


class Plane(enum.StrEnum):
    """Which of the three address spaces a principal belongs to."""

    STAFF = "staff"
    PORTAL = "portal"
    AGENT = "agent"
    SYSTEM = "system"


class ScopeMissing(RuntimeError):
    """Rows of clients were asked for where no edge has said on whose behalf."""


@dataclass(frozen=True)
class Scope:
    """What a principal may reach. `client_ids` counts only for SET."""

    kind: ScopeKind
    plane: Plane
    client_ids: frozenset[int] = frozenset()
    #: The active client of a portal session: exactly one, though its family may be read.
    client_id: int | None = None
    contact_id: int | None = None
    contact_roles: frozenset[str] = frozenset()
    #: How the active client of a portal session is called and coloured on its pages.
    client_name: str = ""
    client_brand: str = ""
    device_id: int | None = None

    def covers(self, client_id: int | None) -> bool:
        """Return whether rows of this client may be reached."""
        if self.kind is ScopeKind.ALL:
            return True
        return self.kind is ScopeKind.SET and client_id in self.client_ids

    @classmethod
    def none(cls, plane: Plane) -> Scope:
        return cls(ScopeKind.NONE, plane)


@dataclass(frozen=True)
class SystemPrincipal:
    """Work that no person asked for: a task, a sweep, a command. Reaches ALL by default."""

    name: str
    scope: Scope = field(default=Scope(ScopeKind.ALL, Plane.SYSTEM))
    pk: None = None

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class DevicePrincipal:
    """A machine that proved its key; reaches its own rows only."""

    device_id: int
    client_id: int
    name: str = "device"
    pk: None = None

    @property
    def scope(self) -> Scope:
        return Scope(
            ScopeKind.SET,
            Plane.AGENT,
            frozenset({self.client_id}),
            client_id=self.client_id,
            device_id=self.device_id,
        )

    def __str__(self) -> str:
        return self.name


Principal = Union["User", SystemPrincipal, DevicePrincipal]

_current: ContextVar[Scope | None] = ContextVar("scope", default=None)


def current_scope() -> Scope | None:
    """Return the scope an edge has set, or None."""
    return _current.get()


def require_scope() -> Scope:
    """Return the scope in force.

    Errors: ScopeMissing if no edge has set one.
    """
    scope = _current.get()
    if scope is None:
        raise ScopeMissing(
            "Rows of clients were asked for outside a scope. An edge (middleware, task, consumer, "
            "command) must say on whose behalf: `with acting_as(principal): ...`."
        )
    return scope


@contextmanager
def scoped(scope: Scope) -> Iterator[Scope]:
    """Run the block under a scope."""
    token = _current.set(scope)
    try:
        yield scope
    finally:
        _current.reset(token)


@contextmanager
def acting_as(principal: Principal) -> Iterator[Scope]:
    """Run the block under a principal's own scope."""
    with scoped(scope_of(principal)) as scope:
        yield scope


# Slots that `clients` fills at start-up, so that nothing here imports upward.
_expand_family: Callable[[frozenset[int]], frozenset[int]] = lambda ids: ids  # noqa: E731
_portal_scope: Callable[[User, int | None], Scope] = lambda user, active: Scope.none(  # noqa: E731
    Plane.PORTAL
)


def fill_slots(
    *,
    expand_family: Callable[[frozenset[int]], frozenset[int]],
    portal_scope: Callable[[User, int | None], Scope],
) -> None:
    """Let `clients` say what a merged family is and what a contact may reach."""
    global _expand_family, _portal_scope
    _expand_family, _portal_scope = expand_family, portal_scope


def expand_family(client_ids: frozenset[int]) -> frozenset[int]:
    """Return the ids with every client that was merged into one of them: a family reads as one."""
    return _expand_family(client_ids) if client_ids else client_ids


def portal_scope(user: User, active_client_id: int | None) -> Scope:
    """Return the scope of a portal user with one active client."""
    return _portal_scope(user, active_client_id)


def staff_scope(grants: Iterable[tuple[str, Iterable[int]]]) -> Scope:
    """Return the union of grants, each a kind and its client ids (families already included)."""
    ids: set[int] = set()
    for kind, client_ids in grants:
        if kind == ScopeKind.ALL:
            return Scope(ScopeKind.ALL, Plane.STAFF)
        if kind == ScopeKind.SET:
            ids.update(client_ids)
    if not ids:
        return Scope.none(Plane.STAFF)
    return Scope(ScopeKind.SET, Plane.STAFF, frozenset(ids))


def scope_of(principal: Principal) -> Scope:
    """Return what a principal may reach.

    A user's scope is worked out once and kept on the instance; middleware sets it for portal users,
    whose scope depends on the active client of the session.
    """
    return principal.scope
