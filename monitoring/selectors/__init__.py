"""What a screen or another app asks of `monitoring`."""

from monitoring.selectors.alerts import (
    alert_list,
    alerts_of_client,
    alerts_of_device,
    alerts_of_ticket,
    get_alert,
    open_count,
)
from monitoring.selectors.rules import get_rule, rule_list
from monitoring.selectors.telemetry import Point, Row, TimeSeriesStore, events_of

__all__ = [
    "Point",
    "Row",
    "TimeSeriesStore",
    "alert_list",
    "alerts_of_client",
    "alerts_of_device",
    "alerts_of_ticket",
    "events_of",
    "get_alert",
    "get_rule",
    "open_count",
    "rule_list",
]
