"""Sign-in by e-mail, through allauth."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from msp.core.models import User

#: Where contacts begin. Written out, since a process that serves staff alone has no portal to
#: look it up in; the proxy sends this address to the one that has.
PORTAL_HOME = "/portal/"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Nobody signs up by themselves; staff go to the queue, contacts to their portal."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        user = request.user
        if isinstance(user, User) and user.is_portal_user:
            return PORTAL_HOME
        return "/"


def display_name(user: User) -> str:
    """Return how a person is called on pages."""
    return str(user)
