"""Tables of `monitoring`."""

from monitoring.models.alerts import Alert, AlertTransition
from monitoring.models.rules import Listening, Rule, RuleState, RuleVersion
from monitoring.models.telemetry import DeviceEvent, IngestGroup, Layout

__all__ = [
    "Alert",
    "AlertTransition",
    "DeviceEvent",
    "IngestGroup",
    "Layout",
    "Listening",
    "Rule",
    "RuleState",
    "RuleVersion",
]
