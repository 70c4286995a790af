"""Health for the people who run the platform: deliveries that wait, failed, or died."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from msp.core.models import User
from msp.core.pages import render_page
from msp.core.selectors import operations as selectors
from msp.core.services import operations as services


def operations(request: HttpRequest) -> HttpResponse:
    """Show the outbox: how far behind, and every dead letter with its error."""
    user: User = request.user  # type: ignore[assignment]
    context = {"outbox": selectors.outbox_state(user), "dead": selectors.dead_letters(user)}
    return render_page(request, "core/operations.html", context, part="dead")


@require_POST
def retry_delivery(request: HttpRequest, pk: int) -> HttpResponse:
    """Give one dead letter a fresh set of attempts."""
    services.retry_delivery(pk, by=request.user)  # type: ignore[arg-type]
    messages.success(request, _("Queued again."))
    return redirect("core:operations")
