"""Alerts as screens and other apps ask for them."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, F, Max, Min, Q, QuerySet, Window
from django.db.models.functions import RowNumber, TruncHour

from agents.models import Device
from clients.models import Client
from clients.selectors import family_ids
from monitoring.enums import AlertState, Severity
from monitoring.models import Alert, AlertTransition, Rule, RuleState
from msp.core import clock
from msp.core.errors import NotVisible
from msp.core.models import User
from msp.core.scope import Principal
from tickets.models import Ticket

#: Alerts named in the row of a group; the page of the group has them all.
NAMED = 3
#: Groups on one page of the list.
PAGE = 50
#: Closed alerts on one page.
CLOSED_PAGE = 50
HOURS = 24

_GROUPS: Final = uuid.UUID("0f9a4c1e-6c5f-4d49-9c54-0f7d6b1b5a40")
_RANK: Final = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}
_RELATED = ("client", "rule", "device", "ticket", "ticket__owner", "acknowledged_by")


def group_id(rule_id: int, client_id: int) -> str:
    """Return the id of the row of a rule's alerts at a client; it tells no key of ours."""
    return str(uuid.uuid5(_GROUPS, f"{rule_id}:{client_id}"))


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """What the list of alerts shows. Empty words mean no filter."""

    tab: str = "open"
    severity: str = ""
    client: str = ""
    rule: str = ""
    q: str = ""


@dataclass(slots=True)
class AlertGroup:
    """The alerts of one rule at one client, as one row: how many, since when, the first few."""

    rule: Rule
    client: Client
    severity: str
    count: int
    device_count: int
    since: datetime
    alerts: list[Alert] = field(default_factory=list)
    #: Alerts opened in each of the last 24 hours, oldest first.
    hours: list[int] = field(default_factory=lambda: [0] * HOURS)

    @property
    def id(self) -> str:
        return group_id(self.rule.pk, self.client.pk)

    @property
    def first(self) -> Alert:
        return self.alerts[0]

    @property
    def ticket(self) -> Ticket | None:
        """The ticket of the first alert that has one."""
        return next((alert.ticket for alert in self.alerts if alert.ticket is not None), None)

    @property
    def more(self) -> int:
        return self.count - len(self.alerts)


def alert_list(user: Principal, wanted: AlertFilter | None = None) -> QuerySet[Alert]:
    """Return the alerts a person sees, by tab, severity, client, rule and words."""
    wanted = wanted or AlertFilter()
    rows = Alert.objects.visible_to(user).select_related(*_RELATED)
    if wanted.tab == "closed":
        rows = rows.filter(state=AlertState.CLOSED)
    elif wanted.tab == "acknowledged":
        rows = rows.filter(state=AlertState.ACKNOWLEDGED)
    elif wanted.tab == "open":
        rows = rows.filter(state=AlertState.OPEN)
    else:
        rows = rows.open()
    if wanted.severity in Severity.values:
        rows = rows.filter(severity=wanted.severity)
    if wanted.client:
        rows = rows.filter(client__public_id=wanted.client)
    if wanted.rule:
        rows = rows.filter(rule__public_id=wanted.rule)
    if wanted.q:
        rows = rows.filter(
            Q(summary__icontains=wanted.q)
            | Q(device__name__icontains=wanted.q)
            | Q(rule__name__icontains=wanted.q)
            | Q(client__name__icontains=wanted.q)
        )
    return rows  # type: ignore[no-any-return]


def alert_groups(
    user: Principal, wanted: AlertFilter, *, only: Collection[str] | None = None, offset: int = 0
) -> tuple[list[AlertGroup], bool]:
    """Return open alerts grouped by rule and client: worst first, then newest; and if more follow.

    Always four queries, whatever the number of alerts. `only` keeps groups by their ids.
    """
    rows = alert_list(user, wanted)
    grouped = (
        rows.select_related(None)
        .order_by()
        .values("rule_id", "client_id")
        .annotate(
            n=Count("pk"),
            critical=Count("pk", filter=Q(severity=Severity.CRITICAL)),
            warning=Count("pk", filter=Q(severity=Severity.WARNING)),
            devices=Count("device_id", distinct=True),
            since=Min("opened_at"),
            newest=Max("opened_at"),
        )
    )
    found = sorted(
        grouped, key=lambda row: (_RANK[_worst(row)], -row["newest"].timestamp(), row["rule_id"])
    )
    if only is not None:
        found = [row for row in found if group_id(row["rule_id"], row["client_id"]) in only]
    page, more = found[offset : offset + PAGE], len(found) > offset + PAGE
    rule_rows = Rule.objects.visible_to(user).in_bulk({row["rule_id"] for row in page})
    client_rows = Client.objects.visible_to(user).in_bulk({row["client_id"] for row in page})
    groups = [
        AlertGroup(
            rule_rows[row["rule_id"]],
            client_rows[row["client_id"]],
            _worst(row),
            row["n"],
            row["devices"],
            row["since"],
        )
        for row in page
    ]
    _name_some(groups, rows)
    _count_hours(groups, user)
    return groups, more


def closed_alerts(user: Principal, wanted: AlertFilter, *, after: str = "") -> list[Alert]:
    """Return a page of closed alerts, latest first, and one more if there is another page.

    `after` is the public id of the last one seen.
    """
    rows = alert_list(user, wanted).order_by("-closed_at", "-id")
    if after:
        last = Alert.objects.visible_to(user).filter(public_id=after).first()
        if last is None or last.closed_at is None:
            raise NotVisible
        rows = rows.filter(
            Q(closed_at__lt=last.closed_at) | Q(closed_at=last.closed_at, pk__lt=last.pk)
        )
    return list(rows[: CLOSED_PAGE + 1])


