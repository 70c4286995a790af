"""Pages of rules."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from agents.enums import DeviceRole
from clients import selectors as client_selectors
from monitoring import notifications as words
from monitoring import permissions, services
from monitoring.forms import MatchForm, RuleForm
from monitoring.models import Rule, RuleVersion
from monitoring.selectors import rules as selectors
from monitoring.views.alerts import PersonRequest
from msp.core.errors import BadInput, NotAllowed
from msp.core.pages import render_page
from msp.core.permissions import can

UNPROCESSABLE = 422


def rule_list(request: PersonRequest) -> HttpResponse:
    """List the rules with their conditions in words."""
    rows: list[dict[str, Any]] = [
        {
            "rule": rule,
            "version": version,
            "metric": words.metric_label(rule.metric),
            "condition": words.condition_words(rule, version),
            "roles": _role_words(rule),
            "url": reverse("monitoring:rule", args=[rule.public_id]),
        }
        for rule, version in selectors.with_versions(selectors.rule_list(request.user))
    ]
    context = {
        "rows": rows,
        "may_add": can(request.user, "monitoring.rules"),
        "may_add_defaults": permissions.can_make_rules_for_all(request.user)
        and not any(row["rule"].key for row in rows),
    }
    return render_page(request, "monitoring/rule_list.html", context)


def new_rule(request: PersonRequest) -> HttpResponse:
    """Make a rule."""
    form = RuleForm(request.POST or None, user=request.user)
    if request.method == "POST" and form.is_valid():
        client, replaces = form.cleaned_data["client"], form.cleaned_data["replaces"]
        try:
            rule = services.add_rule(
                by=request.user,
                metric=form.cleaned_data["metric"],
                client_id=client.pk if client else None,
                replaces_id=replaces.pk if replaces else None,
                figures=form.figures(),
                **form.common(),
            )
        except BadInput as error:
            form.refuse(error.field, error.message)
        else:
            messages.success(request, _("The rule watches from now on."))
            return redirect("monitoring:rule", rule.public_id)
    return _page(request, form, None, None)


def rule(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Show a rule, its versions, and change it."""
    found = selectors.get_rule(request.user, public_id)
    versions = list(selectors.versions_of(found))
    may_change = permissions.can_change_rule(request.user, found)
    form = RuleForm(request.POST or None, user=request.user, rule=found, version=versions[0])
    if request.method == "POST":
        if not may_change:
            raise NotAllowed(_("Your role does not include: changing this rule."))
        if form.is_valid():
            try:
                services.change_rule(
                    public_id, by=request.user, figures=form.figures(), **form.common()
                )
            except BadInput as error:
                form.refuse(error.field, error.message)
            else:
                messages.success(request, _("Saved. Open alerts keep the figures they fired by."))
                return redirect("monitoring:rule", public_id)
    return _page(request, form, found, versions)


def rule_matches(request: PersonRequest) -> HttpResponse:
    """Say how many devices a rule would be for."""
    asked = MatchForm(request.GET).words()
    client_id = None
    if asked["client"]:
        client_id = client_selectors.get_client(request.user, asked["client"]).pk
    count = selectors.matching_devices(
        request.user, metric=asked["metric"], roles=asked["roles"], client_id=client_id
    )
    return render_page(request, "monitoring/_rule_matches.html", {"matches": count})


@require_POST
def add_defaults(request: PersonRequest) -> HttpResponse:
    """Make the rules a fresh installation comes with."""
    made = services.ensure_default_rules(by=request.user)
    messages.success(request, _("%(n)d rules added.") % {"n": len(made)})
    return redirect("monitoring:rules")


def _page(
    request: PersonRequest,
    form: RuleForm,
    rule: Rule | None,
    versions: list[RuleVersion] | None,
) -> HttpResponse:
    matches = None
    if rule is not None:
        matches = selectors.matching_devices(
            request.user, metric=rule.metric, roles=rule.roles, client_id=rule.client_id
        )
    context = {
        "form": form,
        "rule": rule,
        "versions": [
            {
                "version": version,
                "fires": words.condition_words(rule, version),
                "clears": words.clear_words(rule, version),
            }
            for version in versions or []
        ]
        if rule
        else [],
        "matches": matches,
        "metric": words.metric_label(rule.metric) if rule else "",
        "may_change": rule is None or permissions.can_change_rule(request.user, rule),
    }
    status = UNPROCESSABLE if form.errors else 200
    return render_page(request, "monitoring/rule_form.html", context, status=status)


def _role_words(rule: Rule) -> str:
    return ", ".join(str(DeviceRole(role).label) for role in rule.roles) or _("All devices")
