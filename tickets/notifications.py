"""Which message an event about a ticket becomes, and for whom."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext as _

from msp.core import notify
from msp.core.enums import Channel
from msp.core.models import User
from tickets.enums import ClockTarget
from tickets.models import Message, Ticket
from tickets.selectors import owners_for

IN_APP = (Channel.IN_APP,)
BOTH = (Channel.IN_APP, Channel.EMAIL)


def about_opening(ticket: Ticket) -> None:
    """Tell everybody who may work it of an urgent ticket that nobody has; of others, nobody."""
    for user in owners_for(ticket.client_id):
        if user.pk == ticket.opened_by_id:
            continue
        notify.tell(
            user,
            key=f"ticket.opened:{ticket.pk}",
            subject=_("%(priority)s, nobody has it: %(number)s %(subject)s") % _words(ticket),
            url=_url(ticket),
            client_id=ticket.client_id,
            channels=BOTH if ticket.priority == "p1" else IN_APP,
        )


def about_assignment(ticket: Ticket, owner: User) -> None:
    """Tell the person who has been given a ticket."""
    notify.tell(
        owner,
        key=f"ticket.assigned:{ticket.pk}:{ticket.version}",
        subject=_("Yours now: %(number)s %(subject)s") % _words(ticket),
        body=ticket.last_line,
        url=_url(ticket),
        client_id=ticket.client_id,
    )


def about_answer(ticket: Ticket, message: Message, owner: User) -> None:
    """Tell the owner that the client wrote."""
    notify.tell(
        owner,
        key=f"ticket.answer:{message.pk}",
        subject=_("%(author)s wrote: %(number)s %(subject)s")
        % {**_words(ticket), "author": message.author_label},
        body=message.body,
        url=_url(ticket),
        client_id=ticket.client_id,
    )


def to_contact(ticket: Ticket, *, key: str, body: str) -> None:
    """Mail a ticket's contact what was said to them, with the way back to the portal."""
    contact = ticket.contact
    if contact is None or contact.archived_at is not None:
        return
    notify.mail(
        contact.email,
        key=key,
        recipient=contact.user if contact.user_id else None,
        subject=f"[{ticket.number}] {ticket.subject}",
        body=body,
        url=reverse("portal:ticket", args=[ticket.number]) if contact.user_id else "",
        client_id=ticket.client_id,
    )


def about_clock(ticket: Ticket, owner: User, *, target: str, percent: int, cycle: str) -> None:
    """Warn the owner of a promise that runs out, or that is broken."""
    label = ClockTarget(target).label
    if percent >= 100:
        subject = _("Past due: %(target)s of %(number)s %(subject)s")
    else:
        subject = _("%(percent)s %% used: %(target)s of %(number)s %(subject)s")
    notify.tell(
        owner,
        key=f"ticket.clock:{ticket.pk}:{target}:{percent}:{cycle}",
        subject=subject % {**_words(ticket), "target": label, "percent": percent},
        url=_url(ticket),
        client_id=ticket.client_id,
        channels=BOTH if percent >= 100 else IN_APP,
    )


def about_unowned(ticket: Ticket, *, target: str, percent: int, cycle: str) -> None:
    """Tell everybody who may work it of a promise that runs out while nobody has the ticket."""
    if percent >= 100:
        subject = _("Past due, nobody has it: %(target)s of %(number)s %(subject)s")
    else:
        subject = _("%(percent)s %% used, nobody has it: %(target)s of %(number)s %(subject)s")
    words = {**_words(ticket), "target": ClockTarget(target).label, "percent": percent}
    for user in owners_for(ticket.client_id):
        notify.tell(
            user,
            key=f"ticket.clock:{ticket.pk}:{target}:{percent}:{cycle}",
            subject=subject % words,
            url=_url(ticket),
            client_id=ticket.client_id,
            channels=IN_APP,
        )


def _words(ticket: Ticket) -> dict[str, str]:
    return {
        "priority": ticket.priority.upper(),
        "number": str(ticket.number),
        "subject": ticket.subject,
    }


def _url(ticket: Ticket) -> str:
    return reverse("tickets:detail", args=[ticket.number])
