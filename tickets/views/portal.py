"""The portal: report, follow, answer, take a solution back. Works without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clients.selectors import contact_of_user
from msp.core.errors import NotAllowed, NotVisible, ServiceError
from msp.core.models import User
from msp.core.scope import scope_of
from tickets import selectors, services
from tickets.enums import AuthorKind, Kind, MessageKind, Status
from tickets.forms import AnswerForm, RequestForm
from tickets.models import Message
from tickets.selectors.portal import Word, answer_minutes, as_requests, requests_of

OPEN_SHOWN, DONE_SHOWN, LISTED = 50, 5, 200


#: Who bears one is not greeted by it alone: "Hello, Dr".
TITLES = frozenset({"dr", "prof", "mr", "mrs", "ms", "herr", "frau"})


def address_of(name: str) -> str:
    """Return how a person is greeted: by first name, or whole where a title stands before it."""
    first, _space, _rest = name.strip().partition(" ")
    return name.strip() if first.rstrip(".").lower() in TITLES else first


def for_one_client(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Send a person who is a contact of several clients, or of none, to choose one first."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if scope_of(_user(request)).contact_id is None:
            return redirect("portal:client-choose")
        return view(request, *args, **kwargs)

    return wrapper


@require_GET
@for_one_client
def home(request: HttpRequest) -> HttpResponse:
    """Show "report a problem" first, then what waits for whom."""
    user = _user(request)
    rows = requests_of(user)
    is_open = rows.open()  # type: ignore[attr-defined]
    tickets = list(is_open[:OPEN_SHOWN])
    done = rows.filter(status__in=("resolved", "closed"))
    done_shown = list(done[:DONE_SHOWN])
    drawn = as_requests(user, tickets + done_shown)
    groups = {word: [item for item in drawn if item.word is word] for word in Word}
    return render(
        request,
        "portal/tickets/home.html",
        {
            "yours": groups[Word.YOURS],
            "ours": groups[Word.OURS],
            "done": groups[Word.DONE],
            "done_count": done.count(),
            "answer_minutes": answer_minutes(user),
            "first_name": address_of(user.name),
            "shows_names": _sees_company(user),
        },
    )


@require_GET
@for_one_client
def requests(request: HttpRequest) -> HttpResponse:
    """List every request a contact follows."""
    user = _user(request)
    word = request.GET.get("show", "")
    rows = requests_of(user)
    text = request.GET.get("q", "").strip()
    if text:
        rows = rows.filter(subject__icontains=text)
    drawn = as_requests(user, list(rows[:LISTED]))
    shown = [item for item in drawn if not word or item.word == word]
    return render(
        request,
        "portal/tickets/request_list.html",
        {"requests": shown, "show": word, "q": text, "shows_names": _sees_company(user)},
    )


@require_http_methods(["GET", "POST"])
@for_one_client
def new(request: HttpRequest) -> HttpResponse:
    """Report a problem: what, how bad, who else. Who and where are known."""
    user = _user(request)
    contact = contact_of_user(user)
    form = RequestForm(request.POST or None)
    code = 200
    if request.method == "POST":
        code = 422
        if form.is_valid():
            try:
                ticket = services.open_ticket(
                    by=user,
                    client_id=scope_of(user).client_id or 0,
                    subject=form.cleaned_data["subject"],
                    body=form.cleaned_data["body"],
                    kind=Kind.INCIDENT,
                    urgency=form.cleaned_data["urgency"],
                    impact=form.cleaned_data["impact"],
                    token=form.cleaned_data["token"],
                )
            except (NotVisible, NotAllowed):
                raise
            except ServiceError as error:
                form.add_error(None, str(error.message))
                code = error.status
            else:
                messages.success(request, _("Thank you. We have it and write here and by mail."))
                return redirect("portal:ticket", ticket.number)
    context = {"form": form, "contact": contact, "answer_minutes": answer_minutes(user)}
    return render(request, "portal/tickets/request_new.html", context, status=code)


@require_GET
@for_one_client
def ticket(request: HttpRequest, number: int) -> HttpResponse:
    """Show one request: what was said, what happens next, and by when."""
    return _page(request, number)


@require_POST
@for_one_client
def answer(request: HttpRequest, number: int) -> HttpResponse:
    """Take a contact's answer."""
    return _say(request, number, services.add_message, kind=MessageKind.PUBLIC)


@require_POST
@for_one_client
def reopen(request: HttpRequest, number: int) -> HttpResponse:
    """Take a solution back, with what is still wrong."""
    return _say(request, number, services.reopen_ticket)


@require_POST
@for_one_client
def solved(request: HttpRequest, number: int) -> HttpResponse:
    """Say that it is solved."""
    found = selectors.get_ticket(_user(request), number)
    if found.status == Status.CLOSED:
        return redirect("portal:ticket", number)  # clicked twice, or a colleague was quicker
    services.close_ticket(number, by=_user(request))
    messages.success(request, _("Good to hear. Thank you."))
    return redirect("portal:ticket", number)


def _say(
    request: HttpRequest, number: int, service: Callable[..., Any], **words: Any
) -> HttpResponse:
    user = _user(request)
    selectors.get_ticket(user, number)
    form = AnswerForm(request.POST)
    if not form.is_valid():
        return _page(request, number, form=form, status=422)
    name = "reason" if service is services.reopen_ticket else "body"
    try:
        service(
            number,
            by=user,
            token=form.cleaned_data["token"],
            **{name: form.cleaned_data["body"]},
            **words,
        )
    except (NotVisible, NotAllowed):
        raise
    except ServiceError as error:
        form.add_error(None, str(error.message))
        return _page(request, number, form=form, status=error.status)
    messages.success(request, _("Thank you, we have your answer."))
    return redirect("portal:ticket", number)


def _page(
    request: HttpRequest, number: int, *, form: AnswerForm | None = None, status: int = 200
) -> HttpResponse:
    user = _user(request)
    found = selectors.get_ticket(user, number)
    item = as_requests(user, [found])[0]
    entries = [_entry(message, user) for message in selectors.thread(user, found)]
    return render(
        request,
        "portal/tickets/request.html",
        {
            "item": item,
            "ticket": found,
            "entries": entries,
            "form": form or AnswerForm(),
            "owner_name": found.owner.name.split()[0] if found.owner else "",
        },
        status=status,
    )


def _entry(message: Message, user: User) -> dict[str, Any]:
    """Return a message as the portal shows it: first names of ours, nothing of how we work."""
    by_contact = message.author_kind == AuthorKind.CONTACT
    own = message.author_user_id == user.pk
    if own:
        author = _("You")
    elif by_contact:
        author = message.author_label
    elif message.author_kind == AuthorKind.STAFF:
        author = message.author_label.split()[0]
    else:
        author = _("Automatic message")
    words = {
        MessageKind.CALL: _("on the phone"),
        MessageKind.VISIT: _("on site"),
        MessageKind.CHAT: _("chat"),
    }
    return {
        "message": message,
        "kind": "out" if by_contact else "in",
        "author": author,
        "name": message.author_label,
        "is_person": message.author_kind == AuthorKind.STAFF,
        "meta": words.get(MessageKind(message.kind), ""),
    }


def _sees_company(user: User) -> bool:
    return bool(scope_of(user).contact_roles & {"manager", "technical"})


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
