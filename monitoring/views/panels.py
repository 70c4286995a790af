"""Alerts on the pages of other apps."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse

from agents import selectors as agent_selectors
from clients import selectors as client_selectors
from monitoring.selectors import alerts as selectors
from monitoring.views import rows as shapes
from monitoring.views.alerts import PersonRequest
from msp.core.pages import render_page
from tickets import selectors as ticket_selectors

_TEMPLATE = "monitoring/panel.html"


def device_panel(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Show a device's alerts."""
    device = agent_selectors.get_device(request.user, public_id)
    return _panel(
        request,
        selectors.alerts_of_device(request.user, device),
        of_name=device.name,
        of_url=reverse("agents:detail", args=[device.public_id]),
        with_device=False,
    )


def ticket_panel(request: PersonRequest, number: int) -> HttpResponse:
    """Show the alerts that opened or joined a ticket."""
    ticket = ticket_selectors.get_ticket(request.user, number)
    return _panel(
        request,
        selectors.alerts_of_ticket(request.user, ticket),
        of_name=f"{ticket.number} {ticket.subject}",
        of_url=reverse("tickets:detail", args=[ticket.number]),
        in_lines=True,
    )


def client_panel(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Show a client's open alerts."""
    client = client_selectors.get_client(request.user, public_id)
    return _panel(
        request,
        selectors.alerts_of_client(request.user, client),
        of_name=client.name,
        of_url=reverse("clients:detail", args=[client.public_id]),
        client=client,
    )


def _panel(request: PersonRequest, found: list, **more: object) -> HttpResponse:  # type: ignore[type-arg]
    states = selectors.now_values(request.user, found)
    context = {
        "rows": shapes.alert_rows(request.user, found, states),
        "with_device": True,
        "with_ticket": True,
        # The ticket page has a narrow place for it.
        "in_lines": False,
        "url": request.path,
    } | more
    return render_page(request, _TEMPLATE, context, part="rows")
