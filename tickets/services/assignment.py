"""Give a ticket to somebody."""

from __future__ import annotations

from enum import Enum

from django.db import transaction
from django.utils.translation import gettext as _

from msp.core import audit
from msp.core.enums import UserKind
from msp.core.errors import BadInput, Refused
from msp.core.events import publish
from msp.core.models import User
from msp.core.permissions import can
from msp.core.scope import Principal
from tickets.events import TicketAssigned
from tickets.models import Ticket
from tickets.services import _common, thread


class Unchecked(Enum):
    """The caller did not look who has the ticket."""

    UNCHECKED = "unchecked"


UNCHECKED = Unchecked.UNCHECKED


@transaction.atomic
def assign_ticket(
    number: int,
    *,
    by: Principal,
    owner_id: int | None,
    reason: str = "",
    expected: int | Unchecked | None = UNCHECKED,
) -> Ticket:
    """Give a ticket to a person who may work it, or (None) to nobody.

    `expected` is the owner the caller saw (None for nobody): if somebody else has taken the ticket
    meanwhile, it is not taken from them unasked.

    Errors: NotVisible; NotAllowed; BadInput for a person who may not work this client's tickets;
    Refused if the owner is not the expected one.
    Publishes: TicketAssigned.
    """
    ticket = _common.lock_ticket(number, by=by)
    _common.refuse_contact(by)
    _common.require_staff(by, "tickets.work", ticket.client_id)
    if ticket.owner_id == owner_id:
        return ticket
    before = ticket.owner_id
    if not isinstance(expected, Unchecked) and expected != before:
        now_with = ticket.owner.name if ticket.owner else _("nobody")
        raise Refused(
            _("Meanwhile this ticket went to %(name)s. Assign it again if it should change hands.")
            % {"name": now_with},
            code="owner_changed",
        )
    ticket.owner = (
        permitted_owner(owner_id, client_id=ticket.client_id) if owner_id is not None else None
    )
    audit.record(
        "ticket.assigned",
        ticket,
        by=by,
        reason=reason,
        before={"owner": before},
        after={"owner": owner_id},
    )
    if ticket.owner is None:
        line = _("Nobody has this ticket any more")
    elif ticket.owner_id == by.pk:
        line = _("Took this ticket")
    else:
        line = _("Gave this ticket to %(name)s") % {"name": ticket.owner}
    thread.system_line(ticket, line, by=by)
    publish(
        TicketAssigned(
            ticket_id=ticket.pk,
            number=ticket.number,
            client_id=ticket.client_id,
            owner_id=owner_id,
            by_id=by.pk,
        )
    )
    _common.save(ticket, "owner")
    return ticket


def permitted_owner(owner_id: int, *, client_id: int) -> User:
    """Return a person who may work tickets of a client. Errors: BadInput."""
    owner = User.objects.filter(pk=owner_id, kind=UserKind.STAFF, is_active=True).first()
    if owner is None or not can(owner, "tickets.work", client_id):
        raise BadInput(_("This person may not work this client's tickets."), field="owner")
    return owner
