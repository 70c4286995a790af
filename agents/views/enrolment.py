"""Pages of enrolment tokens."""

from __future__ import annotations

import shlex
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from agents import selectors, services
from agents.forms import TokenForm
from agents.views.parts import PersonRequest, save_form
from msp.core import clock
from msp.core.pages import render_page

#: As many tokens as the page lists; the API pages through all of them.
LISTED = 100


def token_list(request: PersonRequest) -> HttpResponse:
    """List enrolment tokens, newest first; the tokens themselves are not stored."""
    now = clock.now()
    tokens = [
        {
            "token": token,
            "state": _state(
                is_revoked=token.revoked_at is not None,
                is_expired=token.expires_at <= now,
                is_used_up=token.uses >= token.max_uses,
            ),
        }
        for token in selectors.token_list(request.user)[:LISTED]
    ]
    return render_page(request, "agents/enrolment_list.html", {"tokens": tokens})


def new_token(request: PersonRequest) -> HttpResponse:
    """Make a token and show it, this once.

    There is no redirect: the secret would have to be stored on the way. The page is not cached.
    """
    form = TokenForm(request.POST or None, user=request.user)
    status = 200
    if request.method == "POST":
        made, status = save_form(
            form, lambda: services.make_enrolment_token(by=request.user, **form.values())
        )
        if made:
            token, secret = made
            context = {
                "token": token,
                "secret": secret,
                "command": install_command(secret),
                "service_command": service_command(secret),
            }
            response = render_page(request, "agents/enrolment_made.html", context)
            response.headers["Cache-Control"] = "no-store"
            return response
    return render_page(request, "agents/enrolment_form.html", {"form": form}, status=status)


@require_POST
def revoke_token(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """End a token."""
    services.revoke_enrolment_token(public_id, by=request.user)
    messages.success(request, _("Revoked. Devices that joined by it stay."))
    return redirect("agents:enrolment")


def install_command(secret: str) -> str:
    """Return one line that enrols this machine and reports from it, as any user."""
    return (
        f"umask 077 && printf %s {shlex.quote(secret)} > msp-agent.token && msp-agent run "
        f"--server {shlex.quote(settings.PUBLIC_URL)} --state-dir ~/.msp-agent "
        "--token-file msp-agent.token"
    )


def service_command(secret: str) -> str:
    """Return one line that hands the token to the installed systemd service."""
    inner = (
        f"umask 077; printf %s {shlex.quote(secret)} > /etc/msp-agent/token; "
        f"sed -i 's|^server = .*|server = \"{settings.PUBLIC_URL}\"|' /etc/msp-agent/agent.toml; "
        "systemctl enable --now msp-agent"
    )
    return f"sudo sh -c {shlex.quote(inner)}"


def _state(*, is_revoked: bool, is_expired: bool, is_used_up: bool) -> str:
    if is_revoked:
        return "revoked"
    if is_expired:
        return "expired"
    return "used_up" if is_used_up else "usable"
