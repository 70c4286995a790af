"""What may be done in `monitoring`."""

from monitoring.services.alerts import (
    acknowledge_alert,
    acknowledge_group,
    clear_alert,
    open_due_tickets,
    raise_alert,
    recheck_after_resolution,
)
from monitoring.services.evaluate import evaluate_due, evaluate_group, evaluate_groups
from monitoring.services.rules import Figures, add_rule, change_rule, ensure_default_rules
from monitoring.services.silence import sweep_silence

__all__ = [
    "Figures",
    "acknowledge_alert",
    "acknowledge_group",
    "add_rule",
    "change_rule",
    "clear_alert",
    "ensure_default_rules",
    "evaluate_due",
    "evaluate_group",
    "evaluate_groups",
    "open_due_tickets",
    "raise_alert",
    "recheck_after_resolution",
    "sweep_silence",
]
