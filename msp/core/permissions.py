"""What staff may do. Roles are data (rows of `Role`); the verbs and their danger are code.

A permission is a key such as `tickets.resolve`. `can` answers for a client as well: a grant covers
its own clients only.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from msp.core.errors import NotAllowed
from msp.core.scope import Plane, Principal, ScopeKind, SystemPrincipal, scope_of


class Danger(enum.StrEnum):
    """Danger classes of the security design, section 4."""

    READ = "D0"
    ROUTINE = "D1"
    ONE_DEVICE = "D2"
    ADMIN = "D4"


@dataclass(frozen=True)
class Permission:
    label: str | Promise
    danger: Danger


PERMISSIONS: dict[str, Permission] = {
    "clients.view": Permission(_("See clients, sites, contacts and contracts"), Danger.READ),
    "clients.change": Permission(_("Change clients, sites and contacts"), Danger.ROUTINE),
    "clients.contracts": Permission(
        _("Change contracts, calendars and SLA policies"), Danger.ROUTINE
    ),
    "clients.merge": Permission(_("Merge clients"), Danger.ADMIN),
    "agents.view": Permission(_("See devices"), Danger.READ),
    "agents.change": Permission(_("Change and retire devices"), Danger.ROUTINE),
    "agents.enrol": Permission(_("Make enrolment tokens, approve devices"), Danger.ROUTINE),
    "tickets.view": Permission(_("See tickets"), Danger.READ),
    "tickets.work": Permission(_("Open, answer and change tickets, log time"), Danger.ROUTINE),
    "tickets.resolve": Permission(_("Resolve and reopen tickets"), Danger.ROUTINE),
    "tickets.approve_time": Permission(_("Approve time"), Danger.ROUTINE),
    "monitoring.view": Permission(_("See alerts and telemetry"), Danger.READ),
    "monitoring.acknowledge": Permission(_("Acknowledge and silence alerts"), Danger.ROUTINE),
    "monitoring.rules": Permission(_("Change alert rules"), Danger.ROUTINE),
    "billing.view": Permission(_("See prices and invoices"), Danger.READ),
    "billing.prepare": Permission(_("Change prices, prepare draft lines"), Danger.ROUTINE),
    "billing.post": Permission(_("Post invoices and credit notes"), Danger.ROUTINE),
    "core.operations": Permission(_("See health, retry failed deliveries"), Danger.ROUTINE),
    "core.users": Permission(_("Change users, roles and grants"), Danger.ADMIN),
}

_VIEW = {key for key, entry in PERMISSIONS.items() if entry.danger is Danger.READ}
_WORK = {
    "clients.change",
    "agents.change",
    "agents.enrol",
    "tickets.work",
    "tickets.resolve",
    "monitoring.acknowledge",
}
#: Roles of a fresh installation; afterwards they are rows that an administrator changes.
DEFAULT_ROLES: dict[str, tuple[str, frozenset[str]]] = {
    "administrator": ("Administrator", frozenset(PERMISSIONS)),
    "service_manager": (
        "Service manager",
        frozenset(
            _VIEW
            | _WORK
            | {
                "clients.contracts",
                "tickets.approve_time",
                "monitoring.rules",
                "billing.prepare",
                "billing.post",
                "core.operations",
            }
        ),
    ),
    "technician": ("Technician", frozenset((_VIEW - {"billing.view"}) | _WORK)),
    "billing_clerk": (
        "Billing clerk",
        frozenset(
            {"clients.view", "tickets.view", "billing.view", "billing.prepare", "billing.post"}
        ),
    ),
}


def can(user: Principal, permission: str, client_id: int | None = None) -> bool:
    """Return whether a principal may do something, for one client or (None) for any.

    Errors: KeyError for a permission nobody declared, so that a typing error never grants.
    """
    PERMISSIONS[permission]
    if isinstance(user, SystemPrincipal):
        return client_id is None or user.scope.covers(client_id)
    scope = scope_of(user)
    if scope.plane is not Plane.STAFF:
        return False
    for grant in user.live_grants():  # type: ignore[union-attr]
        if permission not in grant.permissions:
            continue
        if client_id is None or grant.scope_kind == ScopeKind.ALL:
            return grant.scope_kind != ScopeKind.NONE
        if grant.scope_kind == ScopeKind.SET and client_id in grant.family_ids:
            return True
    return False


def reach(user: Principal, permission: str) -> frozenset[int] | None:
    """Return the ids of the clients for which a principal holds a permission; None means all.

    Somebody who bills for every client may work the tickets of a few: their scope spans both
    grants, each permission only its own. For contacts and machines the scope alone decides.

    Errors: KeyError for a permission nobody declared.
    """
    PERMISSIONS[permission]
    scope = scope_of(user)
    if scope.plane is not Plane.STAFF:
        return None if scope.kind is ScopeKind.ALL else scope.client_ids
    ids: set[int] = set()
    for grant in user.live_grants():  # type: ignore[union-attr]
        if permission not in grant.permissions:
            continue
        if grant.scope_kind == ScopeKind.ALL:
            return None
        if grant.scope_kind == ScopeKind.SET:
            ids |= grant.family_ids
    return frozenset(ids)


def require(user: Principal, permission: str, client_id: int | None = None) -> None:
    """Refuse unless the principal may do this.

    Errors: NotAllowed.
    """
    if not can(user, permission, client_id):
        label = PERMISSIONS[permission].label
        raise NotAllowed(str(_("Your role does not include: %(what)s.")) % {"what": label})
