"""Make people and roles: valid, minimal, deterministic."""

from __future__ import annotations

from msp.core.enums import GrantScope, UserKind
from msp.core.models import Grant, Role, User
from msp.core.permissions import DEFAULT_ROLES

PASSWORD = "correct horse battery"


def role(key: str) -> Role:
    """Return one of the default roles (a flush by a transactional test drops them)."""
    name, permissions = DEFAULT_ROLES[key]
    made, _ = Role.objects.get_or_create(
        key=key, defaults={"name": name, "permissions": sorted(permissions)}
    )
    return made


def staff(
    role_key: str,
    *,
    email: str,
    name: str = "Sam Staff",
    scope: str = GrantScope.ALL,
    client_ids: list[int] | None = None,
) -> User:
    """Make a member of staff with one grant."""
    user = User.objects.create_user(email, PASSWORD, name=name, kind=UserKind.STAFF)
    Grant.objects.create(user=user, role=role(role_key), scope=scope, client_ids=client_ids or [])
    return user
