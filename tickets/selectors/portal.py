"""What a client's contact sees of their requests: three words, the next step, and by when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import QuerySet

from clients import selectors as client_selectors
from msp.core import clock
from msp.core.errors import ServiceError
from msp.core.models import User
from msp.core.scope import scope_of
from tickets.enums import ClockTarget, Priority, Status
from tickets.models import Clock, Ticket

#: A solution may be taken back this long after it; `services` refuse it afterwards.
REOPEN_DAYS = 7


class Word(StrEnum):
    """The three plain words."""

    YOURS = "yours"
    OURS = "ours"
    DONE = "done"


class Step(StrEnum):
    """What happens next."""

    YOUR_ANSWER = "your_answer"
    FIRST_ANSWER = "first_answer"
    NEXT_NEWS = "next_news"
    SUPPLIER = "supplier"
    AGREED = "agreed"
    WORKING = "working"
    SOLVED = "solved"
    CLOSED = "closed"


@dataclass(frozen=True)
class Request:
    """A ticket in a contact's words. `by` is when the next step is due; past means we are late."""

    ticket: Ticket
    word: Word
    step: Step
    by: datetime | None
    solved_by: datetime | None
    is_late: bool
    reopen_until: datetime | None


def requests_of(user: User) -> QuerySet[Ticket]:
    """Return what a contact follows, newest change first: their own, or by role the company's."""
    return (  # type: ignore[no-any-return]
        Ticket.objects.visible_to(user)
        .select_related("contact", "owner", "site")
        .order_by("-last_activity_at", "-id")
    )


def as_requests(user: User, tickets: list[Ticket]) -> list[Request]:
    """Return tickets in a contact's words, in two questions for all of them."""
    clocks: dict[int, dict[str, Clock]] = {}
    kept = (ClockTarget.RESPONSE, ClockTarget.UPDATE, ClockTarget.RESOLUTION)
    rows = Clock.objects.visible_to(user).filter(
        ticket__in=[ticket.pk for ticket in tickets], target__in=kept
    )
    for row in rows:
        clocks.setdefault(row.ticket_id, {})[row.target] = row
    now = clock.now()
    return [_request(ticket, clocks.get(ticket.pk, {}), now) for ticket in tickets]


def answer_minutes(user: User) -> int | None:
    """Return within how many working minutes an ordinary request is answered, None if unsaid."""
    client_id = scope_of(user).client_id
    if client_id is None:
        return None
    try:
        promise = client_selectors.promise_for(client_id=client_id, site_id=None, at=clock.now())
    except ServiceError:
        return None
    minutes: int | None = promise.targets[Priority.P3.value]["response"]
    return minutes


def _request(ticket: Ticket, clocks: dict[str, Clock], now: datetime) -> Request:
    step, by = _next_step(ticket, clocks)
    resolution = clocks.get(ClockTarget.RESOLUTION)
    promised = (
        resolution.due_at
        if resolution and ticket.is_open and ticket.terms.get("is_commitment")
        else None
    )
    until = (
        ticket.resolved_at + timedelta(days=REOPEN_DAYS)
        if ticket.resolved_at is not None and not ticket.is_open
        else None
    )
    return Request(
        ticket=ticket,
        word=_word(ticket),
        step=step,
        by=by,
        solved_by=promised,
        is_late=by is not None and by < now and step not in (Step.SOLVED, Step.CLOSED),
        reopen_until=until if until is not None and until >= now else None,
    )


def _word(ticket: Ticket) -> Word:
    if not ticket.is_open:
        return Word.DONE
    return Word.YOURS if ticket.status == Status.WAITING_CLIENT else Word.OURS


def _next_step(ticket: Ticket, clocks: dict[str, Clock]) -> tuple[Step, datetime | None]:
    response, update = clocks.get(ClockTarget.RESPONSE), clocks.get(ClockTarget.UPDATE)
    if ticket.status == Status.CLOSED:
        return Step.CLOSED, None
    if ticket.status == Status.RESOLVED:
        return Step.SOLVED, None
    if ticket.status == Status.WAITING_CLIENT:
        return Step.YOUR_ANSWER, None
    if ticket.status == Status.SCHEDULED:
        return Step.AGREED, ticket.scheduled_for
    if response is not None and response.met_at is None:
        return Step.FIRST_ANSWER, response.due_at
    news = update.due_at if update is not None and update.met_at is None else None
    if ticket.status == Status.WAITING_VENDOR:
        return Step.SUPPLIER, news
    return (Step.NEXT_NEWS, news) if news is not None else (Step.WORKING, None)


__all__ = [
    "REOPEN_DAYS",
    "Request",
    "Step",
    "Word",
    "answer_minutes",
    "as_requests",
    "requests_of",
]
