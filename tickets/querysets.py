"""Chainable words of `tickets`."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db.models import Q

from msp.core.scope import Scope
from msp.core.tenancy import TenantQuerySet
from tickets.enums import MessageKind, Status

#: Contact roles that see the whole company's tickets in the portal, not only their own.
COMPANY_ROLES = frozenset({"manager", "technical"})
#: What a client may read of a ticket: never notes, never system lines.
CLIENT_KINDS = (MessageKind.PUBLIC, MessageKind.CALL, MessageKind.VISIT, MessageKind.CHAT)


class TicketsQuerySet(TenantQuerySet):  # type: ignore[type-arg]
    """What the rows of this app share."""

    view_permission = "tickets.view"


class TicketQuerySet(TicketsQuerySet):
    def for_contact(self, scope: Scope) -> Self:
        """A contact sees their own tickets; a manager the company's. Alert tickets are ours."""
        rows = self.exclude(source="alert")
        if scope.contact_roles & COMPANY_ROLES:
            return rows
        return rows.filter(contact_id=scope.contact_id)

    def open(self) -> Self:
        """Keep tickets somebody still has to work on."""
        return self.exclude(status__in=(Status.RESOLVED, Status.CLOSED))


class MessageQuerySet(TicketsQuerySet):
    def for_contact(self, scope: Scope) -> Self:
        rows = self.filter(kind__in=CLIENT_KINDS).exclude(ticket__source="alert")
        if scope.contact_roles & COMPANY_ROLES:
            return rows
        return rows.filter(ticket__contact_id=scope.contact_id)


class ClockQuerySet(TicketsQuerySet):
    def for_contact(self, scope: Scope) -> Self:
        rows = self.exclude(ticket__source="alert")
        if scope.contact_roles & COMPANY_ROLES:
            return rows
        return rows.filter(ticket__contact_id=scope.contact_id)

    def due_for_a_look(self, at: datetime) -> Self:
        """Keep clocks whose next warning or breach has come."""
        return self.filter(next_look_at__lte=at)


class TimeEntryQuerySet(TicketsQuerySet):
    def running(self) -> Self:
        return self.filter(minutes__isnull=True)

    def waiting_for_approval(self) -> Self:
        return self.filter(Q(minutes__isnull=False), approved_at__isnull=True)
