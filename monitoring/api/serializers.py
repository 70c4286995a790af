"""Alerts and rules as the API shows and takes them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from agents.enums import DeviceRole
from monitoring.domain.rules import Side
from monitoring.enums import Severity
from monitoring.services import Figures
from monitoring.services.rules import MINUTE, NODATA_AFTER_SECONDS


class AlertSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """One alert. Times are sample times; `value` is in the unit of the metric."""

    id = serializers.UUIDField(source="public_id")
    client = serializers.UUIDField(source="client.public_id")
    device = serializers.UUIDField(source="device.public_id")
    device_name = serializers.CharField(source="device.name")
    rule = serializers.UUIDField(source="rule.public_id")
    rule_name = serializers.CharField(source="rule.name")
    metric = serializers.CharField(source="rule.metric")
    instance = serializers.CharField()
    severity = serializers.CharField()
    state = serializers.CharField()
    summary = serializers.CharField()
    value = serializers.FloatField()
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    acknowledged_at = serializers.DateTimeField(allow_null=True)
    ticket = serializers.IntegerField(source="ticket.number", default=None)


class FiguresSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """The figures of a rule, in the unit of its metric (ratios 0-1), bytes and seconds."""

    threshold = serializers.FloatField()
    clear_threshold = serializers.FloatField()
    side = serializers.ChoiceField(choices=[side.value for side in Side], default=Side.ABOVE.value)
    free_below_bytes = serializers.IntegerField(min_value=0, allow_null=True, default=None)
    free_clear_bytes = serializers.IntegerField(min_value=0, allow_null=True, default=None)
    for_seconds = serializers.IntegerField(min_value=0, max_value=86400, default=2 * MINUTE)
    keep_firing_for_seconds = serializers.IntegerField(min_value=0, max_value=86400, default=0)
    nodata_after_seconds = serializers.IntegerField(
        min_value=1, max_value=86400, default=NODATA_AFTER_SECONDS
    )


def figures_from(words: dict[str, Any]) -> Figures:
    """Return validated figures as the services take them."""
    return Figures(**words | {"side": Side(words["side"])})


class RuleSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """One rule with its newest version."""

    id = serializers.UUIDField(source="public_id")
    name = serializers.CharField()
    client = serializers.UUIDField(source="client.public_id", default=None)
    replaces = serializers.UUIDField(source="replaces.public_id", default=None)
    metric = serializers.CharField()
    instance_pattern = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())
    severity = serializers.CharField()
    is_enabled = serializers.BooleanField()
    opens_ticket = serializers.BooleanField()
    version = serializers.IntegerField(source="newest.number")
    figures = FiguresSerializer(source="newest")


class _RuleWords(serializers.Serializer):  # type: ignore[type-arg]
    name = serializers.CharField(max_length=120)
    instance_pattern = serializers.CharField(max_length=200, allow_blank=True, required=False)
    roles = serializers.ListField(
        child=serializers.ChoiceField(choices=DeviceRole.choices), required=False
    )
    severity = serializers.ChoiceField(choices=Severity.choices, required=False)
    is_enabled = serializers.BooleanField(required=False)
    opens_ticket = serializers.BooleanField(required=False)
    figures = FiguresSerializer()


class AddRuleSerializer(_RuleWords):
    """What makes a rule; without `client` it is for all clients."""

    metric = serializers.CharField(max_length=120)
    client = serializers.UUIDField(allow_null=True, default=None)
    replaces = serializers.UUIDField(allow_null=True, default=None)


class ChangeRuleSerializer(_RuleWords):
    """What may change; other figures make a new version."""

    name = serializers.CharField(max_length=120, required=False)
    figures = FiguresSerializer(required=False)
