"""Parse what people fill in. Whether it is right is asked by the services."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from agents import selectors
from agents.enums import DeviceRole, DeviceState
from agents.models import Device
from agents.services.enrolment import DEFAULT_DAYS, MAX_DAYS, MAX_USES
from clients.selectors import sites_of
from msp.core.scope import Principal


class DeviceFilter(forms.Form):
    """What narrows the list of devices; an unknown word narrows nothing."""

    q = forms.CharField(label=_("Search"), required=False, max_length=120)
    role = forms.ChoiceField(
        label=_("Role"), required=False, choices=[("", _("All roles")), *DeviceRole.choices]
    )
    state = forms.ChoiceField(
        label=_("State"), required=False, choices=[("", _("In use")), *DeviceState.choices]
    )

    def words(self) -> dict[str, str]:
        """Return `q`, `role` and `state`, blank where nothing valid was given."""
        self.is_valid()
        return {name: str(self.cleaned_data.get(name) or "").strip() for name in self.fields}


class DeviceForm(forms.Form):
    """What people decide about a device."""

    name = forms.CharField(label=_("Name"), max_length=120)
    role = forms.ChoiceField(label=_("Role"), choices=DeviceRole.choices)
    site: Any = forms.ModelChoiceField(label=_("Site"), queryset=None, empty_label=None)
    notes = forms.CharField(label=_("Notes"), required=False, widget=forms.Textarea)

    def __init__(self, *args: Any, user: Principal, device: Device, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        sites = sites_of(user, device.client).filter(client=device.client_id)
        self.fields["site"].queryset = sites  # type: ignore[attr-defined]

    def values(self) -> dict[str, Any]:
        """Return what `change_device` takes."""
        data = dict(self.cleaned_data)
        data["site_id"] = data.pop("site").pk
        return data


class _SiteChoice(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.client.name} – {obj.name}"


class TokenForm(forms.Form):
    """What a new enrolment token is for."""

    site = _SiteChoice(label=_("Site"), queryset=None)
    label = forms.CharField(
        label=_("What for"), max_length=120, help_text=_("Such as “new laptops, May”.")
    )
    role = forms.ChoiceField(
        label=_("Role of the devices"),
        required=False,
        choices=[("", _("What the agent finds")), *DeviceRole.choices],
    )
    max_uses = forms.IntegerField(
        label=_("Devices at most"), min_value=1, max_value=MAX_USES, initial=1
    )
    days = forms.IntegerField(
        label=_("Valid for days"), min_value=1, max_value=MAX_DAYS, initial=DEFAULT_DAYS
    )
    needs_approval = forms.BooleanField(
        label=_("A person approves each device before it reports"), required=False
    )

    def __init__(self, *args: Any, user: Principal, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["site"].queryset = selectors.enrolment_sites(user)  # type: ignore[attr-defined]

    def values(self) -> dict[str, Any]:
        """Return what `make_enrolment_token` takes."""
        data = dict(self.cleaned_data)
        data["site_id"] = data.pop("site").pk
        return data
