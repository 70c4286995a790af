"""Parse what people fill in. Whether it is right is asked by the services."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy

from agents.enums import DeviceRole
from clients import selectors as client_selectors
from monitoring import permissions
from monitoring.domain.catalogue import is_low_bad
from monitoring.domain.rules import Side
from monitoring.domain.selection import free_parts
from monitoring.enums import Severity
from monitoring.models import Rule, RuleVersion
from monitoring.notifications import PHRASES, metric_label, unit_of
from monitoring.selectors import rules as selectors
from monitoring.selectors.alerts import AlertFilter
from monitoring.services.rules import GIB, NODATA_AFTER_SECONDS, Figures
from msp.core.scope import Principal

_PER_CENT = 100
_TABS = ("open", "acknowledged", "closed")


class AlertFilterForm(forms.Form):
    """What narrows the list of alerts; an unknown word narrows nothing."""

    q = forms.CharField(label=gettext_lazy("Search"), required=False, max_length=120)
    severity = forms.ChoiceField(
        label=gettext_lazy("Severity"),
        required=False,
        choices=[("", gettext_lazy("Any severity")), *Severity.choices],
    )
    client = forms.UUIDField(required=False, widget=forms.HiddenInput)
    tab = forms.ChoiceField(
        required=False, choices=[(tab, tab) for tab in _TABS], widget=forms.HiddenInput
    )

    def wanted(self) -> AlertFilter:
        """Return the filter, with nothing where nothing valid was given."""
        self.is_valid()
        words = self.cleaned_data
        return AlertFilter(
            tab=words.get("tab") or "open",
            severity=words.get("severity") or "",
            client=str(words.get("client") or ""),
            q=(words.get("q") or "").strip(),
        )


class _Choice(forms.ModelChoiceField):  # type: ignore[type-arg]
    def to_python(self, value: Any) -> Any:
        """Take a public id; nonsense is an invalid choice like any other."""
        try:
            return super().to_python(value)
        except (ValueError, ValidationError) as error:
            wrong = self.error_messages["invalid_choice"]
            raise ValidationError(wrong, "invalid_choice") from error


class RuleForm(forms.Form):
    """A rule with its figures: shares in per cent, sizes in GB, times in seconds.

    What a rule is about (metric, client) is chosen once: alerts of the past stay what they were.
    """

    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    metric = forms.ChoiceField(label=gettext_lazy("What is measured"))
    client = _Choice(
        None,  # filled for the person in __init__
        label=gettext_lazy("Client"),
        required=False,
        to_field_name="public_id",
        empty_label=gettext_lazy("All clients"),
        help_text=gettext_lazy("Chosen once; it cannot be changed later."),
    )
    replaces = _Choice(
        None,
        label=gettext_lazy("In place of"),
        required=False,
        to_field_name="public_id",
        empty_label=gettext_lazy("Beside the others"),
        help_text=gettext_lazy("A rule of one client may stand in for one of all clients."),
    )
    roles = forms.MultipleChoiceField(
        label=gettext_lazy("Devices"),
        required=False,
        choices=DeviceRole.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None ticked means all."),
    )
    instance_pattern = forms.CharField(
        label=gettext_lazy("Only these volumes"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("Such as /srv*, /data; !/boot leaves one out. Blank means all."),
    )
    threshold = forms.FloatField(
        label=gettext_lazy("Fires at"),
        min_value=0,
        help_text=gettext_lazy("Per cent for shares, seconds for silence."),
    )
    clear_threshold = forms.FloatField(
        label=gettext_lazy("Clears below"),
        min_value=0,
        help_text=gettext_lazy("Between the two, what was so stays so."),
    )
    free_below_gib = forms.FloatField(
        label=gettext_lazy("And at most this much free (GB)"), required=False, min_value=0
    )
    free_clear_gib = forms.FloatField(
        label=gettext_lazy("Clears with more free than (GB)"), required=False, min_value=0
    )
    for_seconds = forms.IntegerField(
        label=gettext_lazy("Must last (seconds)"), min_value=0, max_value=86400, initial=120
    )
    keep_firing_for_seconds = forms.IntegerField(
        label=gettext_lazy("Must be over for (seconds)"), min_value=0, max_value=86400, initial=0
    )
    severity = forms.ChoiceField(
        label=gettext_lazy("Severity"), choices=Severity.choices, initial=Severity.WARNING
    )
    opens_ticket = forms.BooleanField(
        label=gettext_lazy("Opens a ticket"), required=False, initial=True
    )
    is_enabled = forms.BooleanField(label=gettext_lazy("Switched on"), required=False, initial=True)

    def __init__(
        self,
        *args: Any,
        user: Principal,
        rule: Rule | None = None,
        version: RuleVersion | None = None,
        **kwargs: Any,
    ) -> None:
        self.rule = rule
        self.version = version
        if rule is not None and version is not None:
            kwargs["initial"] = _initial(rule, version) | (kwargs.get("initial") or {})
        super().__init__(*args, **kwargs)
        metrics = [(metric, metric_label(metric)) for metric in PHRASES]
        self.fields["metric"].choices = metrics  # type: ignore[attr-defined]
        clients = client_selectors.client_list(user)
        self.fields["client"].queryset = clients  # type: ignore[attr-defined]
        self.fields["replaces"].queryset = selectors.replaceable(user)  # type: ignore[attr-defined]
        if not permissions.can_make_rules_for_all(user):
            self.fields["client"].required = True
            self.fields["client"].empty_label = None  # type: ignore[attr-defined]
        if rule is not None:
            gone = ["metric", "client", "replaces"]
            if free_parts(rule.metric) is None:
                gone += ["free_below_gib", "free_clear_gib"]
            for name in gone:
                del self.fields[name]

    def figures(self) -> Figures:
        """Return the figures in the unit of the metric."""
        words = self.cleaned_data
        metric = self.rule.metric if self.rule else words["metric"]
        scale = _PER_CENT if unit_of(metric) == "1" else 1
        below, clear = words.get("free_below_gib"), words.get("free_clear_gib")
        return Figures(
            threshold=words["threshold"] / scale,
            clear_threshold=words["clear_threshold"] / scale,
            side=Side(self.version.side)
            if self.version
            else Side.BELOW
            if is_low_bad(metric)
            else Side.ABOVE,
            free_below_bytes=None if below is None else round(below * GIB),
            free_clear_bytes=None if clear is None else round(clear * GIB),
            for_seconds=words["for_seconds"],
            keep_firing_for_seconds=words["keep_firing_for_seconds"],
            nodata_after_seconds=(
                self.version.nodata_after_seconds if self.version else NODATA_AFTER_SECONDS
            ),
        )

    def common(self) -> dict[str, Any]:
        """Return what may change later as well."""
        words = self.cleaned_data
        return {
            key: words[key]
            for key in (
                "name",
                "severity",
                "roles",
                "instance_pattern",
                "is_enabled",
                "opens_ticket",
            )
        }

    def refuse(self, field: str, message: str) -> None:
        """Show a service's refusal at the field it names."""
        shown = field.replace("_bytes", "_gib")
        self.add_error(shown if shown in self.fields else None, message)


