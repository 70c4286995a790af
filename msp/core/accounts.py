"""Sign-in by e-mail, through allauth."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest
from django.urls import reverse

from msp.core.models import User


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Nobody signs up by themselves; staff go to the queue, contacts to their portal."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        user = request.user
        if isinstance(user, User) and user.is_portal_user:
            return reverse("portal:home")
        return "/"


def display_name(user: User) -> str:
    """Return how a person is called on pages."""
    return str(user)
