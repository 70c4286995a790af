"""What the pages of billing share: saving a form, months in addresses, files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from billing import selectors
from billing.models import CreditNote, Invoice
from msp.core import clock
from msp.core.errors import BadInput, NotVisible, Refused, ServiceError
from msp.core.models import User
from msp.core.pages import render_page

ROWS = 50


class PersonRequest(HttpRequest):
    """A request past the middleware, which puts a plain user where the route asks for one."""

    user: User


def form_page(
    request: HttpRequest,
    form: forms.Form,
    save: Callable[[], Any],
    *,
    title: Any,
    cancel: str,
    then: Callable[[Any], str],
    template: str = "billing/form.html",
    extra: Mapping[str, Any] | None = None,
) -> HttpResponse:
    """Show a form, or save it and go on to where `then` says; what is wrong comes back with it."""
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                return redirect(then(save()))
            except ServiceError as error:
                if error.status in (403, 404):
                    raise
                field = error.field if isinstance(error, BadInput) else ""
                form.add_error(field if field in form.fields else None, error.message)
                status = error.status
    context = {"form": form, "title": title, "cancel_url": cancel, **(extra or {})}
    return render_page(request, template, context, status=status)


def do(request: HttpRequest, act: Callable[[], Any], done: str) -> Any:
    """Run a one-click act and say so; what is refused is said too. Return the result or None.

    Errors: NotVisible, NotAllowed.
    """
    try:
        result = act()
    except (Refused, BadInput) as error:
        messages.error(request, error.message)
        return None
    if done:
        messages.success(request, done)
    return result


def month_from(text: str) -> date:
    """Return the first day of a month written 2026-11. Errors: NotVisible for anything else."""
    try:
        year, month = text.split("-")
        return date(int(year), int(month), 1)
    except ValueError as error:
        raise NotVisible from error


def months_around() -> list[date]:
    """Return last month, this one and the next: those that somebody prepares."""
    this = clock.today().replace(day=1)
    before = (this - timedelta(days=1)).replace(day=1)
    after = (this + timedelta(days=32)).replace(day=1)
    return [this, before, after]


def pdf_answer(document: Invoice | CreditNote) -> HttpResponse:
    """Return a document's PDF as a file.

    Errors: Refused while it waits.
    """
    content = selectors.pdf_bytes(document)
    if content is None:
        raise Refused(
            document.pdf_problem or _("The PDF is being made; try again in a moment."),
            code="pdf_waiting",
        )
    response = HttpResponse(content, content_type="application/pdf")
    response.headers["Content-Disposition"] = f'attachment; filename="{document.name}.pdf"'
    response.headers["Cache-Control"] = "private, no-store"
    return response
