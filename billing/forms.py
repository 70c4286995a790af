"""Parse what people fill in. Whether it is right is asked by the services."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.enums import LineKind
from billing.models import BillingProfile, ContractLine, InvoiceLine
from billing.services import CHARGED
from billing.views.parts import months_around
from billing.words import month_words
from clients.models import Client
from msp.core import clock
from tickets.enums import WorkType

_PRICE: dict[str, Any] = {"max_digits": 15, "decimal_places": 4, "min_value": Decimal(0)}


def plain_amount(amount: Decimal) -> str:
    """Return an amount for a number field: at least two decimals, and no more than it has."""
    cents = amount.quantize(Decimal("0.01"))
    return f"{cents:f}" if cents == amount else f"{amount.normalize():f}"


class MonthForm(forms.Form):
    """Which month to prepare."""

    period = forms.ChoiceField(label=gettext_lazy("Month"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["period"].choices = [  # type: ignore[attr-defined]
            (month.isoformat(), month_words(month)) for month in months_around()
        ]


class RoundingFields(forms.Form):
    increment_minutes = forms.IntegerField(
        label=gettext_lazy("Billed in steps of, minutes"), initial=15, min_value=1, max_value=1440
    )
    minimum_minutes = forms.IntegerField(
        label=gettext_lazy("At least, minutes"), initial=0, min_value=0, max_value=1440
    )


class PriceForm(RoundingFields):
    """A new version of a price in the price book."""

    work_type = forms.ChoiceField(label=gettext_lazy("Work"), choices=WorkType.choices)
    price_per_hour = forms.DecimalField(label=gettext_lazy("Price per hour"), **_PRICE)
    currency = forms.CharField(label=gettext_lazy("Currency"), max_length=3, initial="EUR")
    valid_from = forms.DateField(
        label=gettext_lazy("From"),
        help_text=gettext_lazy("It replaces a price that begins on the same day."),
    )
    field_order = ["work_type", "price_per_hour", "currency", "valid_from"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["valid_from"].initial = clock.today()


class ClientPriceForm(RoundingFields):
    """A price agreed with one client."""

    work_type = forms.ChoiceField(label=gettext_lazy("Work"), choices=WorkType.choices)
    price_per_hour = forms.DecimalField(label=gettext_lazy("Price per hour"), **_PRICE)
    starts_on = forms.DateField(label=gettext_lazy("From"))
    ends_on = forms.DateField(label=gettext_lazy("Until"), required=False)
    field_order = ["work_type", "price_per_hour", "starts_on", "ends_on"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["starts_on"].initial = clock.today()


class ReasonForm(forms.Form):
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=250)


class ProfileForm(forms.Form):
    """How a client is billed."""

    invoice_name = forms.CharField(label=gettext_lazy("Name on the invoice"), max_length=160)
    address = forms.CharField(
        label=gettext_lazy("Address"), max_length=1000, widget=forms.Textarea(attrs={"rows": 4})
    )
    tax_id = forms.CharField(label=gettext_lazy("Tax number"), max_length=40, required=False)
    tax_percent = forms.DecimalField(
        label=gettext_lazy("Tax, per cent"),
        max_digits=7,
        decimal_places=4,
        min_value=Decimal(0),
        max_value=Decimal(100),
    )
    payment_days = forms.IntegerField(
        label=gettext_lazy("Days to pay"), min_value=0, max_value=365, initial=30
    )
    email = forms.EmailField(
        label=gettext_lazy("Invoice e-mail"),
        required=False,
        help_text=gettext_lazy("Without one, the contacts with the role Billing are told."),
    )
    reference = forms.CharField(
        label=gettext_lazy("Client's reference"), max_length=120, required=False
    )

    def __init__(
        self, *args: Any, client: Client, profile: BillingProfile | None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {"invoice_name": client.name}
        if profile is not None:
            share = (profile.tax_ratio * 100).normalize()
            self.initial = {
                "invoice_name": profile.invoice_name,
                "address": profile.address,
                "tax_id": profile.tax_id,
                "tax_percent": f"{share:f}",
                "payment_days": profile.payment_days,
                "email": profile.email,
                "reference": profile.reference,
            }

    def values(self) -> dict[str, Any]:
        """Return what the service takes: the tax as a share of 0 to 1."""
        values = dict(self.cleaned_data)
        values["tax_ratio"] = values.pop("tax_percent") / 100
        return values


class ContractLineForm(RoundingFields):
    """Something a contract charges for."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    kind = forms.ChoiceField(
        label=gettext_lazy("Charged"),
        choices=[(kind.value, kind.label) for kind in CHARGED],
        initial=LineKind.FLAT,
    )
    amount = forms.DecimalField(
        label=gettext_lazy("Amount"),
        help_text=gettext_lazy("A month for a flat fee, an hour for time and material."),
        **_PRICE,
    )
    work_type = forms.ChoiceField(
        label=gettext_lazy("For time and material: work"),
        choices=[("", gettext_lazy("Any work")), *WorkType.choices],
        required=False,
    )
    starts_on = forms.DateField(label=gettext_lazy("From"))
    ends_on = forms.DateField(label=gettext_lazy("Until"), required=False)
    field_order = ["name", "kind", "amount", "work_type", "starts_on", "ends_on"]


class ChangeLineForm(forms.Form):
    """A new amount for a line of a contract."""

    amount = forms.DecimalField(label=gettext_lazy("New amount"), **_PRICE)
    from_on = forms.DateField(label=gettext_lazy("From"))

    def __init__(self, *args: Any, line: ContractLine, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["amount"].initial = plain_amount(line.amount)


class EndLineForm(forms.Form):
    ends_on = forms.DateField(label=gettext_lazy("Last day that is charged"))


class CreditForm(forms.Form):
    """How much of each line to give back, net; blank is nothing."""

    reason = forms.CharField(label=gettext_lazy("Reason, as the client reads it"), max_length=250)
    #: Makes a form that is sent twice credit once.
    token = forms.CharField(widget=forms.HiddenInput, max_length=40)

    def __init__(
        self, *args: Any, lines: list[InvoiceLine], whole: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {"token": str(uuid4())}
        for line in lines:
            left = line.amount - line.credited  # type: ignore[attr-defined]
            if left <= 0:
                continue
            self.fields[str(line.public_id)] = forms.DecimalField(
                label=f"{line.position}. {line.description}",
                help_text=_("Up to %(left)s, net.") % {"left": plain_amount(left)},
                min_value=Decimal(0),
                max_value=left,
                required=False,
                initial=plain_amount(left) if whole else None,
            )

    def amounts(self) -> dict[UUID, Decimal]:
        """Return the amounts by public id of the line."""
        return {
            UUID(name): value
            for name, value in self.cleaned_data.items()
            if name not in ("reason", "token") and value
        }
