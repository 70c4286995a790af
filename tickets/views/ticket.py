"""The ticket page and its live parts."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from clients.selectors import clause_words
from msp.core import clock, panels
from msp.core.models import User
from msp.core.permissions import can
from msp.core.templatetags.ui import badge
from tickets import selectors, services
from tickets.enums import Coverage, Priority, Status, WorkType
from tickets.forms import ComposerForm, StatusForm
from tickets.models import Message, Ticket
from tickets.views import _draw

TIME_TAB = "time"


@require_GET
def detail(request: HttpRequest, number: int) -> HttpResponse:
    """Show a ticket: what is promised, what was said, and all that belongs to it."""
    ticket = selectors.get_ticket(_user(request), number)
    return page(request, ticket)


@require_GET
def thread(request: HttpRequest, number: int) -> HttpResponse:
    """Answer with the thread alone, for the page that shows it."""
    user = _user(request)
    ticket = selectors.get_ticket(user, number)
    return render(request, "tickets/_ticket_thread.html", _thread(request, user, ticket))


@require_GET
def head(request: HttpRequest, number: int) -> HttpResponse:
    """Answer with a ticket's status, owner, priority and promises, for the page that shows them."""
    user = _user(request)
    ticket = selectors.get_ticket(user, number)
    return render(request, "tickets/_ticket_head.html", _head(user, ticket))


@require_GET
def time(request: HttpRequest, number: int) -> HttpResponse:
    """Answer with the time on a ticket, for the page that shows it."""
    user = _user(request)
    ticket = selectors.get_ticket(user, number)
    return render(request, "tickets/_ticket_time.html", _time(user, ticket))


def page(
    request: HttpRequest,
    ticket: Ticket,
    *,
    composer: ComposerForm | None = None,
    error: str = "",
    status: int = 200,
) -> HttpResponse:
    """Return the whole page, with a refused form in it where there is one."""
    user = _user(request)
    may_work = can(user, "tickets.work", ticket.client_id)
    context: dict[str, Any] = {
        **_head(user, ticket),
        "composer": composer or ComposerForm(),
        "error": error,
        "owners": selectors.owners_for(ticket.client_id) if may_work else [],
        "statuses": _MENU,
        "status_form": StatusForm(),
        "priorities": Priority.choices,
        "coverage": (coverage := _coverage(ticket)),
        "coverage_badge": badge(
            coverage["label"],
            "line" if coverage["is_covered"] else "acc",
            icon="check" if coverage["is_covered"] else "",
        ),
        "client_url": reverse("clients:detail", args=[ticket.client.public_id]),
        "device_url": (
            reverse("agents:detail", args=[ticket.device.public_id]) if ticket.device else ""
        ),
        "moved_to": ticket.moved_to.first() if ticket.status == Status.CLOSED else None,
        "panels": [
            {"panel": panel, "url": reverse(panel.url_name, args=[ticket.number])}
            for panel in panels.panels("ticket", user)
        ],
        **_thread(request, user, ticket),
        **_time(user, ticket),
    }
    return render(request, "tickets/ticket_detail.html", context, status=status)


#: What the status menu offers; resolving asks for a text and has its own place.
_MENU = (
    Status.IN_PROGRESS,
    Status.WAITING_CLIENT,
    Status.WAITING_VENDOR,
    Status.SCHEDULED,
)


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]


def _head(user: User, ticket: Ticket) -> dict[str, Any]:
    return {
        "ticket": ticket,
        "targets": _draw.targets_of(selectors.clocks_of(user, ticket)),
        "may_work": can(user, "tickets.work", ticket.client_id),
        "may_resolve": can(user, "tickets.resolve", ticket.client_id),
        "take_fields": {"owner": user.pk, "seen": ticket.owner_id or 0},
    }


def _thread(request: HttpRequest, user: User, ticket: Ticket) -> dict[str, Any]:
    messages = list(selectors.thread(user, ticket))
    tab = request.GET.get("tab", "all")
    kinds = selectors.TABS.get(tab, selectors.TABS["all"])
    shown = [message for message in messages if message.kind in kinds]
    return {
        "tab": tab,
        "entries": _draw.thread_of(shown),
        "tabs": _tabs(ticket, messages, tab),
    }


def _tabs(ticket: Ticket, messages: list[Message], tab: str) -> list[dict[str, Any]]:
    words = {
        "all": _("All"),
        "public": _("Public"),
        "notes": _("Notes"),
        "system": _("System"),
    }
    url = reverse("tickets:detail", args=[ticket.number])
    found = [
        {
            "label": label,
            "url": url if key == "all" else f"{url}?tab={key}",
            "current": key == tab,
            "count": sum(message.kind in selectors.TABS[key] for message in messages),
        }
        for key, label in words.items()
    ]
    found.append({"label": _("Time"), "url": f"{url}?tab={TIME_TAB}", "current": tab == TIME_TAB})
    return found


def _time(user: User, ticket: Ticket) -> dict[str, Any]:
    entries = list(selectors.time_of(user, ticket))
    for entry in entries:
        entry.clause = clause_words(entry.clause)
    now = clock.now()
    mine = next(
        (entry for entry in entries if entry.minutes is None and entry.person_id == user.pk), None
    )
    return {
        "ticket": ticket,
        "entries_of_time": entries,
        "minutes_logged": sum(entry.minutes or 0 for entry in entries),
        "my_timer": mine,
        "my_timer_minutes": int((now - mine.started_at).total_seconds() // 60) if mine else 0,
        "may_work": can(user, "tickets.work", ticket.client_id),
        "may_approve": can(user, "tickets.approve_time", ticket.client_id),
        "work_types": WorkType.choices,
    }


def _coverage(ticket: Ticket) -> dict[str, Any]:
    """Say, before any work, whether remote help now would be covered."""
    coverage, clause = services.cover(ticket, work_type=WorkType.REMOTE, at=clock.now())
    return {
        "is_covered": coverage == Coverage.COVERED,
        "label": coverage.label,
        # Without a contract the card says so already.
        "clause": clause_words(clause) if ticket.contract_id else "",
    }
