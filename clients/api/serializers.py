"""What the API of `clients` gives and takes; a serializer for reading, one for each command."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from clients.enums import (
    ClientState,
    ContactRole,
    ContractState,
    CoveredHours,
    CoveredWork,
    WhoseHours,
)


class Reference(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    name = serializers.CharField()


# ------------------------------------------------------------------------------------------- read


class ClientOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=ClientState.choices)
    currency = serializers.CharField()
    country = serializers.CharField()
    zone = serializers.CharField()
    phone = serializers.CharField()
    brand = serializers.CharField()
    email_domains = serializers.ListField(child=serializers.CharField())
    notes = serializers.CharField()
    merged_into = serializers.UUIDField(source="merged_into.public_id", default=None)
    created_at = serializers.DateTimeField()


class SiteOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    client = serializers.UUIDField(source="client.public_id")
    name = serializers.CharField()
    address = serializers.CharField()
    zone = serializers.CharField()
    calendar = Reference(allow_null=True)
    archived_at = serializers.DateTimeField(allow_null=True)


class ContactOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    client = serializers.UUIDField(source="client.public_id")
    site = Reference(allow_null=True)
    name = serializers.CharField()
    email = serializers.EmailField()
    phone = serializers.CharField()
    title = serializers.CharField()
    roles = serializers.ListField(child=serializers.ChoiceField(choices=ContactRole.choices))
    has_portal = serializers.SerializerMethodField()
    archived_at = serializers.DateTimeField(allow_null=True)

    def get_has_portal(self, contact: Any) -> bool:
        return contact.user_id is not None


class CoverageRule(serializers.Serializer[Any]):
    work_type = serializers.ChoiceField(choices=CoveredWork.choices)
    hours = serializers.ChoiceField(choices=CoveredHours.choices)
    covered = serializers.BooleanField()
    clause = serializers.CharField(max_length=120)


class ContractOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    client = Reference()
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=ContractState.choices)
    starts_on = serializers.DateField()
    ends_on = serializers.DateField(allow_null=True)
    notice_days = serializers.IntegerField()
    policy = Reference()
    calendar = Reference()
    whose_hours = serializers.ChoiceField(choices=WhoseHours.choices)
    coverage = CoverageRule(many=True)


class VerdictOut(serializers.Serializer[Any]):
    covered = serializers.BooleanField()
    clause = serializers.CharField()
    rule = serializers.IntegerField(allow_null=True)


class CalendarOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    name = serializers.CharField()
    is_default = serializers.BooleanField()
    version = serializers.IntegerField(source="newest", allow_null=True)


class CalendarVersionOut(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    zone = serializers.CharField()
    always = serializers.BooleanField()
    windows = serializers.DictField()
    holidays = serializers.ListField(child=serializers.DateField())
    created_at = serializers.DateTimeField()


class PolicyOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    name = serializers.CharField()
    is_default = serializers.BooleanField()
    version = serializers.IntegerField(source="newest", allow_null=True)


class PolicyVersionOut(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    targets = serializers.DictField()
    warnings = serializers.ListField(child=serializers.IntegerField())
    vendor_wait_pauses = serializers.BooleanField()
    resolution_is_commitment = serializers.BooleanField()
    retarget_from_creation = serializers.BooleanField()
    created_at = serializers.DateTimeField()


# --------------------------------------------------------------------------------------- commands


class ClientIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=160)
    state = serializers.ChoiceField(choices=ClientState.choices, required=False)
    currency = serializers.CharField(max_length=3, required=False)
    country = serializers.CharField(max_length=2, required=False)
    zone = serializers.CharField(max_length=64, required=False)
    phone = serializers.CharField(max_length=40, required=False, allow_blank=True)
    brand = serializers.CharField(max_length=40, required=False, allow_blank=True)
    email_domains = serializers.ListField(
        child=serializers.CharField(max_length=120), required=False, max_length=50
    )
    notes = serializers.CharField(required=False, allow_blank=True, max_length=20_000)


class SiteIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120)
    address = serializers.CharField(required=False, allow_blank=True, max_length=2000)
    zone = serializers.CharField(max_length=64, required=False)
    calendar = serializers.UUIDField(required=False, allow_null=True)


class ContactIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120)
    email = serializers.EmailField(max_length=254)
    phone = serializers.CharField(max_length=40, required=False, allow_blank=True)
    title = serializers.CharField(max_length=120, required=False, allow_blank=True)
    roles = serializers.ListField(
        child=serializers.ChoiceField(choices=ContactRole.choices), required=False
    )
    site = serializers.UUIDField(required=False, allow_null=True)


class ContractIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120)
    starts_on = serializers.DateField()
    ends_on = serializers.DateField(required=False, allow_null=True)
    notice_days = serializers.IntegerField(required=False, min_value=0)
    policy = serializers.UUIDField()
    calendar = serializers.UUIDField()
    whose_hours = serializers.ChoiceField(choices=WhoseHours.choices, required=False)
    coverage = CoverageRule(many=True, required=False)


class EndIn(serializers.Serializer[Any]):
    ends_on = serializers.DateField(required=False, allow_null=True)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=250)


class ReasonIn(serializers.Serializer[Any]):
    reason = serializers.CharField(required=False, allow_blank=True, max_length=250)


class MergeIn(ReasonIn):
    into = serializers.UUIDField()


class CoverageQuestion(serializers.Serializer[Any]):
    work_type = serializers.ChoiceField(
        choices=[choice for choice in CoveredWork.choices if choice[0] != CoveredWork.ANY]
    )
    inside_hours = serializers.BooleanField()


class CalendarVersionIn(ReasonIn):
    zone = serializers.CharField(max_length=64, required=False, allow_blank=True)
    always = serializers.BooleanField(required=False)
    windows = serializers.DictField(
        child=serializers.ListField(
            child=serializers.ListField(child=serializers.CharField(max_length=5), max_length=2)
        ),
        required=False,
    )
    holidays = serializers.ListField(
        child=serializers.CharField(max_length=10), required=False, max_length=400
    )


class CalendarIn(CalendarVersionIn):
    reason = None  # type: ignore[assignment]
    name = serializers.CharField(max_length=120)


class TargetIn(serializers.Serializer[Any]):
    response = serializers.IntegerField(min_value=1)
    update = serializers.IntegerField(min_value=1, allow_null=True, default=None)  # type: ignore[assignment]
    resolution = serializers.IntegerField(min_value=1, allow_null=True, default=None)
    internal = serializers.IntegerField(min_value=1, allow_null=True, default=None)
    hours = serializers.ChoiceField(choices=WhoseHours.choices, default=WhoseHours.CONTRACT)


class PolicyVersionIn(ReasonIn):
    targets = serializers.DictField(child=TargetIn())
    warnings = serializers.ListField(
        child=serializers.IntegerField(), required=False, max_length=10
    )
    vendor_wait_pauses = serializers.BooleanField(required=False)
    resolution_is_commitment = serializers.BooleanField(required=False)
    retarget_from_creation = serializers.BooleanField(required=False)


class PolicyIn(PolicyVersionIn):
    reason = None  # type: ignore[assignment]
    name = serializers.CharField(max_length=120)
