"""Open a ticket."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from clients import selectors as client_selectors
from msp.core import audit, live
from msp.core.errors import BadInput, NotVisible
from msp.core.events import publish
from msp.core.models import User
from msp.core.scope import Principal, scope_of
from tickets.domain.priority import DEFAULT_MATRIX
from tickets.enums import (
    AuthorKind,
    Impact,
    Kind,
    MessageKind,
    Priority,
    Source,
    Status,
    Urgency,
)
from tickets.events import PublicMessageAdded, TicketAssigned, TicketOpened
from tickets.models import Ticket, TicketCounter
from tickets.selectors import choices
from tickets.services import _common
from tickets.services import clock as clocks
from tickets.services.assignment import permitted_owner
from tickets.services.lifecycle import STATUS_FIELDS, finish
from tickets.services.thread import THREAD_FIELDS, write

#: The row of `TicketCounter` that hands out numbers.
COUNTER = "ticket"


@transaction.atomic
def open_ticket(
    *,
    by: Principal,
    client_id: int,
    subject: str,
    body: str = "",
    kind: str = Kind.INCIDENT,
    source: str = Source.STAFF,
    impact: str = Impact.LOW,
    urgency: str = Urgency.MEDIUM,
    priority: str | None = None,
    contact_id: int | None = None,
    site_id: int | None = None,
    device_id: int | None = None,
    owner_id: int | None = None,
    source_ref: str = "",
    opened_at: datetime | None = None,
    on_the_phone: bool = False,
    resolution: str = "",
    token: str = "",
) -> Ticket:
    """Open a ticket, freeze what is promised for it, and start its clocks.

    The priority comes from impact × urgency by the client's matrix unless one is named. A contact
    opens for themselves at their active client, whatever is passed. `on_the_phone` logs the text as
    a call, which meets the first response at creation; `resolution` says that it was solved on that
    call. `opened_at` may lie in the past (aware). The same `token` from the same person opens one
    ticket, however often it is sent.

    Errors: NotVisible for a client or anything else not visible, or not of that client; NotAllowed;
    BadInput for an empty subject, an unknown word, or a future instant; Refused if no promise can
    be found because no default policy is set.
    Publishes: TicketOpened, PublicMessageAdded, TicketAssigned, TicketResolved, as it applies.
    """
    by_contact = _common.is_contact(by)
    if by_contact:
        scope = scope_of(by)
        client_id, contact_id = scope.client_id or 0, scope.contact_id
        source, owner_id, priority, on_the_phone, resolution = Source.PORTAL, None, None, False, ""
        opened_at = None
    client = choices.client_by_id(by, client_id)
    if client is None:
        raise NotVisible
    if not by_contact:
        _common.require_staff(by, "tickets.work", client_id)
    if resolution:
        _common.require_staff(by, "tickets.resolve", client_id)
    at = _common.instant(opened_at, field="opened_at")
    subject = " ".join(
        _common.text(subject, field="subject", missing=_("Say in a few words what it is."))[
            :200
        ].split()
    )
    number = next_number()
    # From here on openings stand in line, so a second submit finds what the first one made.
    public_id = _common.id_for(by, token)
    if public_id is not None:
        made = Ticket.objects.visible_to(by).filter(public_id=public_id).first()
        if made is not None:
            return made  # type: ignore[no-any-return]
    _check_choices(by, client_id, site_id=site_id, contact_id=contact_id, device_id=device_id)
    if site_id is None:
        site_id = _site_of(by, client_id, contact_id=contact_id, device_id=device_id)
    impact, urgency = _word(Impact, impact, "impact"), _word(Urgency, urgency, "urgency")
    ticket = Ticket(
        public_id=public_id or uuid.uuid4(),
        number=number,
        client=client,
        site_id=site_id,
        contact_id=contact_id,
        device_id=device_id,
        kind=_word(Kind, kind, "kind"),
        source=_word(Source, source, "source"),
        source_ref=source_ref[:120],
        impact=impact,
        urgency=urgency,
        priority=(
            _word(Priority, priority, "priority")
            if priority
            else priority_for(client_id, impact=impact, urgency=urgency)
        ),
        owner=permitted_owner(owner_id, client_id=client_id) if owner_id else None,
        subject=subject,
        opened_at=at,
        opened_by=_common.person(by),
        status_since=at,
        last_activity_at=at,
    )
    clocks.freeze(ticket, client_selectors.promise_for(client_id=client_id, site_id=site_id, at=at))
    TicketCounter.objects.filter(name=COUNTER).update(next_number=number + 1)
    ticket.save(force_insert=True)
    clocks.start_all(ticket, by=by, at=at)
    _first_words(ticket, body.strip(), by=by, at=at, on_the_phone=on_the_phone)
    if resolution:
        finish(ticket, by=by, resolution=resolution, at=at)
    clocks.project(ticket)
    ticket.save(update_fields=["next_due_at", *STATUS_FIELDS, *THREAD_FIELDS])
    audit.record(
        "ticket.opened",
        ticket,
        by=by,
        reason=_("Opened afterwards.") if opened_at is not None else "",
        after={
            "number": number,
            "subject": subject,
            "source": ticket.source,
            "priority": ticket.priority,
            "opened_at": at.isoformat(),
            "promise": ticket.sla_reason,
        },
    )
    publish(TicketOpened(ticket_id=ticket.pk, number=number, client_id=client_id))
    if ticket.owner_id:
        publish(
            TicketAssigned(
                ticket_id=ticket.pk,
                number=number,
                client_id=client_id,
                owner_id=ticket.owner_id,
                by_id=by.pk,
            )
        )
    live.touch("tickets", str(ticket.public_id), client_id=client_id)
    return ticket


def priority_for(client_id: int, *, impact: str, urgency: str) -> str:
    """Return the priority by the client's matrix, or by the built-in one if it has none."""
    cells = client_selectors.priority_cells(client_id)
    if cells is not None and (found := cells.get(f"{impact}:{urgency}")):
        return Priority(found).value
    return DEFAULT_MATRIX.priority(Impact(impact), Urgency(urgency)).value


