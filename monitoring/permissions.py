"""Predicates on a person and an alert or a rule, for templates and views."""

from __future__ import annotations

from monitoring.models import Alert, Rule
from msp.core.permissions import can, reach
from msp.core.scope import Principal


def can_acknowledge(user: Principal, alert: Alert) -> bool:
    """Return whether this person may acknowledge this alert now."""
    return alert.state == "open" and can(user, "monitoring.acknowledge", alert.client_id)


def can_change_rule(user: Principal, rule: Rule) -> bool:
    """Return whether this person may change a rule; one for all takes a view of all clients."""
    if rule.client_id is None:
        return can_make_rules_for_all(user)
    return can(user, "monitoring.rules", rule.client_id)


def can_make_rules_for_all(user: Principal) -> bool:
    """Return whether this person may make rules for all clients."""
    return reach(user, "monitoring.rules") is None
