"""Turn tickets, clocks and messages into what templates draw. No questions to the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from msp.core import clock
from msp.core.templatetags.ui import SlaBadge, remaining_words, sla_state
from tickets import selectors
from tickets.enums import AuthorKind, ClockStanding, ClockTarget, MessageKind
from tickets.models import Clock, Message, Ticket
from tickets.selectors import Group

TARGET_WORDS = {
    ClockTarget.RESPONSE: gettext_lazy("Reply"),
    ClockTarget.UPDATE: gettext_lazy("Update"),
    ClockTarget.RESOLUTION: gettext_lazy("Resolve"),
    ClockTarget.INTERNAL: gettext_lazy("Internal"),
    ClockTarget.VENDOR: gettext_lazy("Vendor"),
}
TARGET_LABELS = {
    ClockTarget.RESPONSE: gettext_lazy("First reply"),
    ClockTarget.UPDATE: gettext_lazy("Next update"),
    ClockTarget.RESOLUTION: gettext_lazy("Resolve"),
    ClockTarget.INTERNAL: gettext_lazy("Internal target"),
    ClockTarget.VENDOR: gettext_lazy("Vendor"),
}
GROUP_WORDS = {
    Group.PAST_DUE: (gettext_lazy("Past due"), "bad"),
    Group.HOUR: (gettext_lazy("Due within the hour"), "warn"),
    Group.TODAY: (gettext_lazy("Today"), ""),
    Group.LATER: (gettext_lazy("Later"), ""),
    Group.STOPPED: (gettext_lazy("Clock stopped"), ""),
    Group.NO_PROMISE: (gettext_lazy("No promise"), ""),
    Group.RESOLVED: (gettext_lazy("Resolved"), ""),
}
#: Bar of a running promise: state of the badge → tone.
_TONES = {"past": "bad", "missed": "bad", "warn": "warn", "soon": "warn"}
#: Consecutive system lines from this many on are folded.
FOLD_FROM = 3


@dataclass(frozen=True)
class Row:
    """One row of the queue."""

    ticket: Ticket
    sla: SlaBadge | None
    group: Group


@dataclass(frozen=True)
class RowGroup:
    """A heading of the queue with its rows."""

    label: Any
    tone: str
    rows: list[Row]


@dataclass(frozen=True)
class Target:
    """One promise as the ticket's head shows it."""

    key: str
    label: Any
    due_at: datetime | None
    badge: SlaBadge
    fraction: float
    tone: str
    is_met: bool


@dataclass(frozen=True)
class Entry:
    """One entry of the thread; a fold holds several system lines instead of a message."""

    message: Message | None = None
    kind: str = "system"
    author: str = ""
    meta: str = ""
    icon: str = ""
    fold: list[Message] = field(default_factory=list)

    @property
    def element_id(self) -> str:
        first = self.message or self.fold[0]
        return f"message-{first.public_id}" if self.message else f"fold-{first.public_id}"

    @property
    def fold_words(self) -> str:
        return ngettext("%(n)s automatic step", "%(n)s automatic steps", len(self.fold)) % {
            "n": len(self.fold)
        }


def badge_of(row: Clock, *, now: datetime | None = None) -> SlaBadge:
    """Return the badge of one promise."""
    now = now or clock.now()
    target = str(TARGET_WORDS[ClockTarget(row.target)])
    if row.met_at is not None:
        late = row.standing == ClockStanding.MET_LATE
        at = date_format(timezone.localtime(row.met_at), "H:i")
        return SlaBadge(
            state="missed" if late else "met",
            label=(_("late, %(at)s") if late else _("met %(at)s")) % {"at": at},
            fraction=1.0,
            target=target,
        )
    if row.paused_at is not None and (row.due_at is None or row.due_at > now):
        left = row.left_seconds if row.left_seconds is not None else 0
        used = 1 - left / row.target_seconds if row.target_seconds else 0.0
        return SlaBadge(
            state="paused",
            label=_("Paused"),
            due_at=row.due_at,
            fraction=min(max(used, 0.0), 1.0),
            target=target if row.due_at else remaining_words(left),
        )
    if row.due_at is None:
        return SlaBadge(state="none", target=target)
    seconds = (row.due_at - now).total_seconds()
    fraction = used_share(row, now)
    return SlaBadge(
        state=sla_state(seconds, fraction), due_at=row.due_at, fraction=fraction, target=target
    )


