"""Chainable words of `agents`."""

from __future__ import annotations

from typing import Self

from agents.enums import DeviceState
from msp.core.scope import Scope
from msp.core.tenancy import TenantQuerySet

#: Contact roles that see the company's devices in the portal.
DEVICE_ROLES = frozenset({"manager", "technical"})


class AgentsQuerySet(TenantQuerySet):  # type: ignore[type-arg]
    """What the rows of this app share."""

    view_permission = "agents.view"


class DeviceQuerySet(AgentsQuerySet):
    def for_contact(self, scope: Scope) -> Self:
        if scope.contact_roles & DEVICE_ROLES:
            return self.filter(state=DeviceState.ACTIVE, merged_into__isnull=True)
        return self.none()

    def for_device(self, scope: Scope) -> Self:
        return self.filter(pk=scope.device_id)

    def current(self) -> Self:
        """Keep devices that are in use: neither retired nor merged into another record."""
        return self.exclude(state=DeviceState.RETIRED).filter(merged_into__isnull=True)


class EnrolmentTokenQuerySet(TenantQuerySet):  # type: ignore[type-arg]
    """Tokens are only for those who may make them."""

    view_permission = "agents.enrol"


class DeviceChildQuerySet(AgentsQuerySet):
    """Rows that hang on a device; agents reach their own."""

    def for_device(self, scope: Scope) -> Self:
        return self.filter(device_id=scope.device_id)
