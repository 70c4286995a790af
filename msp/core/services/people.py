"""Use cases about staff: their own notifications, roles and grants."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from msp.core import audit, clock
from msp.core.enums import Channel, GrantScope, UserKind
from msp.core.errors import BadInput, NotAllowed
from msp.core.models import Grant, Notification, Role, User
from msp.core.permissions import can, require
from msp.core.scope import Principal


def mark_all_read(*, by: User) -> int:
    """Mark all of one's own notifications read; return how many were unread."""
    return Notification.objects.filter(
        recipient=by, channel=Channel.IN_APP, read_at__isnull=True
    ).update(read_at=clock.now())


@transaction.atomic
def add_staff(
    email: str, *, name: str, by: Principal, password: str = "", zone: str = "UTC"
) -> User:
    """Make a staff user; without a password they set one through "forgotten password".

    Errors: NotAllowed; BadInput if the address is taken.
    """
    require(by, "core.users")
    if User.objects.filter(email__iexact=email).exists():
        raise BadInput("Somebody signs in with this address already.", field="email")
    user = User.objects.create_user(
        email, password or None, name=name, kind=UserKind.STAFF, zone=zone
    )
    audit.record("user.added", user, by=by, after={"email": user.email, "kind": user.kind})
    return user


@transaction.atomic
def give_role(
    user: User,
    role: Role,
    *,
    by: Principal,
    scope: str = GrantScope.ALL,
    client_ids: Iterable[int] = (),
    reason: str = "",
) -> Grant:
    """Give a person a role for all clients, listed ones, or none.

    Errors: NotAllowed, also for a permission the giver lacks: nobody grants what they lack.
    """
    require(by, "core.users")
    if isinstance(by, User) and not all(can(by, permission) for permission in role.permissions):
        raise NotAllowed("This role holds rights that you do not have yourself.")
    grant = Grant.objects.create(
        user=user,
        role=role,
        scope=scope,
        client_ids=sorted(set(client_ids)),
        given_by=by if isinstance(by, User) else None,
    )
    audit.record(
        "grant.given",
        grant,
        by=by,
        reason=reason,
        after={"user": user.pk, "role": role.key, "scope": scope, "clients": grant.client_ids},
    )
    return grant