def next_number() -> int:
    """Lock the counter until the end of the transaction and return the number it stands at.

    A rolled-back opening takes its number back with it, so numbers have no gaps.
    """
    counter = TicketCounter.objects.select_for_update().filter(name=COUNTER).first()
    if counter is None:
        TicketCounter.objects.get_or_create(name=COUNTER)
        counter = TicketCounter.objects.select_for_update().get(name=COUNTER)
    return counter.next_number


def _first_words(
    ticket: Ticket, body: str, *, by: Principal, at: datetime, on_the_phone: bool
) -> None:
    """Write the description as what it is, and let a call answer the ticket.

    What a technician writes down is a note: a public message would count as a first answer that
    nobody was given.
    """
    if on_the_phone:
        kind, author = MessageKind.CALL, AuthorKind.STAFF
        body = body or ticket.subject
    elif _common.is_contact(by):
        kind, author = MessageKind.PUBLIC, AuthorKind.CONTACT
    elif isinstance(by, User):
        kind, author = MessageKind.NOTE, AuthorKind.STAFF
    else:
        kind, author = MessageKind.NOTE, AuthorKind.AUTOMATION
    if not body:
        return
    message = write(
        ticket,
        by=by,
        kind=kind,
        author_kind=author,
        body=body,
        at=at,
        channel="phone" if on_the_phone else "web",
    )
    if on_the_phone:
        clocks.meet_by_contact(ticket, by=by, at=at)
        ticket.status = Status.IN_PROGRESS
    ticket.save(update_fields=["status", *THREAD_FIELDS])
    if kind == MessageKind.PUBLIC:
        publish(
            PublicMessageAdded(
                message_id=message.pk,
                ticket_id=ticket.pk,
                number=ticket.number,
                client_id=ticket.client_id,
            )
        )


def _check_choices(
    by: Principal,
    client_id: int,
    *,
    site_id: int | None,
    contact_id: int | None,
    device_id: int | None,
) -> None:
    """Refuse rows that the principal does not see or that are another client's."""
    wanted = (
        (site_id, choices.sites_for),
        (contact_id, choices.contacts_for),
        (device_id, choices.devices_for),
    )
    for key, rows in wanted:
        if key is not None and not rows(by, client_id).filter(pk=key).exists():
            raise NotVisible


def _site_of(
    by: Principal, client_id: int, *, contact_id: int | None, device_id: int | None
) -> int | None:
    """Return the site of the device, else of the contact; hours and zone follow it."""
    for key, rows in ((device_id, choices.devices_for), (contact_id, choices.contacts_for)):
        if key is not None:
            found: QuerySet[Any] = rows(by, client_id)
            site_id: int | None = found.filter(pk=key).values_list("site_id", flat=True).first()
            return site_id
    return None


def _word(words: type, value: str, field: str) -> str:
    """Return a value of a closed set. Errors: BadInput."""
    try:
        return str(words(value).value)
    except ValueError as error:
        raise BadInput(_("This is not one of the choices."), field=field) from error


__all__ = ["open_ticket", "priority_for"]
