"""Parse what people fill in. Whether it is right is asked by the services."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clients import selectors
from clients.domain import hours
from clients.enums import (
    ClientState,
    ContactRole,
    CoveredHours,
    CoveredWork,
    Level,
    PriorityKey,
    Weekday,
    WhoseHours,
)
from clients.models import (
    CalendarVersion,
    Client,
    Contact,
    Contract,
    PriorityMatrixVersion,
    Site,
    SlaPolicyVersion,
)
from clients.services.hours import TARGETS, hours_words
from msp.core.scope import Principal

ZONE_HELP = gettext_lazy("Such as Europe/Dublin.")
#: Blank rows below the coverage rules there are; saving a draft gives as many again.
BLANK_RULES = 3


class ListFilter(forms.Form):
    """What narrows a list; an unknown word narrows nothing."""

    q = forms.CharField(label=gettext_lazy("Search"), required=False, max_length=120)
    state = forms.CharField(label=gettext_lazy("State"), required=False, max_length=10)

    def words(self) -> dict[str, str]:
        """Return `q` and `state`, blank where nothing valid was given."""
        self.is_valid()
        return {name: str(self.cleaned_data.get(name) or "").strip() for name in self.fields}


class ClientFilter(ListFilter):
    state = forms.ChoiceField(  # type: ignore[assignment]
        label=gettext_lazy("State"),
        required=False,
        choices=[
            ("", gettext_lazy("Current")),
            *ClientState.choices,
            ("any", gettext_lazy("All")),
        ],
    )


class ClientForm(forms.Form):
    """Facts about a client."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=160)
    state = forms.ChoiceField(label=gettext_lazy("State"), choices=ClientState.choices)
    zone = forms.CharField(label=gettext_lazy("Time zone"), max_length=64, help_text=ZONE_HELP)
    country = forms.CharField(
        label=gettext_lazy("Country"), max_length=2, help_text=gettext_lazy("Two letters.")
    )
    currency = forms.CharField(
        label=gettext_lazy("Currency"), max_length=3, help_text=gettext_lazy("Three letters.")
    )
    phone = forms.CharField(label=gettext_lazy("Telephone"), max_length=40, required=False)
    brand = forms.SlugField(
        label=gettext_lazy("Portal brand"),
        max_length=40,
        required=False,
        help_text=gettext_lazy("The name of a colour set; blank is ours."),
    )
    email_domains = forms.CharField(
        label=gettext_lazy("Verified mail domains"),
        required=False,
        help_text=gettext_lazy("Separated by commas."),
    )
    priority_matrix: forms.ModelChoiceField[Any] = forms.ModelChoiceField(
        label=gettext_lazy("Priority matrix"),
        queryset=None,
        required=False,
        to_field_name="public_id",
        empty_label=gettext_lazy("The default"),
    )
    notes = forms.CharField(
        label=gettext_lazy("Pinned notes"), required=False, widget=forms.Textarea
    )

    def __init__(self, data: Any = None, *, user: Principal, client: Client | None = None):
        start = {"state": ClientState.ACTIVE, "zone": "Europe/Dublin", "country": "IE"}
        start["currency"] = "EUR"
        if client is not None:
            start = {name: getattr(client, name) for name in self.base_fields}
            start["email_domains"] = ", ".join(client.email_domains)
            matrix = client.priority_matrix
            start["priority_matrix"] = matrix.public_id if matrix else None  # type: ignore[assignment]
        super().__init__(data, initial=start)
        self.fields["priority_matrix"].queryset = selectors.matrices()  # type: ignore[attr-defined]

    def clean_country(self) -> str:
        return str(self.cleaned_data["country"]).upper()

    def clean_currency(self) -> str:
        return str(self.cleaned_data["currency"]).upper()

    def values(self) -> dict[str, Any]:
        """Return what `add_client` and `change_client` take."""
        values = dict(self.cleaned_data)
        matrix = values.pop("priority_matrix")
        values["priority_matrix_id"] = matrix.pk if matrix else None
        values["email_domains"] = [part for part in values["email_domains"].split(",") if part]
        return values


