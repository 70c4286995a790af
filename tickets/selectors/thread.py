"""What was said on a ticket."""

from __future__ import annotations

from django.db.models import QuerySet

from msp.core.scope import Principal
from tickets.enums import MessageKind
from tickets.models import Message, Ticket

#: The thread's tabs and the kinds each shows.
TABS: dict[str, tuple[str, ...]] = {
    "all": tuple(MessageKind.values),
    "public": (
        MessageKind.PUBLIC.value,
        MessageKind.CALL.value,
        MessageKind.VISIT.value,
        MessageKind.CHAT.value,
    ),
    "notes": (MessageKind.NOTE.value,),
    "system": (MessageKind.SYSTEM.value,),
}


def thread(user: Principal, ticket: Ticket) -> QuerySet[Message]:
    """Return what a person may read of a ticket's thread, oldest first.

    A contact reads public messages, calls, visits and chats: never notes, never system lines.
    """
    return (  # type: ignore[no-any-return]
        Message.objects.visible_to(user)
        .filter(ticket=ticket)
        .select_related("author_user", "author_contact")
        .order_by("at", "id")
    )


def last_public(user: Principal, tickets: list[Ticket]) -> dict[int, Message]:
    """Return the newest message a person may read, by ticket key; one question for all."""
    newest = (
        Message.objects.visible_to(user)
        .filter(ticket__in=[ticket.pk for ticket in tickets])
        .exclude(kind__in=(MessageKind.NOTE, MessageKind.SYSTEM))
        .order_by("ticket_id", "-at", "-id")
        .distinct("ticket_id")
    )
    return {message.ticket_id: message for message in newest}
