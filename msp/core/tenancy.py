"""Managers and base models of client-owned rows.

Every model is TENANT (has `client_id NOT NULL`), GLOBAL (the MSP's own) or SYSTEM (third-party); a
test walks all models and refuses one that says none of the three.
"""

from __future__ import annotations

import enum
import uuid
from typing import Generic, Self, TypeVar

from django.db import models

from msp.core.permissions import reach
from msp.core.scope import Plane, Principal, Scope, ScopeKind, require_scope, scope_of


class Tenancy(enum.StrEnum):
    TENANT = "tenant"
    GLOBAL = "global"


#: Models of other packages. None of them holds a client's data.
SYSTEM_APPS = frozenset({"auth", "contenttypes", "sessions", "account"})

M = TypeVar("M", bound=models.Model)


class TenantQuerySet(models.QuerySet[M], Generic[M]):
    """Chainable words every client-owned model shares."""

    #: Path from this model to the client's id.
    client_path = "client_id"
    #: What staff need to see these rows: a grant without it opens none. "" leaves it to the app.
    view_permission = ""

    def visible_to(self, user: Principal) -> Self:
        """Keep the rows that a principal may reach; the only way an edge gets at rows.

        Staff see the clients of those of their grants that hold the model's permission, merged
        families included; a portal user sees the active client, narrowed further by `for_contact`;
        a device sees its own client's rows.
        """
        scope = scope_of(user)
        if scope.kind is ScopeKind.NONE:
            return self.none()
        ids = None if scope.kind is ScopeKind.ALL else scope.client_ids
        if scope.plane is Plane.STAFF and self.view_permission:
            ids = reach(user, self.view_permission)
        if ids is None:
            return self
        rows = self.filter(**{f"{self.client_path}__in": ids})
        if scope.plane is Plane.PORTAL:
            return rows.for_contact(scope)
        if scope.plane is Plane.AGENT:
            return rows.for_device(scope)
        return rows

    def for_contact(self, scope: Scope) -> Self:
        """Narrow to what a client's contact may see; nothing unless a model says more."""
        return self.none()

    def for_device(self, scope: Scope) -> Self:
        """Narrow to what a device may see; nothing unless a model says more."""
        return self.none()


class TenantManager(models.Manager[M]):
    """Raises outside a scope, so that a forgotten edge fails instead of reading all clients."""

    # Historical models in migrations use a plain manager: data migrations have no principal.
    use_in_migrations = False

    def get_queryset(self) -> TenantQuerySet[M]:
        # A related manager follows a parent that was itself reached through a scope.
        if getattr(self, "instance", None) is None:
            require_scope()
        return super().get_queryset()  # type: ignore[return-value]

    def unscoped(self) -> TenantQuerySet[M]:
        """Return all rows, in the few files that `tests/core/test_tenancy.py` lists by name."""
        return self._queryset_class(self.model, using=self._db)  # type: ignore[attr-defined, no-any-return]


class PublicIdModel(models.Model):
    """A row that people and programs name from outside: by a random UUID, never by its key."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)

    class Meta:
        abstract = True


class TenantModel(models.Model):
    """A row that belongs to exactly one client.

    Concrete models declare `client` themselves (with their own related name) and a unique
    constraint on (client, id) where children point at them.
    """

    tenancy = Tenancy.TENANT

    class Meta:
        abstract = True


class GlobalModel(models.Model):
    """A row of the MSP's own, with no client's data in it."""

    tenancy = Tenancy.GLOBAL

    class Meta:
        abstract = True


def client_key(table: str) -> models.UniqueConstraint:
    """Return the (client, id) key that composite foreign keys of children point at."""
    return models.UniqueConstraint(fields=["client", "id"], name=f"{table}_client_key")