def tab_counts(user: Principal) -> dict[str, int]:
    """Return how many alerts are open and acknowledged."""
    counts = (
        Alert.objects.visible_to(user)
        .open()
        .order_by()
        .values_list("state")
        .annotate(n=Count("pk"))
    )
    return dict(counts)


def open_count(user: User) -> int:
    """Return how many alerts nobody has acknowledged, for the navigation."""
    return Alert.objects.visible_to(user).unacknowledged().count()  # type: ignore[no-any-return]


def get_alert(user: Principal, public_id: UUID | str) -> Alert:
    """Return an alert with what its page shows. Errors: NotVisible."""
    found: Alert | None = (
        Alert.objects.visible_to(user)
        .select_related(*_RELATED, "rule_version", "device__site", "rule__client")
        .filter(public_id=public_id)
        .first()
    )
    if found is None:
        raise NotVisible
    return found


def transitions_of(user: Principal, alert: Alert) -> QuerySet[AlertTransition]:
    """Return the history of an alert, newest first."""
    return (  # type: ignore[no-any-return]
        AlertTransition.objects.visible_to(user)
        .filter(alert=alert)
        .select_related("by")
        .order_by("-at", "-pk")
    )


def state_of(user: Principal, alert: Alert) -> RuleState | None:
    """Return what the rule knows of the alert's series now."""
    found: RuleState | None = (
        RuleState.objects.visible_to(user)
        .filter(rule_id=alert.rule_id, device_id=alert.device_id, instance=alert.instance)
        .first()
    )
    return found


def alerts_of_device(user: Principal, device: Device, *, limit: int = 20) -> list[Alert]:
    """Return a device's alerts: open ones first, then the latest."""
    return _of(user, Q(device=device), limit)


def alerts_of_ticket(user: Principal, ticket: Ticket, *, limit: int = 50) -> list[Alert]:
    """Return the alerts that opened or joined a ticket."""
    return _of(user, Q(ticket=ticket), limit)


def alerts_of_client(user: Principal, client: Client, *, limit: int = 20) -> list[Alert]:
    """Return a client's open alerts, its merged family's included, latest first."""
    rows = Alert.objects.visible_to(user).open().filter(client__in=family_ids(client))
    return list(rows.select_related(*_RELATED).in_order()[:limit])


def open_of_rule(by: Principal, rule: Rule) -> list[Alert]:
    """Return the open alerts of a rule."""
    rows = Alert.objects.visible_to(by).open().filter(rule=rule)
    return list(rows.select_related("rule", "rule_version", "device", "ticket").order_by("pk"))


def now_values(user: Principal, shown: Iterable[Alert]) -> dict[int, RuleState]:
    """Return what the rules know now of the series of some alerts, by the key of the alert."""
    shown = list(shown)
    rows = RuleState.objects.visible_to(user).filter(
        device_id__in={alert.device_id for alert in shown},
        rule_id__in={alert.rule_id for alert in shown},
    )
    states = {(row.rule_id, row.device_id, row.instance): row for row in rows}
    keys = {alert.pk: (alert.rule_id, alert.device_id, alert.instance) for alert in shown}
    return {key: states[series] for key, series in keys.items() if series in states}


def _of(user: Principal, which: Q, limit: int) -> list[Alert]:
    rows = Alert.objects.visible_to(user).filter(which).select_related(*_RELATED)
    return list(rows.order_by(F("closed_at").desc(nulls_first=True), "-opened_at", "-pk")[:limit])


def _worst(row: Mapping[str, Any]) -> Severity:
    if row["critical"]:
        return Severity.CRITICAL
    return Severity.WARNING if row["warning"] else Severity.INFO


def _name_some(groups: list[AlertGroup], rows: QuerySet[Alert]) -> None:
    """Give each group its first few alerts, latest first, in one query."""
    by_key = {(group.rule.pk, group.client.pk): group for group in groups}
    if not by_key:
        return
    named = (
        rows.filter(
            rule_id__in={key[0] for key in by_key}, client_id__in={key[1] for key in by_key}
        )
        .annotate(
            place=Window(
                RowNumber(),
                partition_by=[F("rule_id"), F("client_id")],
                order_by=[F("opened_at").desc(), F("pk").desc()],
            )
        )
        .filter(place__lte=NAMED)
        .order_by("place")
    )
    for alert in named:
        group = by_key.get((alert.rule_id, alert.client_id))
        if group is not None:
            group.alerts.append(alert)


def _count_hours(groups: list[AlertGroup], user: Principal) -> None:
    """Count, for each group, the alerts opened in each of the last 24 hours."""
    last = clock.now().replace(minute=0, second=0, microsecond=0)
    first = last - timedelta(hours=HOURS - 1)
    by_key = {(group.rule.pk, group.client.pk): group for group in groups}
    counts = (
        Alert.objects.visible_to(user)
        .opened_since(first)
        .filter(rule_id__in={key[0] for key in by_key}, client_id__in={key[1] for key in by_key})
        .order_by()
        .annotate(hour=TruncHour("opened_at"))
        .values_list("rule_id", "client_id", "hour")
        .annotate(n=Count("pk"))
    )
    for rule_id, client_id, hour, n in counts:
        group = by_key.get((rule_id, client_id))
        place = int((hour - first).total_seconds() // 3600)
        if group is not None and 0 <= place < HOURS:
            group.hours[place] += n
