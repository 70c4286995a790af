"""Alerts as the screens draw them: words and addresses, no questions to the database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from monitoring import notifications as words
from monitoring import permissions
from monitoring.enums import AlertState, Severity
from monitoring.models import Alert, RuleState
from monitoring.selectors.alerts import AlertGroup
from msp.core.scope import Principal

#: Severity to icon, class of the icon, and tone of the dot.
LOOKS = {
    Severity.CRITICAL: ("octagon-alert", "bad"),
    Severity.WARNING: ("triangle-alert", "warn"),
    Severity.INFO: ("info", ""),
}


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert in a list."""

    alert: Alert
    url: str
    now: str
    icon: str
    tone: str
    status: str
    acknowledge_url: str
    lasted: str

    @property
    def is_open(self) -> bool:
        return self.alert.is_open


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One rule's alerts at one client in the list."""

    group: AlertGroup
    rows: list[AlertRow]
    url: str
    icon: str
    tone: str
    severity_label: str
    acknowledge_url: str


def alert_row(user: Principal, alert: Alert, state: RuleState | None = None) -> AlertRow:
    """Return how an alert is drawn; `state` is what its rule knows now, if it was asked for."""
    symbol, tone = LOOKS[Severity(alert.severity)]
    return AlertRow(
        alert,
        reverse("monitoring:alert", args=[alert.public_id]),
        now_words(alert, state),
        symbol,
        tone,
        status_of(alert),
        reverse("monitoring:acknowledge", args=[alert.public_id])
        if permissions.can_acknowledge(user, alert)
        else "",
        lasted_words(alert),
    )


def alert_rows(
    user: Principal, alerts: Iterable[Alert], states: dict[int, RuleState] | None = None
) -> list[AlertRow]:
    """Return how alerts are drawn."""
    return [alert_row(user, alert, (states or {}).get(alert.pk)) for alert in alerts]


def group_row(user: Principal, group: AlertGroup, states: dict[int, RuleState]) -> GroupRow:
    """Return how a group is drawn; one alert alone leads to its own page."""
    rows = alert_rows(user, group.alerts, states)
    symbol, tone = LOOKS[Severity(group.severity)]
    keys: list[Any] = [group.rule.public_id, group.client.public_id]
    waiting = any(row.acknowledge_url for row in rows)
    return GroupRow(
        group,
        rows,
        rows[0].url if group.count == 1 else reverse("monitoring:group", args=keys),
        symbol,
        tone,
        str(Severity(group.severity).label),
        reverse("monitoring:acknowledge-group", args=keys) if waiting else "",
    )


def lasted_words(alert: Alert) -> str:
    """Return how long an alert that is over lasted; nothing while it is open."""
    if alert.closed_at is None:
        return ""
    return words.seconds(round((alert.closed_at - alert.opened_at).total_seconds()))


def status_of(alert: Alert) -> str:
    """Return the key of the status mark: firing, acknowledged or cleared."""
    return {AlertState.OPEN: "firing", AlertState.ACKNOWLEDGED: "acknowledged"}.get(
        AlertState(alert.state), "cleared"
    )


def now_words(alert: Alert, state: RuleState | None) -> str:
    """Return the value now; "unknown" where nothing is measured any more."""
    if state is None or not alert.is_open:
        return words.value_words(alert.rule.metric, alert.value)
    if state.state == "nodata":
        return str(state.get_state_display())
    return words.value_words(alert.rule.metric, state.last_value)
