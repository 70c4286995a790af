"""Make tickets, through the services: a ticket without its clocks would be none."""

from __future__ import annotations

from typing import Any

from clients.models import Calendar, Client
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories import clients as client_factories
from tickets.models import Ticket
from tickets.services import open_ticket

OPENER = SystemPrincipal("factory")


def promise(**policy: Any) -> None:
    """Make the default policy and calendar, which clients without a contract are promised."""
    client_factories.policy(is_default=True, **policy)
    Calendar.objects.filter(pk=client_factories.calendar().pk).update(is_default=True)


def ticket(
    owner: Client | None = None, subject: str = "Printer prints half pages", **fields: Any
) -> Ticket:
    """Open a ticket of a client (Acme unless told) that has a promise."""
    promise()
    with acting_as(OPENER):
        owner = owner or client_factories.client("Acme")
        fields.setdefault("by", OPENER)
        return open_ticket(client_id=owner.pk, subject=subject, **fields)
