"""What the API of tickets reads and takes: one serializer to read, one for each command."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from tickets.enums import Impact, Kind, MessageKind, Priority, Status, Urgency, WorkType
from tickets.models import Clock, Message, Ticket, TimeEntry


class ClockSerializer(serializers.ModelSerializer[Clock]):
    """One promise. Seconds are business seconds of the promised hours."""

    class Meta:
        model = Clock
        fields = [
            "target",
            "standing",
            "target_seconds",
            "started_at",
            "due_at",
            "met_at",
            "breached_at",
            "paused_at",
            "pause_reason",
        ]


class TicketSerializer(serializers.ModelSerializer[Ticket]):
    """A ticket as staff read it."""

    client = serializers.UUIDField(source="client.public_id", read_only=True)
    client_name = serializers.CharField(source="client.name", read_only=True)
    contact = serializers.UUIDField(source="contact.public_id", read_only=True, default=None)
    device = serializers.UUIDField(source="device.public_id", read_only=True, default=None)
    owner = serializers.UUIDField(source="owner.public_id", read_only=True, default=None)
    owner_name = serializers.CharField(source="owner.name", read_only=True, default="")

    class Meta:
        model = Ticket
        fields = [
            "number",
            "public_id",
            "client",
            "client_name",
            "contact",
            "device",
            "kind",
            "source",
            "status",
            "status_since",
            "scheduled_for",
            "impact",
            "urgency",
            "priority",
            "owner",
            "owner_name",
            "subject",
            "resolution",
            "opened_at",
            "resolved_at",
            "closed_at",
            "last_activity_at",
            "next_due_at",
            "sla_reason",
            "version",
        ]
        read_only_fields = fields


class TicketDetailSerializer(TicketSerializer):
    """A ticket with its promises."""

    clocks = ClockSerializer(many=True, read_only=True)

    class Meta(TicketSerializer.Meta):
        fields = [*TicketSerializer.Meta.fields, "clocks"]
        read_only_fields = fields


class MessageSerializer(serializers.ModelSerializer[Message]):
    """One entry of a thread."""

    class Meta:
        model = Message
        fields = [
            "public_id",
            "kind",
            "author_kind",
            "author_label",
            "body",
            "channel",
            "at",
            "recorded_at",
            "minutes",
        ]
        read_only_fields = fields


class TimeSerializer(serializers.ModelSerializer[TimeEntry]):
    """One time entry; minutes are null while its timer runs."""

    person = serializers.UUIDField(source="person.public_id", read_only=True)
    person_name = serializers.CharField(source="person.name", read_only=True)

    class Meta:
        model = TimeEntry
        fields = [
            "public_id",
            "person",
            "person_name",
            "started_at",
            "minutes",
            "work_type",
            "note",
            "coverage",
            "clause",
            "approved_at",
        ]
        read_only_fields = fields


class Command(serializers.Serializer[Any]):
    """Base of what a command takes; `token` makes a repeat of the same request do nothing."""

    token = serializers.CharField(max_length=64, required=False, default="", write_only=True)


class OpenCommand(Command):
    client = serializers.UUIDField()
    subject = serializers.CharField(max_length=200)
    body = serializers.CharField(required=False, default="", allow_blank=True)
    kind = serializers.ChoiceField(Kind.choices, default=Kind.INCIDENT)
    impact = serializers.ChoiceField(Impact.choices, default=Impact.LOW)
    urgency = serializers.ChoiceField(Urgency.choices, default=Urgency.MEDIUM)
    priority = serializers.ChoiceField(Priority.choices, required=False, allow_null=True)
    contact = serializers.UUIDField(required=False, allow_null=True)
    site = serializers.UUIDField(required=False, allow_null=True)
    device = serializers.UUIDField(required=False, allow_null=True)


class MessageCommand(Command):
    kind = serializers.ChoiceField(
        [choice for choice in MessageKind.choices if choice[0] != MessageKind.SYSTEM]
    )
    body = serializers.CharField(max_length=100_000)
    at = serializers.DateTimeField(required=False, allow_null=True)
    minutes = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=1440)


class StatusCommand(serializers.Serializer[Any]):
    status = serializers.ChoiceField(Status.choices)
    at = serializers.DateTimeField(required=False, allow_null=True)
    until = serializers.DateTimeField(required=False, allow_null=True)
    reason = serializers.CharField(required=False, default="", allow_blank=True)


class AssignCommand(serializers.Serializer[Any]):
    """The new owner's public id, or null for nobody."""

    owner = serializers.UUIDField(allow_null=True)


class ResolveCommand(serializers.Serializer[Any]):
    resolution = serializers.CharField()


class ReopenCommand(serializers.Serializer[Any]):
    reason = serializers.CharField(required=False, default="", allow_blank=True)


class TimeCommand(Command):
    minutes = serializers.IntegerField(min_value=0, max_value=1440)
    work_type = serializers.ChoiceField(WorkType.choices, default=WorkType.REMOTE)
    note = serializers.CharField(required=False, default="", allow_blank=True)
    started_at = serializers.DateTimeField(required=False, allow_null=True)
