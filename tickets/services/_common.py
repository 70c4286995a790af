"""What the use cases of a ticket share: lock, permission, saving, double submits."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.utils.translation import gettext as _

from msp.core import clock, live
from msp.core.errors import BadInput, NotAllowed, NotVisible
from msp.core.models import User
from msp.core.permissions import require
from msp.core.scope import Plane, Principal, scope_of
from tickets.models import Ticket

_TOKENS = uuid.UUID("6f2c1a52-6a5e-4d0a-9d0e-2f6d6f9d8a11")


def lock_ticket(number: int, *, by: Principal) -> Ticket:
    """Lock a ticket for the rest of the transaction.

    Errors: NotVisible, for absent and not-yours alike.
    """
    ticket: Ticket | None = (
        Ticket.objects.visible_to(by)
        .select_for_update(of=("self",))
        .select_related("client")
        .filter(number=number)
        .first()
    )
    if ticket is None:
        raise NotVisible
    return ticket


def is_contact(by: Principal) -> bool:
    """Return whether the principal is a client's contact acting in the portal."""
    return scope_of(by).plane is Plane.PORTAL


def require_staff(by: Principal, permission: str, client_id: int) -> None:
    """Refuse unless a member of staff, or the system, may do this for the client.

    Errors: NotAllowed.
    """
    require(by, permission, client_id)


def refuse_contact(by: Principal) -> None:
    """Refuse what only staff do. Errors: NotAllowed."""
    if is_contact(by):
        raise NotAllowed(_("Only the service desk does this."))


def person(by: Principal) -> User | None:
    """Return the principal as a person, None for machines."""
    return by if isinstance(by, User) else None


def label(by: Principal) -> str:
    """Return the principal's name as it stands in the record."""
    return str(by)[:160]


def instant(at: datetime | None, *, field: str = "at") -> datetime:
    """Return when something happened: now, unless an earlier instant was named.

    Errors: BadInput for a naive or future instant.
    """
    now = clock.now()
    if at is None:
        return now
    if at.tzinfo is None:
        raise BadInput(_("A time needs a zone."), field=field)
    if at > now:
        raise BadInput(_("This lies in the future."), field=field)
    return at


def text(value: str, *, field: str, missing: str) -> str:
    """Return text without blanks around it. Errors: BadInput if nothing is left."""
    value = value.strip()
    if not value:
        raise BadInput(missing, field=field)
    return value


def save(ticket: Ticket, *names: str, at: datetime | None = None) -> None:
    """Write named columns, raise the version, and tell open screens."""
    ticket.version += 1
    ticket.last_activity_at = max(at or clock.now(), ticket.last_activity_at)
    ticket.save(update_fields=[*names, "version", "last_activity_at"])
    live.touch("tickets", str(ticket.public_id), client_id=ticket.client_id)


def id_for(by: Principal, token: str) -> uuid.UUID | None:
    """Return the public id that one submission of a form leads to, None without a token.

    The same person sending the same form twice gets the same id, so the unique key on it lets the
    second find what the first made. Others cannot arrive at that id: theirs is mixed in.
    """
    if not token:
        return None
    return uuid.uuid5(_TOKENS, f"{by.pk or by}:{token}")
