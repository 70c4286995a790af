"""How devices and tokens look in the API, and what its commands take."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from agents.enums import DeviceRole
from agents.models import Device
from agents.services.enrolment import DEFAULT_DAYS, MAX_DAYS, MAX_USES
from agents.views.parts import row_of


class DeviceOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    name = serializers.CharField()
    client = serializers.UUIDField(source="client.public_id")
    site = serializers.UUIDField(source="site.public_id")
    role = serializers.CharField()
    state = serializers.CharField()
    presence = serializers.SerializerMethodField()
    os_family = serializers.CharField()
    os_name = serializers.CharField()
    os_version = serializers.CharField()
    agent_version = serializers.CharField()
    notes = serializers.CharField()
    enrolled_at = serializers.DateTimeField(allow_null=True)
    last_report_at = serializers.SerializerMethodField()

    def get_presence(self, device: Device) -> str:
        return str(row_of(device).presence)

    def get_last_report_at(self, device: Device) -> str | None:
        checkin = getattr(device, "checkin", None)
        return checkin.last_report_at.isoformat() if checkin else None


class DeviceIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120)
    role = serializers.ChoiceField(choices=DeviceRole.choices)
    site = serializers.UUIDField()
    notes = serializers.CharField(allow_blank=True, max_length=10_000)


class DeviceReasonIn(serializers.Serializer[Any]):
    reason = serializers.CharField(required=False, allow_blank=True, max_length=500)


class TokenOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    client = serializers.UUIDField(source="client.public_id")
    site = serializers.UUIDField(source="site.public_id")
    label = serializers.CharField()  # type: ignore[assignment]
    role = serializers.CharField()
    max_uses = serializers.IntegerField()
    uses = serializers.IntegerField()
    needs_approval = serializers.BooleanField()
    expires_at = serializers.DateTimeField()
    revoked_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class TokenMadeOut(TokenOut):
    token = serializers.CharField(help_text="Shown this once; it is not stored.")


class TokenIn(serializers.Serializer[Any]):
    site = serializers.UUIDField()
    label = serializers.CharField(max_length=120)  # type: ignore[assignment]
    role = serializers.ChoiceField(choices=DeviceRole.choices, required=False, allow_blank=True)
    max_uses = serializers.IntegerField(min_value=1, max_value=MAX_USES, default=1)
    days = serializers.IntegerField(min_value=1, max_value=MAX_DAYS, default=DEFAULT_DAYS)
    needs_approval = serializers.BooleanField(default=False)
