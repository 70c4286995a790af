"""Chainable words of `monitoring`. Nothing here is shown in the portal."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db.models import Q

from monitoring.enums import AlertState
from msp.core.permissions import reach
from msp.core.scope import Plane, Principal, ScopeKind, scope_of
from msp.core.tenancy import TenantQuerySet


class MonitoringQuerySet(TenantQuerySet):  # type: ignore[type-arg]
    """What the rows of this app share."""

    view_permission = "monitoring.view"


class RuleQuerySet(MonitoringQuerySet):
    """Rules: those for all clients are everyone's of the staff, those of a client the client's."""

    def visible_to(self, user: Principal) -> Self:
        """Keep the rules a principal may read; staff without any client read none."""
        scope = scope_of(user)
        if scope.plane not in (Plane.STAFF, Plane.SYSTEM) or scope.kind is ScopeKind.NONE:
            return self.none()
        ids = reach(user, self.view_permission)
        if ids is None:
            return self
        return self.filter(Q(client__isnull=True) | Q(client_id__in=ids)) if ids else self.none()

    def enabled(self) -> Self:
        return self.filter(is_enabled=True)


class RuleStateQuerySet(MonitoringQuerySet):
    """What rules know of series; for screens only beside an alert or a device."""


class AlertQuerySet(MonitoringQuerySet):
    """Alerts: ours, never the client's. Contacts and devices see none (the base says so)."""

    def open(self) -> Self:
        """Keep alerts that are not over, whether or not somebody has acknowledged them."""
        return self.exclude(state=AlertState.CLOSED)

    def unacknowledged(self) -> Self:
        return self.filter(state=AlertState.OPEN)

    def opened_since(self, at: datetime) -> Self:
        return self.filter(opened_at__gte=at)

    def in_order(self) -> Self:
        """Sort newest first, stable."""
        return self.order_by("-opened_at", "-id")


class AlertTransitionQuerySet(MonitoringQuerySet):
    """The history of alerts."""
