"""Who may change what belongs to every client at once."""

from __future__ import annotations

from django.utils.translation import gettext as _

from msp.core.errors import NotAllowed
from msp.core.permissions import reach, require
from msp.core.scope import Principal


def reaches_all(by: Principal, permission: str) -> bool:
    """Return whether a principal holds a permission for all clients, not for listed ones."""
    return reach(by, permission) is None


def require_everywhere(by: Principal, permission: str) -> None:
    """Refuse unless the principal holds the permission for all clients.

    Calendars, policies and new clients touch more than the clients of a listed grant.

    Errors: NotAllowed.
    """
    require(by, permission)
    if not reaches_all(by, permission):
        raise NotAllowed(_("This needs a role for all clients; yours is for some."))
