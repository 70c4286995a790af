"""The queue."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from clients.models import Client
from msp.core import clock
from msp.core.errors import NotVisible
from msp.core.models import User
from msp.core.pages import render_page
from msp.core.permissions import can
from msp.core.templatetags.ui import remaining_words
from tickets import selectors
from tickets.selectors import View
from tickets.views import _draw

VIEW_WORDS = {
    View.NEXT: gettext_lazy("Next up"),
    View.MINE: gettext_lazy("Mine"),
    View.UNASSIGNED: gettext_lazy("Unassigned"),
    View.OPEN: gettext_lazy("All open"),
    View.RESOLVED: gettext_lazy("Resolved"),
}


@require_GET
def queue(request: HttpRequest) -> HttpResponse:
    """Show a view of the queue: what is due next, under headings by due time."""
    user: User = request.user  # type: ignore[assignment]
    view, client = _view(request), _client(request, user)
    client_id = client.pk if client else None
    cursor = request.GET.get("after", "")
    page = selectors.queue(user, view, cursor=cursor, client_id=client_id)
    first = page.tickets[0] if view is View.NEXT and not cursor and page.tickets else None
    context: dict[str, Any] = {
        **_counts(user, view, client),
        "groups": _draw.groups_of(page),
        "is_whole": not cursor and not page.next_cursor,
        "next_up": _next_up(first) if first else None,
        "take_fields": {"owner": user.pk, "seen": 0},
        "next_url": _url(view, client, after=page.next_cursor) if page.next_cursor else "",
        "prev_url": _url(view, client) if cursor else "",
        "all_url": _url(view, None),
    }
    return render(request, "tickets/ticket_queue.html", context)


@require_GET
def rows(request: HttpRequest) -> HttpResponse:
    """Answer a screen that asks for changed rows (`ids`) or for its whole list."""
    user: User = request.user  # type: ignore[assignment]
    view, client = _view(request), _client(request, user)
    client_id = client.pk if client else None
    if "ids" in request.GET:
        ids = [text for text in request.GET["ids"].split(",") if text]
        page = selectors.rows_by_ids(user, view, ids, client_id=client_id)
        drawn = [_draw.row_of(ticket, page.clocks.get(ticket.pk, [])) for ticket in page.tickets]
        context = {"rows": drawn, **_counts(user, view, client)}
        return render(request, "tickets/_ticket_rows_changed.html", context)
    page = selectors.queue(user, view, cursor=request.GET.get("after", ""), client_id=client_id)
    return render_page(
        request,
        "tickets/_ticket_rows_whole.html",
        {
            **_counts(user, view, client),
            "groups": _draw.groups_of(page),
            "is_whole": not request.GET.get("after") and not page.next_cursor,
        },
    )


def _counts(user: User, view: View, client: Client | None) -> dict[str, Any]:
    """Return the views with their counts, which change with the rows."""
    counts = selectors.counts(user, client_id=client.pk if client else None)
    may_open = can(user, "tickets.work", client.pk if client else None)
    return {
        "view": view,
        "client": client,
        "new_label": _("New ticket") if may_open else "",
        "new_url": _new_url(client) if may_open else "",
        "tabs": [
            {
                "label": words,
                "url": _url(key, client),
                "current": key is view,
                "count": counts.get(key.value),
            }
            for key, words in VIEW_WORDS.items()
        ],
    }


def _view(request: HttpRequest) -> View:
    try:
        return View(request.GET.get("view", View.NEXT))
    except ValueError as error:
        raise NotVisible from error


def _client(request: HttpRequest, user: User) -> Client | None:
    public_id = request.GET.get("client", "")
    if not public_id:
        return None
    try:
        client = selectors.client_by_public_id(user, public_id)
    except (ValueError, ValidationError):  # not an id at all
        client = None
    if client is None:
        raise NotVisible
    return client


def _url(view: View, client: Client | None, *, after: str = "") -> str:
    parts = {
        "view": "" if view is View.NEXT else view.value,
        "client": str(client.public_id) if client else "",
        "after": after,
    }
    query = urlencode({name: value for name, value in parts.items() if value})
    return f"{reverse('tickets:queue')}?{query}" if query else reverse("tickets:queue")


def _new_url(client: Client | None) -> str:
    url = reverse("tickets:new")
    return f"{url}?client={client.public_id}" if client else url


def _next_up(ticket: Any) -> dict[str, Any]:
    """Say which ticket is next, and why: due time, and whose it is."""
    reasons = []
    if ticket.next_due_at is not None:
        seconds = (ticket.next_due_at - clock.now()).total_seconds()
        reasons.append(remaining_words(seconds))
    if ticket.owner_id is None:
        reasons.append(_("nobody has it"))
    else:
        reasons.append(_("yours"))
    if ticket.contact is not None and ticket.contact.is_vip:
        reasons.append(_("VIP"))
    return {"ticket": ticket, "reason": ", ".join(reasons)}
