"""The life of an alert: raised, acknowledged, cleared; its ticket opened, joined, opened again.

The ticket is a call down, in the same transaction. Within one transaction alerts are cleared first
and tickets opened last, and tickets are locked in the order of their keys, so that workers and
technicians never wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from agents.models import Device
from monitoring import notifications as words
from monitoring.domain.selection import group_key
from monitoring.enums import AlertState, Severity
from monitoring.enums import RuleState as State
from monitoring.models import Alert, AlertTransition, Rule, RuleState, RuleVersion
from monitoring.selectors import alerts as alert_selectors
from monitoring.selectors import evaluation as selectors
from monitoring.services.locks import lock_devices
from msp.core import audit, clock, live
from msp.core.errors import NotVisible, Refused
from msp.core.models import User
from msp.core.permissions import require
from msp.core.scope import Principal, SystemPrincipal
from tickets import services as tickets
from tickets.enums import Impact, Kind, Source, Urgency
from tickets.models import Ticket

#: How bad an alert is for the client's work, in the words tickets work out a priority from.
_WEIGHT: dict[str, tuple[Impact, Urgency]] = {
    Severity.CRITICAL: (Impact.HIGH, Urgency.MEDIUM),
    Severity.WARNING: (Impact.MEDIUM, Urgency.MEDIUM),
    Severity.INFO: (Impact.LOW, Urgency.LOW),
}


@transaction.atomic
def raise_alert(
    *,
    by: Principal,
    version: RuleVersion,
    device: Device,
    instance: str,
    value: float,
    at: datetime,
    was: str = State.OK,
    free_bytes: float | None = None,
    ticket_now: bool = True,
) -> tuple[Alert, bool]:
    """Open an alert for a series that began to fire, and its ticket; return it, and whether made.

    The unique key settles races: the second writer gets the alert that is open already. `at` is the
    sample's time. With `ticket_now=False` the caller asks for tickets later (`open_due_tickets`).
    Errors: NotVisible for a device of a client not seen.
    """
    if not by.scope.covers(device.client_id):
        raise NotVisible
    rule = version.rule
    alert = Alert(
        client_id=device.client_id,
        rule=rule,
        rule_version=version,
        device=device,
        instance=instance,
        severity=rule.severity,
        group_key=group_key(device.pk, rule.metric),
        summary=words.summary_of(rule.metric, instance, value, free_bytes),
        value=value,
        opened_at=at,
        recorded_at=clock.now(),
    )
    try:
        with transaction.atomic():
            alert.save(force_insert=True)
    except IntegrityError:
        standing = (
            selectors.open_alerts(by, [device.pk]).filter(rule=rule, instance=instance).first()
        )
        if standing is None:  # not the race, but a mistake
            raise
        return standing, False
    record_transition(alert, was, State.FIRING, at=at, value=value, why=alert.summary)
    _touch(alert)
    if ticket_now and rule.opens_ticket:
        _give_tickets([alert], by=by)
    return alert, True


@transaction.atomic
def clear_alert(
    alert: Alert,
    *,
    by: Principal,
    at: datetime,
    was: str = State.FIRING,
    to: str = State.OK,
    value: float | None = None,
    why: str = "",
) -> bool:
    """Close an alert that is over; return False if it was closed already.

    Its ticket gets a line, and is resolved when no other alert on it is open and nobody has begun.
    `at` is the sample's time, or now for what a person did.
    """
    locked: Alert | None = (
        Alert.objects.visible_to(by)
        .open()
        .select_for_update(of=("self",))
        .select_related("rule", "rule_version", "device", "ticket")
        .filter(pk=alert.pk)
        .first()
    )
    if locked is None:
        return False
    metric = locked.rule.metric
    if not why:
        why = (
            _("Now %(value)s.") % {"value": words.value_words(metric, value)}
            if value is not None
            else _("Over.")
        )
    locked.state = AlertState.CLOSED
    # A sample older than the one that fired cannot close it; a person's clock may be behind.
    locked.closed_at = max(at, locked.opened_at)
    locked.save(update_fields=["state", "closed_at"])
    record_transition(locked, was, to, at=locked.closed_at, value=value, why=why)
    if locked.ticket is not None and locked.ticket.is_open:
        tickets.note_from_system(locked.ticket.pk, body=words.cleared_note(locked, why), by=by)
        others = Alert.objects.visible_to(by).open().filter(ticket_id=locked.ticket.pk)
        if not others.exists():
            tickets.close_if_untouched(
                locked.ticket.pk,
                by=by,
                reason=_("The alert is over: %(what)s") % {"what": why},
            )
    _touch(locked)
    return True


@transaction.atomic
def acknowledge_alert(public_id: UUID | str, *, by: User) -> Alert:
    """Note that a person knows of an alert. It stays open, and no clock of a ticket is touched.

    Acknowledging twice changes nothing: the first person stays named.
    Errors: NotVisible; NotAllowed; Refused if it is over.
    """
    alert: Alert | None = (
        Alert.objects.visible_to(by)
        .select_for_update(of=("self",))
        .select_related("rule", "device", "client")
        .filter(public_id=public_id)
        .first()
    )
    if alert is None:
        raise NotVisible
    require(by, "monitoring.acknowledge", alert.client_id)
    if not alert.is_open:
        raise Refused(_("This alert is over already."), code="alert_closed")
    if alert.state == AlertState.OPEN:
        _acknowledge(alert, by=by)
    return alert


@transaction.atomic
def acknowledge_group(
    rule_public_id: UUID | str, client_public_id: UUID | str, *, by: User
) -> list[Alert]:
    """Acknowledge the open alerts of one rule at one client; return those acknowledged now.

    Errors: NotVisible if there is no such open alert that the person sees; NotAllowed.
    """
    group = list(
        Alert.objects.visible_to(by)
        .open()
        .select_for_update(of=("self",))
        .select_related("rule", "device", "client")
        .filter(rule__public_id=rule_public_id, client__public_id=client_public_id)
        .order_by("pk")
    )
    if not group:
        raise NotVisible
    require(by, "monitoring.acknowledge", group[0].client_id)
    fresh = [alert for alert in group if alert.state == AlertState.OPEN]
    for alert in fresh:
        _acknowledge(alert, by=by)
    return fresh


@transaction.atomic
def recheck_after_resolution(ticket_id: int, *, by: Principal) -> list[Ticket]:
    """Open a new ticket for alerts of a resolved ticket that have been seen true since.

    A technician resolves between two reports, so what was measured before the resolution proves
    nothing: the next sample decides, in `open_due_tickets`, which every evaluation calls.
    """
    devices = set(
        Alert.objects.visible_to(by)
        .open()
        .filter(ticket_id=ticket_id)
        .values_list("device_id", flat=True)
    )
    lock_devices(devices)
    return open_due_tickets(devices, by=by)


@transaction.atomic
def open_due_tickets(device_ids: Collection[int], *, by: Principal) -> list[Ticket]:
    """Give each open alert of these devices that should have a ticket one; return those opened.

    Only what is still true: the rule sees the series firing, and no later report of the device
    waits to be evaluated, so that catching up opens nothing for what is over. A ticket that was
    resolved is followed by a new one as soon as a later sample shows the alert to be still true.
    The caller holds the locks of the devices.
    """
    owing = selectors.owing_a_ticket(by, device_ids)
    if not owing:
        return []
    states = _states_of(owing, by=by)
    waiting = selectors.newest_waiting({alert.device_id for alert in owing})
    return _give_tickets(
        [
            alert
            for alert in owing
            if _is_still_true(alert, states.get(_series(alert)), waiting.get(alert.device_id, 0))
        ],
        by=by,
    )


@transaction.atomic
def close_alerts_of_rule(rule: Rule, *, keep: Callable[[Alert], bool]) -> list[Alert]:
    """Close the open alerts of a rule that it no longer stands for; return them.

    Done in the name of the system: who may change rules need not be allowed to work tickets.
    """
    by = SystemPrincipal("Monitoring")
    gone = [alert for alert in alert_selectors.open_of_rule(by, rule) if not keep(alert)]
    close_alerts(gone, by=by, why=_("The rule no longer watches this."))
    return gone


@transaction.atomic
def close_alerts(gone: Iterable[Alert], *, by: Principal, why: str) -> None:
    """Close alerts that no sample will ever clear, and forget what their rules knew."""
    gone = list(gone)
    lock_devices(alert.device_id for alert in gone)
    for alert in gone:
        clear_alert(alert, by=by, at=clock.now(), was=State.FIRING, to=AlertState.CLOSED, why=why)
        RuleState.objects.visible_to(by).filter(
            rule_id=alert.rule_id, device_id=alert.device_id, instance=alert.instance
        ).delete()


def note_change(alert: Alert, source: str, to: str, *, at: datetime, value: float | None) -> None:
    """Add to the history of an open alert what its rule sees now: recovering, unknown, firing."""
    if value is None:
        why = _("Nothing was measured any more: unknown, not over.")
    else:
        why = _("Now %(value)s.") % {"value": words.value_words(alert.rule.metric, value)}
    record_transition(alert, source, to, at=at, value=value, why=why)
    _touch(alert)


def record_transition(
    alert: Alert,
    source: str,
    to: str,
    *,
    at: datetime,
    value: float | None,
    why: str,
    by: User | None = None,
) -> None:
    """Add one line to the history of an alert."""
    AlertTransition.objects.create(
        client_id=alert.client_id,
        alert=alert,
        from_state=source,
        to_state=to,
        at=at,
        recorded_at=clock.now(),
        value=value,
        why=why[:250],
        by=by,
    )


def _acknowledge(alert: Alert, *, by: User) -> None:
    now = clock.now()
    alert.state = AlertState.ACKNOWLEDGED
    alert.acknowledged_at = now
    alert.acknowledged_by = by
    alert.save(update_fields=["state", "acknowledged_at", "acknowledged_by"])
    record_transition(
        alert,
        State.FIRING,
        AlertState.ACKNOWLEDGED,
        at=now,
        value=None,
        why=_("Acknowledged by %(who)s") % {"who": by.name},
        by=by,
    )
    audit.record("alert.acknowledged", alert, by=by, client_id=alert.client_id)
    _touch(alert)


def _give_tickets(owing: Collection[Alert], *, by: Principal) -> list[Ticket]:
    """Let alerts join the open ticket of their device and family, or open one; return those."""
    standing = selectors.lock_tickets_of_groups(
        by, {alert.client_id for alert in owing}, {alert.group_key for alert in owing}
    )
    opened: list[Ticket] = []
    # What joins goes first: see the top of this module.
    for alert in sorted(owing, key=lambda one: (_group(one) not in standing, one.pk)):
        ticket = standing.get(_group(alert))
        if ticket is not None:
            tickets.note_from_system(ticket.pk, body=words.joined_note(alert), by=by)
        else:
            ticket = _open_ticket(alert, by=by)
            standing[_group(alert)] = ticket
            opened.append(ticket)
        alert.ticket = ticket
        alert.save(update_fields=["ticket"])
        _touch(alert)
    return opened


def _open_ticket(alert: Alert, *, by: Principal) -> Ticket:
    """Open a ticket for an alert; the resolved one it follows gets a line about it."""
    impact, urgency = _WEIGHT[alert.severity]
    before = alert.ticket
    ticket = tickets.open_ticket(
        by=by,
        client_id=alert.client_id,
        subject=words.ticket_subject(alert),
        body=words.ticket_body(alert, after_number=before.number if before else None),
        kind=Kind.ALERT,
        source=Source.ALERT,
        source_ref=str(alert.public_id),
        impact=impact,
        urgency=urgency,
        site_id=alert.device.site_id,
        device_id=alert.device_id,
    )
    if before is not None:
        tickets.note_from_system(before.pk, body=words.still_true_note(alert, ticket.number), by=by)
    return ticket


def _is_still_true(alert: Alert, state: RuleState | None, waiting: int) -> bool:
    """Say whether the series is firing by the last report, and by one after the last resolution.

    `waiting` is the newest group with reports of the device that is yet to be evaluated, or 0.
    """
    if state is None or state.state != State.FIRING or state.last_ms is None:
        return False
    if state.last_group_id is not None and waiting > state.last_group_id:
        return False
    if alert.ticket is None:
        return True
    resolved_at = alert.ticket.resolved_at or alert.ticket.closed_at
    return resolved_at is None or datetime.fromtimestamp(state.last_ms / 1000, UTC) > resolved_at


def _states_of(
    alerts: Collection[Alert], *, by: Principal
) -> dict[tuple[int, int, str], RuleState]:
    rows = RuleState.objects.visible_to(by).filter(
        device_id__in={alert.device_id for alert in alerts},
        rule_id__in={alert.rule_id for alert in alerts},
    )
    return {(row.rule_id, row.device_id, row.instance): row for row in rows}


def _series(alert: Alert) -> tuple[int, int, str]:
    return alert.rule_id, alert.device_id, alert.instance


def _group(alert: Alert) -> tuple[int, str]:
    return alert.client_id, alert.group_key


def _touch(alert: Alert) -> None:
    """Hint at the alert, and at the row of its group in the list."""
    live.touch("alerts", str(alert.public_id), client_id=alert.client_id)
    group = alert_selectors.group_id(alert.rule_id, alert.client_id)
    live.touch("alerts", group, client_id=alert.client_id)
