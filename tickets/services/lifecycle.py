"""Change where the work on a ticket stands. A change of status never answers anybody."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from msp.core import audit, clock
from msp.core.errors import BadInput, Refused
from msp.core.events import publish
from msp.core.models import User
from msp.core.permissions import can
from msp.core.scope import Principal
from tickets.domain.lifecycle import PAUSE_OF_STATUS, Transition, pause_of, plan_transition
from tickets.enums import (
    AuthorKind,
    ClockEventKind,
    ClockStanding,
    ClockTarget,
    MessageKind,
    PauseReason,
    Priority,
    RetargetBasis,
    Source,
    Status,
)
from tickets.events import PublicMessageAdded, TicketResolved
from tickets.models import ClockEvent, Message, Ticket, TimeEntry
from tickets.services import _common, thread
from tickets.services import clock as clocks

#: A contact may take a solution back this long after it; afterwards they report anew.
REOPEN_DAYS = 7
STATUS_FIELDS = (
    "status",
    "status_since",
    "scheduled_for",
    "resolved_at",
    "closed_at",
    "resolution",
)


@transaction.atomic
def change_status(
    number: int,
    *,
    by: Principal,
    status: str,
    at: datetime | None = None,
    until: datetime | None = None,
    reason: str = "",
    expected: str = "",
) -> Ticket:
    """Change the status of a ticket; its clocks pause and go on as the status says.

    `at` says that it has been so since an earlier instant (audited); `until` is the agreed date
    that "scheduled" waits for. Resolving goes through `resolve_ticket`, which asks for the text.
    `expected` is the status the caller saw; a finished ticket is taken up again only as "in
    progress".

    Errors: NotVisible; NotAllowed; BadInput; Refused for a change that the life of a ticket does
    not have, and if its status is not the expected one any more.
    """
    ticket = _common.lock_ticket(number, by=by)
    _common.refuse_contact(by)
    _common.require_staff(by, "tickets.work", ticket.client_id)
    to = _status(status)
    if expected and expected != ticket.status:
        raise Refused(
            _("Meanwhile this ticket became “%(status)s”. Look again, then choose.")
            % {"status": ticket.get_status_display()},
            code="status_changed",
        )
    if to == Status.RESOLVED:
        raise BadInput(_("Say what solved it."), field="resolution", code="resolution_missing")
    if to == Status.CLOSED:
        return close_ticket(number, by=by)
    if not ticket.is_open:
        if to != Status.IN_PROGRESS:
            raise Refused(
                _("Reopen the ticket first: it is not being worked on."), code="reopen_first"
            )
        return reopen_ticket(number, by=by, reason=reason)
    since = _common.instant(at)
    if since < ticket.opened_at:
        raise BadInput(_("The ticket was not open then."), field="at")
    if to == Status.SCHEDULED and (until is None or until <= clock.now()):
        raise BadInput(_("Name the agreed date; it lies ahead."), field="until")
    before = ticket.status
    set_status(ticket, to, by=by, at=since, until=until if to == Status.SCHEDULED else None)
    audit.record(
        "ticket.status",
        ticket,
        by=by,
        reason=reason,
        before={"status": before},
        after={
            "status": to.value,
            "at": since.isoformat(),
            "back_dated": at is not None,
            **({"until": until.isoformat()} if ticket.scheduled_for and until else {}),
        },
    )
    thread.system_line(ticket, _("Status: %(status)s") % {"status": to.label}, by=by)
    clocks.settle(ticket, *STATUS_FIELDS)
    return ticket


@transaction.atomic
def resolve_ticket(number: int, *, by: Principal, resolution: str) -> Ticket:
    """Close the work on a ticket and stop its clocks; the text says what solved it.

    The text by a person is a public message: the client gets and sees it. That of a program is not.

    Errors: NotVisible; NotAllowed; BadInput without a text; Refused if it is resolved already.
    Publishes: TicketResolved.
    """
    ticket = _common.lock_ticket(number, by=by)
    _common.refuse_contact(by)
    _common.require_staff(by, "tickets.resolve", ticket.client_id)
    resolution = _common.text(resolution, field="resolution", missing=_("Say what solved it."))
    finish(ticket, by=by, resolution=resolution, at=clock.now())
    clocks.settle(ticket, *STATUS_FIELDS, *thread.THREAD_FIELDS)
    return ticket


@transaction.atomic
def close_ticket(number: int, *, by: Principal) -> Ticket:
    """Close a resolved ticket; its contact may say so too ("that solved it").

    Errors: NotVisible; NotAllowed; Refused unless it is resolved.
    """
    ticket = _common.lock_ticket(number, by=by)
    if not _common.is_contact(by):
        _common.require_staff(by, "tickets.resolve", ticket.client_id)
    before = ticket.status
    set_status(ticket, Status.CLOSED, by=by, at=clock.now())
    audit.record(
        "ticket.closed", ticket, by=by, before={"status": before}, after={"status": ticket.status}
    )
    thread.system_line(ticket, _("Closed"), by=by)
    clocks.settle(ticket, *STATUS_FIELDS)
    return ticket


@transaction.atomic
def reopen_ticket(number: int, *, by: Principal, reason: str = "", token: str = "") -> Ticket:
    """Take a solution back; the clocks go on from where they stood.

    A contact may within seven days, and says what is still wrong: that is a public message.

    Errors: NotVisible; NotAllowed; BadInput if a contact gives no reason; Refused if the ticket is
    open, or a contact comes too late.
    Publishes: PublicMessageAdded, for a contact's reason.
    """
    ticket = _common.lock_ticket(number, by=by)
    by_contact = _common.is_contact(by)
    if by_contact:
        public_id = _common.id_for(by, token)
        if public_id and Message.objects.filter(public_id=public_id, ticket=ticket).exists():
            return ticket
        if not contact_may_reopen(ticket):
            raise Refused(
                _("This was solved too long ago. Please report it anew; we see what was before."),
                code="too_late",
            )
        reason = _common.text(reason, field="body", missing=_("Tell us what is still wrong."))
    else:
        _common.require_staff(by, "tickets.resolve", ticket.client_id)
        public_id = None
    at = clock.now()
    reopen(ticket, by=by, at=at, reason=reason)
    if by_contact:
        message = thread.write(
            ticket,
            by=by,
            kind=MessageKind.PUBLIC,
            author_kind=AuthorKind.CONTACT,
            body=reason,
            at=at,
            public_id=public_id,
        )
        publish(
            PublicMessageAdded(
                message_id=message.pk,
                ticket_id=ticket.pk,
                number=ticket.number,
                client_id=ticket.client_id,
            )
        )
    clocks.settle(ticket, *STATUS_FIELDS, *thread.THREAD_FIELDS)
    return ticket


@transaction.atomic
def change_priority(
    number: int,
    *,
    by: Principal,
    priority: str,
    impact: str | None = None,
    urgency: str | None = None,
    reason: str = "",
) -> Ticket:
    """Give a ticket another priority: what is not yet met gets the new target.

    Whether the new target counts from creation or from the change is the frozen policy's choice.

    Errors: NotVisible; NotAllowed; BadInput; Refused for a ticket that is not open.
    """
    ticket = _common.lock_ticket(number, by=by)
    _common.refuse_contact(by)
    _common.require_staff(by, "tickets.work", ticket.client_id)
    if priority not in Priority.values:
        raise BadInput(_("This is not one of the choices."), field="priority")
    if not ticket.is_open:
        raise Refused(_("Reopen the ticket first: it is not being worked on."), code="reopen_first")
    before = ticket.priority
    if before == priority:
        return ticket
    ticket.priority = priority
    ticket.impact, ticket.urgency = impact or ticket.impact, urgency or ticket.urgency
    _retarget(ticket, by=by, at=clock.now())
    audit.record(
        "ticket.priority",
        ticket,
        by=by,
        reason=reason,
        before={"priority": before},
        after={"priority": priority},
    )
    thread.system_line(
        ticket,
        _("Priority: %(before)s → %(after)s")
        % {"before": before.upper(), "after": priority.upper()},
        by=by,
    )
    clocks.settle(ticket, "priority", "impact", "urgency")
    return ticket


@transaction.atomic
def record_pause(
    number: int, *, by: Principal, because: str, start: datetime, end: datetime, reason: str
) -> Ticket:
    """Add afterwards that a ticket waited for the client or a vendor between two past instants.

    Errors: NotVisible; NotAllowed; BadInput for a reason or an interval that cannot be.
    """
    ticket = _common.lock_ticket(number, by=by)
    _common.refuse_contact(by)
    _common.require_staff(by, "tickets.work", ticket.client_id)
    reason = _common.text(reason, field="reason", missing=_("Say why; the record keeps it."))
    start, end = _common.instant(start, field="start"), _common.instant(end, field="end")
    if because not in {pause.value for pause in PAUSE_OF_STATUS.values()}:
        raise BadInput(_("This is not one of the choices."), field="because")
    if not ticket.opened_at <= start < end:
        raise BadInput(_("The pause lies within the life of the ticket."), field="start")
    pause = PauseReason(because)
    for target in _running(ticket) - {ClockTarget.RESPONSE}:
        if target == ClockTarget.UPDATE and pause == PauseReason.WAITING_VENDOR:
            continue  # the client still wants to be told
        clocks.record(
            ticket, target, ClockEventKind.PAUSE, by=by, at=start, reason=pause.value, until=end
        )
    audit.record(
        "ticket.pause_added",
        ticket,
        by=by,
        reason=reason,
        after={"because": because, "start": start.isoformat(), "end": end.isoformat()},
    )
    thread.system_line(
        ticket, _("A pause was added afterwards: %(why)s") % {"why": pause.label}, by=by
    )
    clocks.settle(ticket)
    return ticket


@transaction.atomic
def close_if_untouched(ticket_id: int, *, by: Principal, reason: str) -> bool:
    """Resolve a ticket whose cause has gone, unless a person has begun; return whether it was.

    Begun means: it has an owner, a status other than new, a word by a person, or time on it.

    Errors: NotVisible.
    Publishes: TicketResolved.
    """
    number = (
        Ticket.objects.visible_to(by).filter(pk=ticket_id).values_list("number", flat=True).first()
    )
    ticket = _common.lock_ticket(number or 0, by=by)
    _common.require_staff(by, "tickets.resolve", ticket.client_id)
    people = (AuthorKind.STAFF, AuthorKind.CONTACT)
    if (
        ticket.owner_id is not None
        or ticket.status != Status.NEW
        or Message.objects.filter(ticket=ticket, author_kind__in=people).exists()
        or TimeEntry.objects.filter(ticket=ticket).exists()
    ):
        return False
    finish(ticket, by=by, resolution=reason, at=clock.now())
    clocks.settle(ticket, *STATUS_FIELDS, *thread.THREAD_FIELDS)
    return True


def start_scheduled() -> int:
    """Take up tickets whose agreed date has come; return how many."""
    numbers = list(
        Ticket.objects.filter(status=Status.SCHEDULED, scheduled_for__lte=clock.now())
        .order_by("scheduled_for")
        .values_list("number", "client_id")[:500]
    )
    return sum(_start_scheduled(number) for number, _client in numbers)


@transaction.atomic
def _start_scheduled(number: int) -> bool:
    by = clocks.SWEEP
    ticket = (
        Ticket.objects.select_for_update(of=("self",), skip_locked=True)
        .filter(number=number, status=Status.SCHEDULED, scheduled_for__lte=clock.now())
        .first()
    )
    if ticket is None:
        return False
    set_status(ticket, Status.IN_PROGRESS, by=by, at=ticket.scheduled_for or clock.now())
    audit.record(
        "ticket.status",
        ticket,
        by=by,
        before={"status": Status.SCHEDULED.value},
        after={"status": ticket.status},
    )
    thread.system_line(ticket, _("The agreed date has come."), by=by)
    clocks.settle(ticket, *STATUS_FIELDS)
    return True


def set_status(
    ticket: Ticket, to: Status, *, by: Principal, at: datetime, until: datetime | None = None
) -> Transition:
    """Change the status and write what that does to the clocks; the caller settles.

    Errors: Refused, with the code of the life cycle.
    """
    plan = plan_transition(Status(ticket.status), to)
    if not isinstance(plan, Transition):
        raise Refused(str(plan.label), code=plan.value)
    have = {ClockTarget(target) for target in _targets(ticket)}
    for effect in plan.effects:
        if effect.kind == ClockEventKind.START:
            if effect.target in have:
                clocks.start(ticket, effect.target, by=by, at=at)
        elif effect.target in have:
            parts = {"until": until} if effect.kind == ClockEventKind.PAUSE and until else {}
            clocks.record(
                ticket,
                effect.target,
                effect.kind,
                by=by,
                at=at,
                reason=effect.reason.value if effect.reason else "",
                **parts,
            )
    ticket.status, ticket.status_since = to.value, at
    ticket.scheduled_for = until
    if to == Status.RESOLVED:
        ticket.resolved_at = at
    elif to == Status.CLOSED:
        ticket.closed_at = at
    else:
        ticket.resolved_at = ticket.closed_at = None
        ticket.resolution = ""
    return plan


def finish(ticket: Ticket, *, by: Principal, resolution: str, at: datetime) -> None:
    """Resolve a locked ticket: text, clocks, audit, event. The caller settles.

    Publishes: TicketResolved.
    """
    before = ticket.status
    by_person = isinstance(by, User)
    if by_person and ticket.contact_id is not None and ticket.source != Source.ALERT:
        # A person tells the contact what was done: that is an answer, if none was given before.
        clocks.meet_by_contact(ticket, by=by, at=at, cadence=False)
    set_status(ticket, Status.RESOLVED, by=by, at=at)
    ticket.resolution = resolution
    thread.write(
        ticket,
        by=by,
        kind=MessageKind.PUBLIC if by_person else MessageKind.SYSTEM,
        author_kind=thread.author_kind(by),
        body=resolution,
        at=at,
    )
    thread.system_line(ticket, _("Resolved"), by=by, at=at)
    audit.record(
        "ticket.resolved",
        ticket,
        by=by,
        before={"status": before},
        after={"status": ticket.status, "resolution": resolution},
    )
    publish(TicketResolved(ticket_id=ticket.pk, number=ticket.number, client_id=ticket.client_id))


def reopen(ticket: Ticket, *, by: Principal, at: datetime, reason: str) -> None:
    """Put a locked ticket back to work; the caller settles.

    Errors: Refused if it is open.
    """
    if ticket.is_open:
        raise Refused(_("This ticket is open."), code="is_open")
    before, resolution = ticket.status, ticket.resolution
    set_status(ticket, Status.IN_PROGRESS, by=by, at=at)
    audit.record(
        "ticket.reopened",
        ticket,
        by=by,
        reason=reason,
        before={"status": before, "resolution": resolution},
        after={"status": ticket.status},
    )
    thread.system_line(ticket, _("Reopened"), by=by, at=at)


def contact_may_reopen(ticket: Ticket) -> bool:
    """Return whether a contact may still take the solution back."""
    return (
        not ticket.is_open
        and ticket.resolved_at is not None
        and clock.now() <= ticket.resolved_at + timedelta(days=REOPEN_DAYS)
    )


def may_resolve(by: Principal, client_id: int) -> bool:
    """Return whether somebody may resolve and reopen tickets of a client."""
    return can(by, "tickets.resolve", client_id)


def _retarget(ticket: Ticket, *, by: Principal, at: datetime) -> None:
    basis = (
        RetargetBasis.CREATION if ticket.terms.get("from_creation", True) else RetargetBasis.CHANGE
    )
    states = clocks.states_of(ticket, at)
    for target in clocks.targets_of(ticket):
        terms = clocks.terms_of(ticket, target)
        state = states.get(target)
        if state is None:
            # Not promised until now: a cadence begins with the change, others as the policy says.
            whole = basis == RetargetBasis.CREATION and target != ClockTarget.UPDATE
            _begin(ticket, target, by=by, at=ticket.opened_at if whole else at, now=at)
        elif target == ClockTarget.UPDATE and state.met_at is not None:
            _begin(ticket, target, by=by, at=at, now=at)
        elif state.met_at is not None:
            continue
        elif terms is not None:
            clocks.record(
                ticket, target, ClockEventKind.RETARGET, by=by, at=at, basis=basis, **terms
            )
        elif state.standing == ClockStanding.BREACHED:
            # The new priority promises nothing here; what was broken stays so, and ends now.
            clocks.record(ticket, target, ClockEventKind.MEET, by=by, at=at)
        else:
            # Nobody was told and nothing was kept, so it is taken back rather than met.
            _take_back(ticket, target, by=by, at=at)


def _begin(
    ticket: Ticket, target: ClockTarget, *, by: Principal, at: datetime, now: datetime
) -> None:
    """Start a promise that a new priority brings; it stands still if the ticket waits just now."""
    pause = pause_of(Status(ticket.status), target)
    if clocks.start(ticket, target, by=by, at=at) and pause is not None:
        until = {"until": ticket.scheduled_for} if ticket.scheduled_for else {}
        clocks.record(
            ticket, target, ClockEventKind.PAUSE, by=by, at=now, reason=pause.value, **until
        )


def _take_back(ticket: Ticket, target: ClockTarget, *, by: Principal, at: datetime) -> None:
    """Take back the cycle of a promise that runs; earlier cycles stay as they ended."""
    rows = ClockEvent.objects.filter(ticket=ticket, target=target)
    start = rows.filter(kind=ClockEventKind.START).latest("pk")
    ours = (ClockEventKind.START, ClockEventKind.RETARGET)
    for row in rows.filter(kind__in=ours, pk__gte=start.pk).order_by("pk"):
        clocks.record(
            ticket,
            target,
            ClockEventKind.CORRECT,
            by=by,
            at=at,
            reason="not promised at this priority",
            corrects=row.pk,
        )


def _targets(ticket: Ticket) -> set[str]:
    return set(ClockEvent.objects.filter(ticket=ticket).values_list("target", flat=True))


def _running(ticket: Ticket) -> set[ClockTarget]:
    return {ClockTarget(target) for target in _targets(ticket)}


def _status(value: str) -> Status:
    try:
        return Status(value)
    except ValueError as error:
        raise BadInput(_("This is not one of the choices."), field="status") from error
