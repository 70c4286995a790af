"""For which clients somebody may see or do billing."""

from __future__ import annotations

from msp.core.models import User
from msp.core.scope import Plane, Principal, ScopeKind, scope_of

VIEW = "billing.view"
PREPARE = "billing.prepare"
POST = "billing.post"


def clients_for(by: Principal, permission: str) -> frozenset[int] | None:
    """Return the ids of the clients for which staff hold a permission; None means all of them.

    Somebody who works tickets for everybody may do the billing of a few: their scope reaches all
    clients, this permission does not. For contacts and machines the scope alone decides (None).
    """
    if not isinstance(by, User) or scope_of(by).plane is not Plane.STAFF:
        return None
    found: set[int] = set()
    for grant in by.live_grants():
        if permission not in grant.permissions:
            continue
        if grant.scope_kind == ScopeKind.ALL:
            return None
        if grant.scope_kind == ScopeKind.SET:
            found |= grant.family_ids
    return frozenset(found)