def used_share(row: Clock, now: datetime) -> float:
    """Return the used part of a promise for its ring, by the wall clock (0–1)."""
    if row.due_at is None:
        return 0.0
    whole = (row.due_at - row.started_at).total_seconds()
    share = (now - row.started_at).total_seconds() / whole if whole > 0 else 1.0
    return min(max(share, 0.0), 1.0)


def row_of(ticket: Ticket, clocks: list[Clock]) -> Row:
    """Return what one row of the queue shows."""
    now = clock.now()
    shown = selectors.next_clock(clocks) if ticket.is_open else _last_word(clocks)
    return Row(
        ticket=ticket,
        sla=badge_of(shown, now=now) if shown else None,
        group=selectors.group_of(
            ticket, clocks, now=now, day_ends=selectors.day_end(timezone.localtime(now))
        ),
    )


def groups_of(page: selectors.Page) -> list[RowGroup]:
    """Return the page of a queue under its headings; the order of rows makes them."""
    rows = [row_of(ticket, page.clocks.get(ticket.pk, [])) for ticket in page.tickets]
    return [
        RowGroup(label=GROUP_WORDS[group][0], tone=GROUP_WORDS[group][1], rows=list(members))
        for group, members in groupby(rows, key=lambda row: row.group)
    ]


def targets_of(clocks: dict[ClockTarget, Clock]) -> list[Target]:
    """Return the promises of a ticket as its head shows them."""
    now = clock.now()
    found = []
    for target, row in clocks.items():
        badge = badge_of(row, now=now)
        found.append(
            Target(
                key=target.value,
                label=TARGET_LABELS[target],
                due_at=row.due_at if row.met_at is None else None,
                badge=badge,
                fraction=badge.fraction,
                tone=_TONES.get(badge.state, ""),
                is_met=row.met_at is not None,
            )
        )
    return found


def thread_of(messages: list[Message]) -> list[Entry]:
    """Return the thread with runs of system lines folded."""
    entries: list[Entry] = []
    for is_system, members in groupby(
        messages, key=lambda message: message.kind == MessageKind.SYSTEM
    ):
        run = list(members)
        if is_system and len(run) >= FOLD_FROM:
            entries.append(Entry(fold=run))
        else:
            entries.extend(_entry(message) for message in run)
    return entries


def _entry(message: Message) -> Entry:
    kind, icon, meta = "out", "", []
    if message.kind == MessageKind.SYSTEM:
        kind, icon = "system", "zap"
    elif message.author_kind == AuthorKind.CONTACT:
        kind = "in"
        meta.append(_("by the portal") if message.channel == "web" else message.channel)
    elif message.kind == MessageKind.NOTE:
        kind = "note"
    elif message.kind == MessageKind.CALL:
        kind, icon = "call", "phone"
        meta.append(_("call"))
    elif message.kind == MessageKind.VISIT:
        kind, icon = "call", "map-pin"
        meta.append(_("visit"))
    elif message.kind == MessageKind.CHAT:
        kind, icon = "call", "message-square"
        meta.append(_("chat"))
    if message.minutes and kind != "note":
        meta.append(_("%(minutes)s min") % {"minutes": message.minutes})
    if message.author_kind == AuthorKind.AUTOMATION and kind != "system":
        meta.append(_("automatic"))
    return Entry(
        message=message, kind=kind, author=message.author_label, meta=" · ".join(meta), icon=icon
    )


def _last_word(clocks: list[Clock]) -> Clock | None:
    """Return the promise that says how a finished ticket went."""
    order = (ClockTarget.RESOLUTION, ClockTarget.INTERNAL, ClockTarget.RESPONSE)
    rows = {row.target: row for row in clocks}
    return next((rows[target.value] for target in order if target.value in rows), None)
