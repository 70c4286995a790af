"""What the pages of `clients` share: saving a form, and lists in pages by key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from msp.core.errors import BadInput, NotVisible, ServiceError
from msp.core.models import User
from msp.core.pages import render_page
from msp.core.panels import panels

ROWS = 50


class PersonRequest(HttpRequest):
    """A request past the middleware, which puts a plain user where the route asks for one."""

    user: User


def save_form(form: forms.Form, save: Callable[[], Any], *others: Any) -> tuple[Any, int]:
    """Run the service on a valid form; return its result and 200, or None and the status to show.

    What the service says is wrong is written onto the form, at its field if there is one.

    Errors: NotVisible, which no form can explain.
    """
    valid = [form.is_valid(), *(other.is_valid() for other in others)]
    if not all(valid):
        return None, 422
    try:
        return save(), 200
    except NotVisible:
        raise
    except BadInput as error:
        form.add_error(error.field if error.field in form.fields else None, error.message)
        return None, error.status
    except ServiceError as error:
        if error.status == 403:
            raise
        form.add_error(None, error.message)
        return None, error.status


def form_page(
    request: HttpRequest,
    form: forms.Form,
    save: Callable[[], Any],
    *,
    title: Any,
    cancel: str,
    then: Callable[[Any], str],
    template: str = "clients/form.html",
    extra: Mapping[str, Any] | None = None,
    others: tuple[Any, ...] = (),
) -> HttpResponse:
    """Show a form, or save it and go on to where `then` says."""
    status = 200
    if request.method == "POST":
        done, status = save_form(form, save, *others)
        if status == 200:
            return redirect(then(done))
    context = {"form": form, "title": title, "cancel_url": cancel, **(extra or {})}
    return render_page(request, template, context, status=status)


def panels_of(page: str, public_id: UUID, user: User) -> list[dict[str, Any]]:
    """Return the fragments that apps above put onto a page ("client", "contact", "contract")."""
    return [
        {"key": panel.key, "title": panel.title, "url": reverse(panel.url_name, args=[public_id])}
        for panel in panels(page, user)
    ]


@dataclass(frozen=True)
class Page:
    """Some rows of a list, and where the next ones are."""

    rows: list[Any]
    next_url: str
    first_url: str


def page_of(request: HttpRequest, rows: QuerySet[Any], *keys: str, size: int = ROWS) -> Page:
    """Return one page of rows, ordered by annotated `keys` and the primary key.

    `after` in the query string is the public id of the last row seen; a list that grows meanwhile
    neither repeats nor drops a row. A key that starts with "-" runs downward, with the primary key.
    """
    after = request.GET.get("after", "")
    down = bool(keys) and keys[0].startswith("-")
    names = [key.lstrip("-") for key in keys] + ["pk"]
    if after:
        rows = rows.filter(_beyond(rows, after, names, "lt" if down else "gt"))
    found = list(rows[: size + 1])
    more = len(found) > size
    found = found[:size]
    words = {key: value for key, value in request.GET.items() if key != "after"}
    next_words = words | {"after": str(found[-1].public_id)} if more else {}
    return Page(
        rows=found,
        next_url=f"?{urlencode(next_words)}" if more else "",
        first_url=f"?{urlencode(words)}" if after else "",
    )


def _beyond(rows: QuerySet[Any], after: str, names: list[str], step: str) -> Q:
    try:
        last = rows.filter(public_id=after).values_list(*names).first()
    except (ValueError, forms.ValidationError):
        last = None
    if last is None:
        return Q()
    beyond = Q()
    for index, name in enumerate(names):
        same = {known: last[at] for at, known in enumerate(names[:index])}
        beyond |= Q(**same, **{f"{name}__{step}": last[index]})
    return beyond