class SiteForm(forms.Form):
    """A client's place."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    address = forms.CharField(label=gettext_lazy("Address"), required=False, widget=forms.Textarea)
    zone = forms.CharField(label=gettext_lazy("Time zone"), max_length=64, help_text=ZONE_HELP)
    calendar: forms.ModelChoiceField[Any] = forms.ModelChoiceField(
        label=gettext_lazy("Opening hours"),
        queryset=None,
        required=False,
        to_field_name="public_id",
        empty_label=gettext_lazy("None of its own"),
    )

    def __init__(
        self, data: Any = None, *, user: Principal, client: Client, site: Site | None = None
    ):
        start: dict[str, Any] = {"zone": client.zone}
        if site is not None:
            start = {"name": site.name, "address": site.address, "zone": site.zone}
            start["calendar"] = site.calendar.public_id if site.calendar else None
        super().__init__(data, initial=start)
        self.fields["calendar"].queryset = selectors.calendars()  # type: ignore[attr-defined]

    def values(self) -> dict[str, Any]:
        """Return what `add_site` and `change_site` take."""
        values = dict(self.cleaned_data)
        calendar = values.pop("calendar")
        return values | {"calendar_id": calendar.pk if calendar else None}


class ContactForm(forms.Form):
    """A person at a client."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    email = forms.EmailField(label=gettext_lazy("E-mail address"), max_length=254)
    phone = forms.CharField(label=gettext_lazy("Telephone"), max_length=40, required=False)
    title = forms.CharField(label=gettext_lazy("Position"), max_length=120, required=False)
    site: forms.ModelChoiceField[Any] = forms.ModelChoiceField(
        label=gettext_lazy("Site"), queryset=None, required=False, to_field_name="public_id"
    )
    roles = forms.MultipleChoiceField(
        label=gettext_lazy("Roles"),
        choices=ContactRole.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(
        self, data: Any = None, *, user: Principal, client: Client, contact: Contact | None = None
    ):
        start: dict[str, Any] = {"roles": [ContactRole.EMPLOYEE.value]}
        if contact is not None:
            start = {name: getattr(contact, name) for name in self.base_fields}
            start["site"] = contact.site.public_id if contact.site else None
        super().__init__(data, initial=start)
        # A contact's site is of the contact's own client, not of its family.
        self.fields["site"].queryset = selectors.sites_of(user, client).filter(client=client)  # type: ignore[attr-defined]

    def values(self) -> dict[str, Any]:
        """Return what `add_contact` and `change_contact` take."""
        values = dict(self.cleaned_data)
        site = values.pop("site")
        return values | {"site_id": site.pk if site else None}


class MergeForm(forms.Form):
    """Under which client another one is read from now on."""

    into: forms.ModelChoiceField[Any] = forms.ModelChoiceField(
        label=gettext_lazy("Into"), queryset=None, to_field_name="public_id"
    )
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=250)

    def __init__(self, data: Any = None, *, user: Principal, client: Client):
        super().__init__(data)
        self.fields["into"].queryset = selectors.client_list(user, state="any").exclude(  # type: ignore[attr-defined]
            pk=client.pk
        )


class ContractForm(forms.Form):
    """The terms of a contract; its coverage is a formset of `CoverageForm`."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    starts_on = forms.DateField(label=gettext_lazy("First day"), widget=forms.DateInput)
    ends_on = forms.DateField(
        label=gettext_lazy("Last day"), required=False, widget=forms.DateInput
    )
    notice_days = forms.IntegerField(label=gettext_lazy("Notice, days"), min_value=0)
    policy: forms.ModelChoiceField[Any] = forms.ModelChoiceField(
        label=gettext_lazy("SLA policy"), queryset=None, to_field_name="public_id"
    )
    calendar: forms.ModelChoiceField[Any] = forms.ModelChoiceField(
        label=gettext_lazy("Calendar"), queryset=None, to_field_name="public_id"
    )
    whose_hours = forms.ChoiceField(label=gettext_lazy("Hours counted"), choices=WhoseHours.choices)

    def __init__(self, data: Any = None, *, user: Principal, contract: Contract | None = None):
        start: dict[str, Any] = {"notice_days": 90, "whose_hours": WhoseHours.CONTRACT}
        if contract is not None:
            start = {name: getattr(contract, name) for name in self.base_fields}
            start["policy"] = contract.policy.public_id
            start["calendar"] = contract.calendar.public_id
        super().__init__(data, initial=start)
        self.fields["policy"].queryset = selectors.policies()  # type: ignore[attr-defined]
        self.fields["calendar"].queryset = selectors.calendars()  # type: ignore[attr-defined]

    def values(self) -> dict[str, Any]:
        """Return what `add_contract` and `change_contract` take, without the coverage."""
        values = dict(self.cleaned_data)
        policy, calendar = values.pop("policy"), values.pop("calendar")
        return values | {"policy_id": policy.pk, "calendar_id": calendar.pk}


class CoverageForm(forms.Form):
    """One coverage rule; a row without a clause is not a rule."""

    work_type = forms.ChoiceField(label=gettext_lazy("Work"), choices=CoveredWork.choices)
    hours = forms.ChoiceField(label=gettext_lazy("Hours"), choices=CoveredHours.choices)
    covered = forms.TypedChoiceField(
        label=gettext_lazy("Covered"),
        choices=[("yes", gettext_lazy("Covered")), ("no", gettext_lazy("Billable"))],
        coerce=lambda word: word == "yes",
    )
    clause = forms.CharField(label=gettext_lazy("Clause"), max_length=120, required=False)

    def has_changed(self) -> bool:
        return bool(str(self["clause"].data or "").strip())


class BaseCoverageFormSet(forms.BaseFormSet):  # type: ignore[type-arg]
    def rules(self) -> list[dict[str, Any]]:
        """Return the rules in the order their numbers say, those marked for removal left out."""
        rules = []
        for position, form in enumerate(self.forms):
            values = dict(form.cleaned_data)
            if values.pop("DELETE", False) or not str(values.get("clause", "")).strip():
                continue
            order = values.pop("ORDER", None)
            rules.append((position + 1 if order is None else order, position, values))
        return [values for _order, _position, values in sorted(rules, key=lambda rule: rule[:2])]


CoverageFormSet = forms.formset_factory(
    CoverageForm,
    formset=BaseCoverageFormSet,
    extra=BLANK_RULES,
    can_delete=True,
    can_order=True,
    max_num=50,
)


def coverage_formset(data: Any = None, contract: Contract | None = None) -> BaseCoverageFormSet:
    """Return the rows of a contract's coverage rules, bound if there is data."""
    rules = contract.coverage if contract else []
    initial = [rule | {"covered": "yes" if rule["covered"] else "no"} for rule in rules]
    formset = CoverageFormSet(data, initial=initial, prefix="rules")
    return cast(BaseCoverageFormSet, formset)


