"""Tickets on the pages of a client, a contact and a device."""

from __future__ import annotations

from uuid import UUID

from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from agents.selectors import get_device
from clients.selectors import get_client, get_contact
from msp.core.models import User
from msp.core.pages import render_page
from msp.core.permissions import can
from tickets import selectors
from tickets.models import Ticket
from tickets.views import _draw

#: Tickets on somebody else's page; all of them are in the queue.
SHOWN = 10


@require_GET
def of_client(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Show a client's tickets: open ones first, newest first."""
    user = _user(request)
    client = get_client(user, public_id)
    query = f"?client={client.public_id}"
    return _panel(
        request,
        selectors.tickets_of_client(user, client),
        of=(client.name, reverse("clients:detail", args=[client.public_id])),
        all_url=f"{reverse('tickets:queue')}{query}&view=open",
        new_url=f"{reverse('tickets:new')}{query}" if can(user, "tickets.work", client.pk) else "",
    )


@require_GET
def of_contact(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Show a contact's tickets."""
    user = _user(request)
    contact = get_contact(user, public_id)
    may_work = can(user, "tickets.work", contact.client_id)
    new_url = (
        f"{reverse('tickets:new')}?client={contact.client.public_id}&contact={contact.public_id}"
        if may_work
        else ""
    )
    return _panel(
        request,
        selectors.ticket_list(user).filter(contact=contact),
        of=(contact.name, reverse("clients:contact", args=[contact.public_id])),
        new_url=new_url,
    )


@require_GET
def of_device(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Show a device's tickets."""
    user = _user(request)
    device = get_device(user, public_id)
    may_work = can(user, "tickets.work", device.client_id)
    new_url = (
        f"{reverse('tickets:new')}?client={device.client.public_id}&device={device.public_id}"
        if may_work
        else ""
    )
    return _panel(
        request,
        selectors.tickets_of_device(user, device),
        of=(device.name, reverse("agents:detail", args=[device.public_id])),
        new_url=new_url,
    )


def _panel(
    request: HttpRequest,
    rows: QuerySet[Ticket],
    *,
    of: tuple[str, str],
    all_url: str = "",
    new_url: str = "",
) -> HttpResponse:
    user = _user(request)
    # Nobody has resolved what is open: nulls first puts it on top.
    tickets = list(rows.order_by(F("resolved_at").desc(nulls_first=True), "-id")[: SHOWN + 1])
    clocks = selectors.clocks_of_all(user, tickets)
    context = {
        "rows": [_draw.row_of(ticket, clocks.get(ticket.pk, [])) for ticket in tickets[:SHOWN]],
        "has_more": len(tickets) > SHOWN,
        "all_url": all_url,
        "new_url": new_url,
        "here": request.path,
        "of_name": of[0],
        "of_url": of[1],
    }
    return render_page(request, "tickets/ticket_panel.html", context, part="rows")


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
