"""Tickets as screens and other apps ask for them."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from agents.models import Device
from clients import selectors as client_selectors
from clients.models import Client
from msp.core.errors import NotVisible
from msp.core.scope import Principal
from tickets.enums import ClockTarget
from tickets.models import Clock, Ticket

_RELATED = (
    "client",
    "site",
    "contact__site",
    "device",
    "contract",
    "owner",
    "opened_by",
    "moved_from",
)


def get_ticket(user: Principal, number: int) -> Ticket:
    """Return a ticket by its number. Errors: NotVisible, for absent and not-yours alike."""
    found: Ticket | None = (
        Ticket.objects.visible_to(user).select_related(*_RELATED).filter(number=number).first()
    )
    if found is None:
        raise NotVisible
    return found


def ticket_list(user: Principal) -> QuerySet[Ticket]:
    """Return the tickets a person sees, newest first."""
    return (  # type: ignore[no-any-return]
        Ticket.objects.visible_to(user)
        .select_related("client", "contact", "owner", "device")
        .order_by("-id")
    )


def tickets_of_client(user: Principal, client: Client) -> QuerySet[Ticket]:
    """Return a client's tickets, its merged family's included, newest first."""
    return ticket_list(user).filter(client__in=client_selectors.family_ids(client))


def tickets_of_device(user: Principal, device: Device) -> QuerySet[Ticket]:
    """Return a device's tickets, newest first."""
    return ticket_list(user).filter(device=device)


def clocks_of(user: Principal, ticket: Ticket) -> dict[ClockTarget, Clock]:
    """Return the promises of a ticket by target, in the order in which they are shown."""
    rows = {clock.target: clock for clock in Clock.objects.visible_to(user).filter(ticket=ticket)}
    return {target: rows[target] for target in ClockTarget if target in rows}


def clocks_of_all(user: Principal, tickets: Iterable[Ticket]) -> dict[int, list[Clock]]:
    """Return the promises of many tickets by ticket key, in one question."""
    found: dict[int, list[Clock]] = {}
    keys = [ticket.pk for ticket in tickets]
    for clock in Clock.objects.visible_to(user).filter(ticket__in=keys):
        found.setdefault(clock.ticket_id, []).append(clock)
    return found


def is_visible_number(user: Principal, number: int) -> bool:
    """Return whether a person sees a ticket of this number."""
    return Ticket.objects.visible_to(user).filter(number=number).exists()
