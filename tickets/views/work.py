"""Commands on a ticket: each a form that is sent, and the page again."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clients.selectors import clause_words
from msp.core.errors import NotAllowed, NotVisible, ServiceError
from msp.core.models import User
from tickets import selectors, services
from tickets.enums import Status
from tickets.forms import (
    MESSAGE_KINDS,
    AssignForm,
    ComposerForm,
    MoveForm,
    PriorityForm,
    ReasonForm,
    ResolveForm,
    StatusForm,
    TicketForm,
    TimeForm,
    TimerForm,
)
from tickets.models import Ticket
from tickets.views import ticket as ticket_page


def command(
    view: Callable[[HttpRequest, Ticket], HttpResponse | None],
) -> Callable[..., HttpResponse]:
    """Reach the ticket, do the command, and show the page: with the reason if it was refused."""

    @wraps(view)
    def wrapper(request: HttpRequest, number: int) -> HttpResponse:
        ticket = selectors.get_ticket(_user(request), number)
        try:
            answer = view(request, ticket)
        except (NotVisible, NotAllowed):
            raise
        except ServiceError as error:
            return ticket_page.page(request, ticket, error=str(error.message), status=error.status)
        return answer or redirect("tickets:detail", number)

    return wrapper


@require_POST
@command
def compose(request: HttpRequest, ticket: Ticket) -> HttpResponse | None:
    """Write, log and change the status in one step."""
    form = ComposerForm(request.POST)
    if not form.is_valid():
        return ticket_page.page(request, ticket, composer=form, status=422)
    values = form.cleaned_data
    resolves = values["after"] == Status.RESOLVED
    try:
        services.note_time_resolve(
            ticket.number,
            by=_user(request),
            body=values["body"],
            kind=MESSAGE_KINDS[values["kind"]],
            at=values["happened_at"],
            minutes=values["minutes"],
            work_type=values["work_type"],
            resolution=values["resolution"],
            status="" if resolves else values["after"],
            stop=values["stop"],
            token=values["token"],
        )
    except (NotVisible, NotAllowed):
        raise
    except ServiceError as error:
        form.add_error(None, str(error.message))
        return ticket_page.page(request, ticket, composer=form, status=error.status)
    messages.success(request, _("Resolved.") if resolves else _("Saved."))
    return None


@require_POST
@command
def status(request: HttpRequest, ticket: Ticket) -> HttpResponse | None:
    """Change the status."""
    form = StatusForm(request.POST)
    if not form.is_valid():
        return ticket_page.page(request, ticket, error=_words(form), status=422)
    if form.cleaned_data["status"] == ticket.status and ticket.status != Status.SCHEDULED:
        return None  # the menu stays as it was when the page was opened
    services.change_status(
        ticket.number,
        by=_user(request),
        status=form.cleaned_data["status"],
        until=form.cleaned_data["until"],
        at=form.cleaned_data["since"],
        reason=form.cleaned_data["reason"],
        expected=form.cleaned_data["seen"],
    )
    return None


@require_POST
@command
def priority(request: HttpRequest, ticket: Ticket) -> HttpResponse | None:
    """Change the priority."""
    form = PriorityForm(request.POST)
    if not form.is_valid():
        return ticket_page.page(request, ticket, error=_words(form), status=422)
    services.change_priority(
        ticket.number, by=_user(request), priority=form.cleaned_data["priority"]
    )
    return None


@require_POST
@command
def assign(request: HttpRequest, ticket: Ticket) -> HttpResponse | None:
    """Give the ticket to somebody, or to nobody."""
    form = AssignForm(request.POST)
    if not form.is_valid():
        return ticket_page.page(request, ticket, error=_words(form), status=422)
    seen = form.cleaned_data["seen"]
    services.assign_ticket(
        ticket.number,
        by=_user(request),
        owner_id=form.cleaned_data["owner"],
        expected=services.UNCHECKED if seen is None else (seen or None),
    )
    return None


@require_POST
@command
def resolve(request: HttpRequest, ticket: Ticket) -> HttpResponse | None:
    """Resolve with a text that the client gets."""
    form = ResolveForm(request.POST)
    if not form.is_valid():
        return ticket_page.page(request, ticket, error=_words(form), status=422)
    services.resolve_ticket(
        ticket.number, by=_user(request), resolution=form.cleaned_data["resolution"]
    )
    messages.success(request, _("Resolved."))
    return None


@require_POST
@command
def reopen(request: HttpRequest, ticket: Ticket) -> HttpResponse | None:
    """Take a solution back."""
    if ticket.is_open:
        return None  # clicked twice, or a colleague was quicker
    form = ReasonForm(request.POST)
    form.is_valid()
    services.reopen_ticket(
        ticket.number, by=_user(request), reason=form.cleaned_data.get("reason", "")
    )
    return None


@require_POST
@command
def close(request: HttpRequest, ticket: Ticket) -> HttpResponse | None:
    """Close a resolved ticket."""
    if ticket.status == Status.CLOSED:
        return None
    services.close_ticket(ticket.number, by=_user(request))
    return None


@require_http_methods(["GET", "POST"])
def move(request: HttpRequest, number: int) -> HttpResponse:
    """Move a ticket to the client it belongs to."""
    user = _user(request)
    ticket = selectors.get_ticket(user, number)
    form = MoveForm(request.POST or None, user=user)
    code = 200
    if request.method == "POST":
        if form.is_valid():
            try:
                new = services.move_ticket(
                    number,
                    by=user,
                    client_id=form.cleaned_data["client"].pk,
                    reason=form.cleaned_data["reason"],
                )
            except (NotVisible, NotAllowed):
                raise
            except ServiceError as error:
                form.add_error(None, str(error.message))
                code = error.status
            else:
                messages.success(request, _("Moved to ticket %(n)s.") % {"n": new.number})
                return redirect("tickets:detail", new.number)
        else:
            code = 422
    return render(
        request, "tickets/ticket_move.html", {"ticket": ticket, "form": form}, status=code
    )


@require_POST
@command
def timer_start(request: HttpRequest, ticket: Ticket) -> HttpResponse | None:
    """Start measuring one's time here."""
    services.start_timer(ticket.number, by=_user(request))
    return None


