"""What tickets do when something happened: one message each, from the state as it is now."""

from __future__ import annotations

from django.utils.translation import gettext as _

from msp.core.enums import UserKind
from msp.core.models import User
from msp.core.permissions import can
from tickets import notifications
from tickets.enums import AuthorKind, MessageKind, Priority, Source
from tickets.events import (
    ClockWarned,
    PublicMessageAdded,
    TicketAssigned,
    TicketOpened,
    TicketResolved,
)
from tickets.models import Clock, Message, Ticket

#: Priorities for which everybody is told when nobody has the ticket.
URGENT = frozenset({Priority.P1.value, Priority.P2.value})
#: From this share of a promise on (per cent) everybody hears of a ticket that nobody has.
UNOWNED_FROM = 75


def tell_about_opening(event: TicketOpened) -> None:
    """Call for somebody to take an urgent ticket; quiet about all others."""
    ticket = _ticket(event.ticket_id)
    if ticket and ticket.is_open and ticket.owner_id is None and ticket.priority in URGENT:
        notifications.about_opening(ticket)


def tell_about_assignment(event: TicketAssigned) -> None:
    """Tell a new owner, unless they took it themselves or it has moved on."""
    ticket = _ticket(event.ticket_id)
    if ticket is None or event.owner_id is None or ticket.owner_id != event.owner_id:
        return
    owner = _owner(ticket)
    if owner is not None and owner.pk != event.by_id:
        notifications.about_assignment(ticket, owner)


def tell_about_message(event: PublicMessageAdded) -> None:
    """Mail the contact what we wrote; tell the owner what the contact wrote."""
    ticket = _ticket(event.ticket_id)
    message: Message | None = Message.objects.filter(pk=event.message_id).first()
    if ticket is None or message is None or message.kind != MessageKind.PUBLIC:
        return
    if message.author_kind == AuthorKind.CONTACT:
        owner = _owner(ticket)
        if owner is not None:
            notifications.about_answer(ticket, message, owner)
    elif ticket.source != Source.ALERT:
        notifications.to_contact(ticket, key=f"ticket.message:{message.pk}", body=message.body)


def tell_about_clock(event: ClockWarned) -> None:
    """Warn the owner, unless the promise was kept or a later warning has been given since.

    Of a ticket that nobody has, those who could take it hear when it is nearly late or late.
    """
    ticket = _ticket(event.ticket_id)
    clock: Clock | None = Clock.objects.filter(
        ticket=event.ticket_id, target=event.target, met_at__isnull=True
    ).first()
    if ticket is None or clock is None or clock.warned_percent > event.percent:
        return
    cycle = f"{clock.started_at.timestamp():.0f}:{clock.target_seconds}"
    owner = _owner(ticket)
    if owner is not None:
        notifications.about_clock(
            ticket, owner, target=event.target, percent=event.percent, cycle=cycle
        )
    elif ticket.owner_id is None and event.percent >= UNOWNED_FROM:
        notifications.about_unowned(ticket, target=event.target, percent=event.percent, cycle=cycle)


def tell_about_resolution(event: TicketResolved) -> None:
    """Mail the contact what solved it, and until when they may say that it did not."""
    ticket = _ticket(event.ticket_id)
    if ticket is None or ticket.is_open or ticket.source == Source.ALERT:
        return
    notifications.to_contact(
        ticket,
        key=f"ticket.resolved:{ticket.pk}:{ticket.resolved_at:%Y%m%d%H%M%S}",
        body=_("%(resolution)s\n\nIf it is not solved, tell us within 7 days.")
        % {"resolution": ticket.resolution},
    )


def _ticket(ticket_id: int) -> Ticket | None:
    found: Ticket | None = (
        Ticket.objects.select_related("client", "contact__user", "owner")
        .filter(pk=ticket_id)
        .first()
    )
    return found


def _owner(ticket: Ticket) -> User | None:
    """Return the owner, if they may still see the ticket."""
    owner = ticket.owner
    if owner is None or not owner.is_active or owner.kind != UserKind.STAFF:
        return None
    return owner if can(owner, "tickets.view", ticket.client_id) else None