class TesterForm(forms.Form):
    """What work, and when: asked of a contract before it is done."""

    work_type = forms.ChoiceField(
        label=gettext_lazy("Work"),
        choices=[choice for choice in CoveredWork.choices if choice[0] != CoveredWork.ANY],
    )
    hours = forms.ChoiceField(
        label=gettext_lazy("When"),
        choices=[
            (CoveredHours.INSIDE.value, CoveredHours.INSIDE.label),
            (CoveredHours.OUTSIDE.value, CoveredHours.OUTSIDE.label),
        ],
    )


class EndForm(forms.Form):
    """When a contract ends, and why."""

    ends_on = forms.DateField(label=gettext_lazy("Last day"), widget=forms.DateInput)
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=250, required=False)


class CalendarForm(forms.Form):
    """Working hours: one text for each weekday, one date a line for holidays."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    zone = forms.CharField(
        label=gettext_lazy("Time zone"),
        max_length=64,
        required=False,
        help_text=gettext_lazy("Blank counts in the zone of the site or client."),
    )
    always = forms.BooleanField(label=gettext_lazy("Around the clock"), required=False)
    holidays = forms.CharField(
        label=gettext_lazy("Holidays"),
        required=False,
        widget=forms.Textarea,
        help_text=gettext_lazy("One date a line, such as 2026-12-25."),
    )
    reason = forms.CharField(label=gettext_lazy("Why it changes"), max_length=250, required=False)

    def __init__(
        self, data: Any = None, *, version: CalendarVersion | None = None, with_name: bool = True
    ):
        start: dict[str, Any] = {}
        if version is not None:
            start = {"zone": version.zone, "always": version.always}
            start["holidays"] = "\n".join(version.holidays)
            for day, pairs in version.windows.items():
                start[day] = hours.written_windows(pairs)
        super().__init__(data, initial=start)
        for day in Weekday:
            self.fields[day.value] = forms.CharField(
                label=day.label, required=False, max_length=120
            )
        if not with_name:
            del self.fields["name"]
        else:
            del self.fields["reason"]

    def days(self) -> Iterator[forms.BoundField]:
        """Yield the fields of the seven weekdays."""
        for day in Weekday.values:
            yield self[day]

    def clean(self) -> dict[str, Any]:
        windows: dict[str, list[list[str]]] = {}
        for day in Weekday.values:
            try:
                windows[day] = hours.read_windows(day, self.cleaned_data.get(day, ""))
            except hours.HoursFault as fault:
                self.add_error(day, hours_words(fault))
        self.cleaned_data["windows"] = windows
        return self.cleaned_data

    def values(self) -> dict[str, Any]:
        """Return what `add_calendar` and `add_calendar_version` take, without the name."""
        data = self.cleaned_data
        values = {"zone": data["zone"], "always": data["always"], "windows": data["windows"]}
        values["holidays"] = data["holidays"].split()
        return values


class PolicyForm(forms.Form):
    """Targets for each priority, in minutes."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    warnings = forms.CharField(
        label=gettext_lazy("Warn at, percent of the target"),
        help_text=gettext_lazy("Separated by commas."),
    )
    vendor_wait_pauses = forms.BooleanField(
        label=gettext_lazy("Waiting for a vendor pauses the resolution"), required=False
    )
    resolution_is_commitment = forms.BooleanField(
        label=gettext_lazy("The resolution time is a commitment to the client"), required=False
    )
    retarget_from_creation = forms.BooleanField(
        label=gettext_lazy("A changed priority counts from the ticket's opening"),
        required=False,
    )
    reason = forms.CharField(label=gettext_lazy("Why it changes"), max_length=250, required=False)

    def __init__(
        self, data: Any = None, *, version: SlaPolicyVersion | None = None, with_name: bool = True
    ):
        start: dict[str, Any] = {"warnings": "50, 75, 100", "retarget_from_creation": True}
        if version is not None:
            start = {name: getattr(version, name) for name in _POLICY_CHOICES}
            start["warnings"] = ", ".join(str(percent) for percent in version.warnings)
            for priority, row in version.targets.items():
                start |= {f"{priority}_{name}": value for name, value in row.items()}
        super().__init__(data, initial=start)
        for priority in PriorityKey:
            for target in TARGETS:
                self.fields[f"{priority.value}_{target}"] = forms.IntegerField(
                    label=f"{priority.label}: {_TARGET_LABELS[target]}",
                    required=target == "response",
                    min_value=1,
                )
            self.fields[f"{priority.value}_hours"] = forms.ChoiceField(
                label=_("%(priority)s: hours") % {"priority": priority.label},
                choices=WhoseHours.choices,
            )
        del self.fields["reason" if with_name else "name"]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield for each priority its name and its fields."""
        for priority in PriorityKey:
            names = [*TARGETS, "hours"]
            yield {
                "priority": priority.value,
                "fields": [self[f"{priority.value}_{name}"] for name in names],
            }

    def clean_warnings(self) -> list[int]:
        words = [word.strip() for word in self.cleaned_data["warnings"].split(",") if word.strip()]
        # Nobody writes more than three digits, and Python refuses to read some thousands.
        if not all(word.isascii() and word.isdigit() and len(word) <= 3 for word in words):
            raise forms.ValidationError(_("Write whole numbers, such as 50, 75, 100."))
        return [int(word) for word in words]

    def values(self) -> dict[str, Any]:
        """Return what `add_policy` and `add_policy_version` take, without the name."""
        data = self.cleaned_data
        targets = {
            priority: {name: data[f"{priority}_{name}"] for name in [*TARGETS, "hours"]}
            for priority in PriorityKey.values
        }
        choices = {name: data[name] for name in _POLICY_CHOICES}
        return {"targets": targets, "warnings": data["warnings"], **choices}


class MatrixForm(forms.Form):
    """The nine cells of a priority matrix."""

    reason = forms.CharField(label=gettext_lazy("Why it changes"), max_length=250, required=False)

    def __init__(self, data: Any = None, *, version: PriorityMatrixVersion):
        super().__init__(
            data, initial={key.replace(":", "_"): cell for key, cell in version.cells.items()}
        )
        for impact in Level:
            for urgency in Level:
                self.fields[f"{impact.value}_{urgency.value}"] = forms.ChoiceField(
                    label=_("Impact %(impact)s, urgency %(urgency)s")
                    % {"impact": impact.label, "urgency": urgency.label},
                    choices=PriorityKey.choices,
                )

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield for each impact its label and its three fields."""
        for impact in Level:
            fields = [self[f"{impact.value}_{urgency}"] for urgency in Level.values]
            yield {"label": impact.label, "fields": fields}

    def cells(self) -> dict[str, str]:
        """Return what `add_matrix_version` takes."""
        return {
            f"{impact}:{urgency}": self.cleaned_data[f"{impact}_{urgency}"]
            for impact in Level.values
            for urgency in Level.values
        }


_POLICY_CHOICES = ("vendor_wait_pauses", "resolution_is_commitment", "retarget_from_creation")
_TARGET_LABELS = {
    "response": gettext_lazy("first response"),
    "update": gettext_lazy("client update"),
    "resolution": gettext_lazy("resolution"),
    "internal": gettext_lazy("internal target"),
}