@require_POST
@command
def timer_stop(request: HttpRequest, ticket: Ticket) -> HttpResponse | None:
    """Stop one's timer here."""
    form = TimerForm(request.POST)
    form.is_valid()
    services.stop_timer(
        ticket.number,
        by=_user(request),
        note=form.cleaned_data.get("note", ""),
        work_type=form.cleaned_data.get("work_type") or None,
    )
    return None


@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Open a ticket: choose the client, then everything else from that client's things."""
    user = _user(request)
    client = None
    public_id = request.POST.get("client") or request.GET.get("client", "")
    if public_id:
        try:
            client = selectors.client_by_public_id(user, public_id)
        except (ValueError, ValidationError):  # not an id at all
            client = None
        if client is None:
            raise NotVisible
    context: dict[str, Any] = {"client": client, "clients": selectors.clients_for(user)}
    if client is None:
        return render(request, "tickets/ticket_new.html", context)
    initial = {
        name: request.GET[name] for name in ("contact", "device", "site") if name in request.GET
    }
    form = TicketForm(request.POST or None, user=user, client=client, initial=initial)
    code = 200
    if request.method == "POST":
        code = 422
        if form.is_valid():
            try:
                ticket = _open(user, client.pk, form.cleaned_data)
            except (NotVisible, NotAllowed):
                raise
            except ServiceError as error:
                form.add_error(None, str(error.message))
                code = error.status
            else:
                messages.success(request, _("Ticket %(n)s is open.") % {"n": ticket.number})
                return redirect("tickets:detail", ticket.number)
    return render(request, "tickets/ticket_new.html", context | {"form": form}, status=code)


def _open(user: User, client_id: int, values: dict[str, Any]) -> Ticket:
    def key(name: str) -> int | None:
        return values[name].pk if values[name] else None

    return services.open_ticket(
        by=user,
        client_id=client_id,
        subject=values["subject"],
        body=values["body"],
        kind=values["kind"],
        impact=values["impact"],
        urgency=values["urgency"],
        contact_id=key("contact"),
        site_id=key("site"),
        device_id=key("device"),
        owner_id=key("owner"),
        on_the_phone=values["on_the_phone"],
        resolution=values["resolution"],
        token=values["token"],
    )


@require_GET
def approvals(request: HttpRequest) -> HttpResponse:
    """List the time that waits for approval."""
    entries = list(selectors.to_approve(_user(request))[:APPROVALS_SHOWN])
    for entry in entries:
        entry.clause = clause_words(entry.clause)
    return render(
        request,
        "tickets/time_approval.html",
        {"entries": entries, "back_here": {"next": request.path}},
    )


@require_POST
def approve(request: HttpRequest, public_id: str) -> HttpResponse:
    """Approve one entry and go back to where it was approved from."""
    entry = services.approve_time(public_id, by=_user(request))
    messages.success(request, _("%(minutes)s min approved.") % {"minutes": entry.minutes})
    back = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        return redirect(back)
    return redirect("tickets:detail", entry.ticket.number)


@require_http_methods(["GET", "POST"])
def time_entry(request: HttpRequest, public_id: str) -> HttpResponse:
    """Change an entry that is not approved yet."""
    user = _user(request)
    entry = selectors.get_time(user, public_id)
    form = TimeForm(
        request.POST or None,
        initial={"minutes": entry.minutes, "work_type": entry.work_type, "note": entry.note},
    )
    code = 200
    if request.method == "POST":
        code = 422
        if form.is_valid():
            try:
                services.change_time(public_id, by=user, **form.cleaned_data)
            except (NotVisible, NotAllowed):
                raise
            except ServiceError as error:
                form.add_error(None, str(error.message))
                code = error.status
            else:
                return redirect("tickets:detail", entry.ticket.number)
    return render(request, "tickets/time_entry.html", {"entry": entry, "form": form}, status=code)


#: Entries that the approval page lists; approving makes room for the next.
APPROVALS_SHOWN = 100


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]


def _words(form: Any) -> str:
    return " ".join(str(word) for words in form.errors.values() for word in words)
