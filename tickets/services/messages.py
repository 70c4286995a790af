"""Say something on a ticket."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from msp.core import audit
from msp.core.errors import BadInput, NotAllowed, NotVisible, Refused
from msp.core.events import publish
from msp.core.scope import Principal
from tickets.domain.sla import is_human_contact
from tickets.enums import AuthorKind, MessageKind, Status
from tickets.events import PublicMessageAdded
from tickets.models import Message, Ticket
from tickets.services import _common, lifecycle, thread
from tickets.services import clock as clocks

#: Longest text of one message, in characters.
LONGEST = 100_000
#: What may have happened before it is written down; a public message is sent when it is written.
LOGGED_KINDS = frozenset({MessageKind.NOTE, MessageKind.CALL, MessageKind.VISIT, MessageKind.CHAT})


@transaction.atomic
def add_message(
    number: int,
    *,
    by: Principal,
    kind: str,
    body: str,
    at: datetime | None = None,
    minutes: int | None = None,
    token: str = "",
) -> Message:
    """Add a message to a ticket's thread.

    Only a person's public message to a named contact, or a call, visit or chat that a person logs,
    meets the first response and starts the next update. A contact's answer to a ticket that waits
    for them sets it to work again and resumes its clocks. `at` is when a logged conversation took
    place (audited); `minutes` how long it took. The same `token` from the same person adds one
    message.

    Errors: NotVisible; NotAllowed for a contact who writes anything but a public message; BadInput
    for an empty text, an unknown kind or an impossible instant; Refused for a contact's answer to a
    ticket that was solved too long ago.
    Publishes: PublicMessageAdded, for public messages.
    """
    ticket = _common.lock_ticket(number, by=by)
    author = thread.author_kind(by)
    wanted = _kind(kind)
    if author == AuthorKind.CONTACT:
        if wanted != MessageKind.PUBLIC:
            raise NotAllowed(_("Only the service desk does this."))
    else:
        _common.require_staff(by, "tickets.work", ticket.client_id)
    public_id = _common.id_for(by, token)
    if public_id is not None:
        # The ticket's lock makes a second submit wait for the first.
        made = Message.objects.filter(public_id=public_id, ticket=ticket).first()
        if made is not None:
            return made  # type: ignore[no-any-return]
    body = _common.text(body, field="body", missing=_("Write something first."))
    if len(body) > LONGEST:
        raise BadInput(_("This text is too long."), field="body")
    if wanted == MessageKind.SYSTEM:
        raise BadInput(_("This is not one of the choices."), field="kind")
    if at is not None and wanted not in LOGGED_KINDS:
        raise BadInput(
            _("A message is sent when it is written; log a call for what was said before."),
            field="at",
        )
    happened = _common.instant(at)
    message = thread.write(
        ticket,
        by=by,
        kind=wanted,
        author_kind=author,
        body=body,
        at=happened,
        minutes=minutes,
        public_id=public_id,
    )
    _answer(ticket, wanted, author, by=by, at=happened)
    audit.record(
        "ticket.message",
        ticket,
        by=by,
        reason=_("Written down afterwards.") if at is not None else "",
        after={
            "message": str(message.public_id),
            "kind": wanted.value,
            "at": happened.isoformat(),
            "back_dated": at is not None,
        },
    )
    if wanted == MessageKind.PUBLIC:
        publish(
            PublicMessageAdded(
                message_id=message.pk,
                ticket_id=ticket.pk,
                number=ticket.number,
                client_id=ticket.client_id,
            )
        )
    clocks.settle(ticket, *lifecycle.STATUS_FIELDS, *thread.THREAD_FIELDS)
    return message


@transaction.atomic
def note_from_system(ticket_id: int, *, body: str, by: Principal) -> Message:
    """Add a note in the name of a program: more on an alert, say. It answers nobody.

    Errors: NotVisible; NotAllowed; BadInput for an empty text.
    """
    number = (
        Ticket.objects.visible_to(by).filter(pk=ticket_id).values_list("number", flat=True).first()
    )
    if number is None:
        raise NotVisible
    ticket = _common.lock_ticket(number, by=by)
    _common.refuse_contact(by)
    _common.require_staff(by, "tickets.work", ticket.client_id)
    message = thread.write(
        ticket,
        by=by,
        kind=MessageKind.NOTE,
        author_kind=AuthorKind.AUTOMATION,
        body=_common.text(body, field="body", missing=_("Write something first.")),
        at=_common.instant(None),
    )
    audit.record(
        "ticket.message",
        ticket,
        by=by,
        after={"message": str(message.public_id), "kind": message.kind},
    )
    clocks.settle(ticket, *thread.THREAD_FIELDS)
    return message


def _answer(
    ticket: Ticket, kind: MessageKind, author: AuthorKind, *, by: Principal, at: datetime
) -> None:
    """Let a message do what it does to status and clocks."""
    if author == AuthorKind.STAFF and kind != MessageKind.NOTE:
        if is_human_contact(kind, author, has_reader=ticket.contact_id is not None):
            clocks.meet_by_contact(ticket, by=by, at=at)
        if ticket.status == Status.NEW:
            lifecycle.set_status(ticket, Status.IN_PROGRESS, by=by, at=max(at, ticket.opened_at))
    elif author == AuthorKind.CONTACT:
        if ticket.status == Status.WAITING_CLIENT:
            lifecycle.set_status(ticket, Status.IN_PROGRESS, by=by, at=at)
            thread.system_line(ticket, _("The client has answered."), by=clocks.SWEEP, at=at)
        elif not ticket.is_open:
            if not lifecycle.contact_may_reopen(ticket):
                raise Refused(
                    _("This was solved too long ago. Please report it anew."), code="too_late"
                )
            lifecycle.reopen(ticket, by=by, at=at, reason=_("The client wrote again."))


def _kind(value: str) -> MessageKind:
    try:
        return MessageKind(value)
    except ValueError as error:
        raise BadInput(_("This is not one of the choices."), field="kind") from error
