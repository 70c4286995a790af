"""The queue: what is open, what is due next, and why it stands where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.db.models import (
    BooleanField,
    Case,
    Count,
    Exists,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce

from msp.core.errors import BadInput
from msp.core.scope import Principal
from tickets.enums import ClockTarget, Status
from tickets.models import Clock, Ticket, TimeEntry

PAGE = 50
#: Rows that one question for changed rows may name.
MOST_IDS = 50


class View(StrEnum):
    """The fixed views of the queue; saved views come on top of them."""

    NEXT = "next"
    MINE = "mine"
    UNASSIGNED = "unassigned"
    OPEN = "open"
    RESOLVED = "resolved"


class Group(StrEnum):
    """The headings of the queue, in order."""

    PAST_DUE = "past_due"
    HOUR = "hour"
    TODAY = "today"
    LATER = "later"
    STOPPED = "stopped"
    NO_PROMISE = "no_promise"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class Page:
    """One page of the queue; `next_cursor` is empty on the last."""

    tickets: list[Ticket]
    clocks: dict[int, list[Clock]]
    next_cursor: str


def in_view(user: Principal, view: View, *, client_id: int | None = None) -> QuerySet[Ticket]:
    """Return the tickets of a view that a person sees, unordered.

    Next up: open, mine or nobody's.
    """
    rows = Ticket.objects.visible_to(user)
    if client_id is not None:
        rows = rows.filter(client_id=client_id)
    if view is View.RESOLVED:
        return rows.filter(status__in=(Status.RESOLVED, Status.CLOSED))  # type: ignore[no-any-return]
    rows = rows.open()
    if view is View.NEXT:
        rows = rows.filter(Q(owner_id=user.pk) | Q(owner__isnull=True))
    elif view is View.MINE:
        rows = rows.filter(owner_id=user.pk)
    elif view is View.UNASSIGNED:
        rows = rows.filter(owner__isnull=True)
    return rows  # type: ignore[no-any-return]


def queue(
    user: Principal,
    view: View | str = View.NEXT,
    *,
    cursor: str = "",
    client_id: int | None = None,
    size: int = PAGE,
) -> Page:
    """Return a page of a view: by what is due next, then standing clocks, then no promise.

    Resolved tickets come newest first. The cursor is the key of the last row, so rows that appear
    meanwhile neither repeat nor hide others.

    Errors: BadInput for a cursor that is none.
    """
    view = View(view)
    rows = _for_rows(in_view(user, view, client_id=client_id))
    if view is View.RESOLVED:
        rows = rows.order_by(F("resolved_sort").desc(), "-id")  # type: ignore[misc]
    else:
        rows = rows.order_by(  # type: ignore[misc]
            F("next_due_at").asc(nulls_last=True), "-is_stopped", "id"
        )
    if cursor:
        rows = rows.filter(_after(view, cursor))
    found = list(rows[: size + 1])
    more, found = len(found) > size, found[:size]
    return Page(
        tickets=found,
        clocks=_clocks(user, found),
        next_cursor=_cursor(view, found[-1]) if more else "",
    )


def rows_by_ids(
    user: Principal, view: View | str, ids: list[str], *, client_id: int | None = None
) -> Page:
    """Return those of the named rows that belong to a view; others are left out."""
    known = []
    for text in ids[:MOST_IDS]:
        try:
            known.append(UUID(text))
        except ValueError:
            continue
    rows = _for_rows(in_view(user, View(view), client_id=client_id)).filter(public_id__in=known)
    found = list(rows)
    return Page(tickets=found, clocks=_clocks(user, found), next_cursor="")


def counts(user: Principal, *, client_id: int | None = None) -> dict[str, int]:
    """Return how many tickets each open view holds, in one question."""
    rows = Ticket.objects.visible_to(user).open()
    if client_id is not None:
        rows = rows.filter(client_id=client_id)
    mine, nobodys = Q(owner_id=user.pk), Q(owner__isnull=True)
    found: dict[str, int] = rows.aggregate(
        next=Count("pk", filter=mine | nobodys),
        mine=Count("pk", filter=mine),
        unassigned=Count("pk", filter=nobodys),
        open=Count("pk"),
    )
    return found


def group_of(ticket: Ticket, clocks: list[Clock], *, now: datetime, day_ends: datetime) -> Group:
    """Return the heading under which a ticket stands."""
    if not ticket.is_open:
        return Group.RESOLVED
    due = ticket.next_due_at
    if due is None:
        stopped = any(row.met_at is None and row.paused_at is not None for row in clocks)
        return Group.STOPPED if stopped else Group.NO_PROMISE
    if due <= now:
        return Group.PAST_DUE
    if due <= now + timedelta(hours=1):
        return Group.HOUR
    return Group.TODAY if due < day_ends else Group.LATER


def next_clock(clocks: list[Clock]) -> Clock | None:
    """Return the promise that the queue shows: the next due, else one that stands still."""
    unmet = [row for row in clocks if row.met_at is None and row.target != ClockTarget.VENDOR]
    if not unmet:
        return None
    far = datetime.max.replace(tzinfo=UTC)
    order = list(ClockTarget)
    return min(
        unmet,
        key=lambda row: (row.due_at or far, -order.index(ClockTarget(row.target))),
    )


def open_count(user: Principal) -> int:
    """Count the open tickets that are a person's or nobody's: the figure beside "Queue"."""
    return in_view(user, View.NEXT).count()


def _for_rows(rows: QuerySet[Ticket]) -> QuerySet[Ticket]:
    """Add what a row shows: names, minutes logged, and whether all its clocks stand still."""
    minutes = (
        TimeEntry.objects.filter(ticket=OuterRef("pk"))
        .order_by()
        .values("ticket")
        .annotate(total=Sum("minutes"))
        .values("total")
    )
    stopped = Clock.objects.filter(
        ticket=OuterRef("pk"), met_at__isnull=True, paused_at__isnull=False
    )
    return rows.select_related("client", "contact", "owner").annotate(
        minutes_logged=Subquery(minutes, output_field=IntegerField()),
        # Only where nothing is due does it part the rows: "Clock stopped" before "No promise".
        is_stopped=Case(
            When(next_due_at__isnull=True, then=Exists(stopped)),
            default=Value(False),
            output_field=BooleanField(),
        ),
        resolved_sort=Coalesce("resolved_at", "closed_at"),
    )


def _clocks(user: Principal, tickets: list[Ticket]) -> dict[int, list[Clock]]:
    found: dict[int, list[Clock]] = {}
    for row in Clock.objects.visible_to(user).filter(ticket__in=[ticket.pk for ticket in tickets]):
        found.setdefault(row.ticket_id, []).append(row)
    return found


def _cursor(view: View, last: Ticket) -> str:
    if view is View.RESOLVED:
        return f"{last.resolved_sort.isoformat()},{last.pk}"  # type: ignore[attr-defined]
    due = last.next_due_at.isoformat() if last.next_due_at else f"none{int(last.is_stopped)}"  # type: ignore[attr-defined]
    return f"{due},{last.pk}"


def _after(view: View, cursor: str) -> Q:
    at, _comma, key = cursor.rpartition(",")
    try:
        pk = int(key)
        if view is View.RESOLVED:
            moment = _moment(at)
            return Q(resolved_sort__lt=moment) | Q(resolved_sort=moment, pk__lt=pk)
        if at in ("none0", "none1"):
            stopped = at == "none1"
            same = Q(next_due_at__isnull=True, is_stopped=stopped, pk__gt=pk)
            return same | Q(next_due_at__isnull=True, is_stopped=False) if stopped else same
        moment = _moment(at)
    except ValueError as error:
        raise BadInput("This page does not exist.", field="cursor") from error
    return (
        Q(next_due_at__gt=moment) | Q(next_due_at=moment, pk__gt=pk) | Q(next_due_at__isnull=True)
    )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("an instant needs a zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("an instant beyond the calendar") from error


def day_end(zone_now: datetime) -> datetime:
    """Return the midnight that ends the reader's day."""
    return (zone_now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
