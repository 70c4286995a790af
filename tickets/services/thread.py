"""Add to a ticket's thread, and keep the last line that the queue shows."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from clients.selectors import contact_of_user
from msp.core import clock
from msp.core.models import User
from msp.core.scope import Principal
from tickets.enums import AuthorKind, MessageKind
from tickets.models import Message, Ticket
from tickets.services import _common

#: Characters of a message that the queue shows under the subject.
LAST_LINE = 200
THREAD_FIELDS = ("last_line", "last_author")


def author_kind(by: Principal) -> AuthorKind:
    """Return what sort of author a principal is: only people of ours are staff."""
    if _common.is_contact(by):
        return AuthorKind.CONTACT
    return AuthorKind.STAFF if isinstance(by, User) else AuthorKind.AUTOMATION


def write(
    ticket: Ticket,
    *,
    by: Principal,
    kind: MessageKind,
    author_kind: AuthorKind,
    body: str,
    at: datetime,
    minutes: int | None = None,
    channel: str = "web",
    public_id: uuid.UUID | None = None,
) -> Message:
    """Add a message; the caller has locked the ticket, asked permission, and saves it."""
    contact = (
        contact_of_user(by) if author_kind == AuthorKind.CONTACT and isinstance(by, User) else None
    )
    message: Message = Message.objects.create(
        public_id=public_id or uuid.uuid4(),
        client_id=ticket.client_id,
        ticket=ticket,
        kind=kind,
        author_kind=author_kind,
        author_user=_common.person(by),
        # A contact of a merged family is another client's row; the label names them.
        author_contact=contact if contact and contact.client_id == ticket.client_id else None,
        # Which program it was is in the audit; people read that nobody wrote it.
        author_label=_common.label(by) if isinstance(by, User) else _("Automatic"),
        body=body,
        channel=channel,
        at=at,
        recorded_at=clock.now(),
        minutes=minutes,
    )
    if kind != MessageKind.SYSTEM:
        show_last_line(ticket)
    return message


def system_line(ticket: Ticket, body: str, *, by: Principal, at: datetime | None = None) -> None:
    """Note in the thread what was done to the ticket; staff see it, clients do not."""
    write(
        ticket,
        by=by,
        kind=MessageKind.SYSTEM,
        author_kind=AuthorKind.SYSTEM,
        body=body,
        at=at or clock.now(),
    )


def last_words(ticket: Ticket) -> tuple[str, str]:
    """Return the last line and its author as the thread has them."""
    last = (
        Message.objects.filter(ticket=ticket)
        .exclude(kind=MessageKind.SYSTEM)
        .order_by("-at", "-id")
        .values_list("body", "author_label")
        .first()
    )
    if last is None:
        return "", ""
    return " ".join(last[0].split())[:LAST_LINE], last[1][:120]


@transaction.atomic
def rebuild_queue_row(ticket: Ticket) -> bool:
    """Write a ticket's last line again from its thread; return whether it was different."""
    locked = Ticket.objects.select_for_update(of=("self",)).get(pk=ticket.pk)
    before = (locked.last_line, locked.last_author)
    show_last_line(locked)
    if before == (locked.last_line, locked.last_author):
        return False
    _common.save(locked, *THREAD_FIELDS, at=locked.last_activity_at)
    return True


def queue_differences(ticket: Ticket) -> list[str]:
    """Compare a ticket's last line with its thread; return what differs, in words."""
    line, author = last_words(ticket)
    pairs = (("last_line", ticket.last_line, line), ("last_author", ticket.last_author, author))
    return [
        f"{ticket.number} {name}: {stored!r} is not {value!r}"
        for name, stored, value in pairs
        if stored != value
    ]


def show_last_line(ticket: Ticket) -> None:
    """Project the last message onto the ticket; a call logged afterwards is not the last."""
    ticket.last_line, ticket.last_author = last_words(ticket)