class MatchForm(forms.Form):
    """What the preview of a rule asks with."""

    metric = forms.CharField(max_length=120, required=False)
    client = forms.UUIDField(required=False)
    roles = forms.MultipleChoiceField(choices=DeviceRole.choices, required=False)

    def words(self) -> dict[str, Any]:
        self.is_valid()
        words = self.cleaned_data
        return {
            "metric": words.get("metric") or "",
            "client": words.get("client"),
            "roles": words.get("roles") or [],
        }


def _initial(rule: Rule, version: RuleVersion) -> dict[str, Any]:
    scale = _PER_CENT if unit_of(rule.metric) == "1" else 1

    def gib(count: int | None) -> float | None:
        return None if count is None else _tidy(count / GIB)

    return {
        "name": rule.name,
        "roles": rule.roles,
        "instance_pattern": rule.instance_pattern,
        "severity": rule.severity,
        "opens_ticket": rule.opens_ticket,
        "is_enabled": rule.is_enabled,
        "threshold": _tidy(version.threshold * scale),
        "clear_threshold": _tidy(version.clear_threshold * scale),
        "free_below_gib": gib(version.free_below_bytes),
        "free_clear_gib": gib(version.free_clear_bytes),
        "for_seconds": version.for_seconds,
        "keep_firing_for_seconds": version.keep_firing_for_seconds,
    }


def _tidy(figure: float) -> float:
    """Return a figure as people write it: 95, not 95.0, and no trace of binary fractions."""
    figure = round(figure, 6)
    return int(figure) if figure == int(figure) else figure
