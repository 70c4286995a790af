"""Chainable words of `clients`."""

from __future__ import annotations

from datetime import date
from typing import Self

from django.db.models import Q

from clients.enums import ContractState
from msp.core.permissions import reach
from msp.core.scope import Principal, Scope
from msp.core.tenancy import TenantQuerySet

#: Contact roles that see the whole company in the portal, not only their own things.
COMPANY_ROLES = frozenset({"manager", "technical"})
BILLING_ROLES = frozenset({"manager", "billing", "approver"})


class ClientsQuerySet(TenantQuerySet):  # type: ignore[type-arg]
    """What the rows of this app share."""

    view_permission = "clients.view"


class ClientQuerySet(ClientsQuerySet):
    client_path = "id"

    def for_contact(self, scope: Scope) -> Self:
        return self

    def current(self) -> Self:
        """Keep clients that stand on their own: a merged one is read through its family."""
        return self.filter(merged_into__isnull=True)

    def heads_for(self, user: Principal) -> Self:
        """Keep, of what this person sees, the clients that no other one they see stands for.

        Somebody granted only a client that was merged away still has its page.
        """
        ids = reach(user, self.view_permission)
        if ids is None:
            return self.current()
        return self.visible_to(user).filter(Q(merged_into__isnull=True) | ~Q(merged_into__in=ids))


class SiteQuerySet(ClientsQuerySet):
    def for_contact(self, scope: Scope) -> Self:
        return self.filter(archived_at__isnull=True)

    def current(self) -> Self:
        return self.filter(archived_at__isnull=True)


class ContactQuerySet(ClientsQuerySet):
    def for_contact(self, scope: Scope) -> Self:
        if scope.contact_roles & COMPANY_ROLES:
            return self
        return self.filter(pk=scope.contact_id)

    def current(self) -> Self:
        return self.filter(archived_at__isnull=True)


class ContractQuerySet(ClientsQuerySet):
    def for_contact(self, scope: Scope) -> Self:
        return self if scope.contact_roles & (COMPANY_ROLES | BILLING_ROLES) else self.none()

    def in_force(self, day: date) -> Self:
        """Keep contracts that hold on a day, both ends included.

        One that has ended still held until its last day, so back-dated work finds it.
        """
        return self.filter(
            Q(state=ContractState.ACTIVE) | Q(state=ContractState.ENDED, ends_on__isnull=False),
            Q(ends_on__isnull=True) | Q(ends_on__gte=day),
            starts_on__lte=day,
        )
