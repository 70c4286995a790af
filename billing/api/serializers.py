"""What the API of `billing` gives and takes; a serializer for reading, one for each command."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from billing.enums import InvoiceState, LineException, LineKind, Unit
from tickets.enums import Coverage

#: Amounts are texts of decimals, so that no reader turns them into binary fractions.
_MONEY: dict[str, Any] = {"max_digits": 19, "decimal_places": 4, "coerce_to_string": True}


class Reference(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    name = serializers.CharField()


class InvoiceOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    number = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()
    client = Reference()
    state = serializers.ChoiceField(choices=InvoiceState.choices)
    period = serializers.DateField()
    currency = serializers.CharField()
    net = serializers.DecimalField(**_MONEY)
    tax = serializers.DecimalField(**_MONEY)
    total = serializers.DecimalField(**_MONEY)
    credited = serializers.DecimalField(**_MONEY)
    issued_on = serializers.DateField(allow_null=True)
    due_on = serializers.DateField(allow_null=True)
    posted_at = serializers.DateTimeField(allow_null=True)
    has_pdf = serializers.SerializerMethodField()

    def get_has_pdf(self, invoice: Any) -> bool:
        return invoice.pdf_id is not None


class LineOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    kind = serializers.ChoiceField(source="line_kind", choices=LineKind.choices)
    description = serializers.CharField()
    clause = serializers.CharField()
    coverage = serializers.ChoiceField(choices=Coverage.choices)
    first_day = serializers.DateField()
    last_day = serializers.DateField()
    quantity = serializers.DecimalField(**{**_MONEY, "max_digits": 14})
    unit = serializers.ChoiceField(choices=Unit.choices)
    unit_price = serializers.DecimalField(allow_null=True, **_MONEY)
    price_per = serializers.IntegerField()
    amount = serializers.DecimalField(allow_null=True, **_MONEY)
    evidence = serializers.SerializerMethodField()

    def get_evidence(self, line: Any) -> dict[str, Any]:
        """Return the facts behind a line; what a technician wrote for colleagues stays inside."""
        if self.context.get("for_contact"):
            return {key: value for key, value in line.evidence.items() if key != "note"}
        return dict(line.evidence)


class InvoiceDetailOut(InvoiceOut):
    seller = serializers.DictField()
    buyer = serializers.DictField()
    taxes = serializers.ListField(source="tax_parts", child=serializers.DictField())
    lines = LineOut(many=True, source="shown_lines")


class DraftLineOut(LineOut):
    client = Reference()
    period = serializers.DateField()
    currency = serializers.CharField()
    exception = serializers.ChoiceField(choices=LineException.choices, allow_blank=True)
    exception_text = serializers.CharField()
    invoice = serializers.UUIDField(source="invoice.public_id", default=None)


class CreditNoteOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    number = serializers.IntegerField()
    name = serializers.CharField()
    invoice = serializers.UUIDField(source="invoice.public_id")
    reason = serializers.CharField()
    currency = serializers.CharField()
    net = serializers.DecimalField(**_MONEY)
    tax = serializers.DecimalField(**_MONEY)
    total = serializers.DecimalField(**_MONEY)
    issued_on = serializers.DateField()


class DraftIn(serializers.Serializer[Any]):
    client = serializers.UUIDField()
    period = serializers.DateField(help_text="Any day of the month to bill.")


class CreditIn(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=250)
    amounts = serializers.DictField(
        child=serializers.DecimalField(max_digits=19, decimal_places=4),
        required=False,
        help_text="Net amounts by id of the line; without it all that is left is given back.",
    )
    token = serializers.CharField(
        max_length=120, required=False, help_text="The same token credits once."
    )
