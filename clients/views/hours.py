"""Pages of what is promised to everybody: SLA policies, calendars, priorities."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from clients import selectors, services
from clients.domain.hours import written_windows
from clients.enums import Level, PriorityKey, Weekday, WhoseHours
from clients.forms import CalendarForm, MatrixForm, PolicyForm
from clients.models import Calendar, CalendarVersion, SlaPolicy, SlaPolicyVersion
from clients.permissions import reaches_all
from clients.views.parts import PersonRequest, form_page
from msp.core.pages import render_page

PERMISSION = "clients.contracts"


def _frame(request: PersonRequest, current: str) -> dict[str, Any]:
    pages = {
        "policies": _("SLA policies"),
        "calendars": _("Calendars"),
        "priorities": _("Priorities"),
    }
    return {
        "tabs": [
            {"label": label, "url": reverse(f"clients:{key}"), "current": key == current}
            for key, label in pages.items()
        ],
        "may_change": reaches_all(request.user, PERMISSION),
    }


# -------------------------------------------------------------------------------------- calendars


def calendars(request: PersonRequest) -> HttpResponse:
    """List calendars."""
    context = _frame(request, "calendars") | {"calendars": selectors.calendars(archived=True)}
    return render_page(request, "clients/calendar_list.html", context)


def calendar(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Show a calendar's hours now, and its older versions."""
    row = selectors.get_calendar(public_id)
    versions = [_calendar_shown(version) for version in selectors.calendar_versions(row)]
    context = _frame(request, "calendars") | {"calendar": row, "versions": versions}
    return render_page(request, "clients/calendar_detail.html", context)


def _calendar_shown(version: CalendarVersion) -> dict[str, Any]:
    return {
        "version": version,
        "days": [
            {"label": day.label, "words": written_windows(version.windows.get(day.value, []))}
            for day in Weekday
        ],
    }


def calendar_new(request: PersonRequest) -> HttpResponse:
    """Add a calendar."""
    form = CalendarForm(request.POST or None)
    return form_page(
        request,
        form,
        lambda: services.add_calendar(form.cleaned_data["name"], by=request.user, **form.values()),
        title=_("New calendar"),
        cancel=reverse("clients:calendars"),
        then=_calendar_url,
        template="clients/calendar_form.html",
    )


def calendar_version(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Write a new version of a calendar."""
    row = selectors.get_calendar(public_id)
    newest = selectors.calendar_versions(row).first()
    form = CalendarForm(request.POST or None, version=newest, with_name=False)
    return form_page(
        request,
        form,
        lambda: services.add_calendar_version(
            row.pk, by=request.user, reason=form.cleaned_data["reason"], **form.values()
        ),
        title=_("%(name)s from now on") % {"name": row.name},
        cancel=_calendar_url(row),
        then=lambda _version: _calendar_url(row),
        template="clients/calendar_form.html",
    )


@require_POST
def calendar_default(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Make a calendar the one of clients without a contract."""
    row = selectors.get_calendar(public_id)
    services.make_default_calendar(row.pk, by=request.user)
    messages.success(request, _("%(name)s is the default now.") % {"name": row.name})
    return redirect(_calendar_url(row))


def _calendar_url(row: Calendar) -> str:
    return reverse("clients:calendar", args=[row.public_id])


# ------------------------------------------------------------------------------------ SLA policies


def policies(request: PersonRequest) -> HttpResponse:
    """List SLA policies."""
    context = _frame(request, "policies") | {"policies": selectors.policies(archived=True)}
    return render_page(request, "clients/policy_list.html", context)


def policy(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Show a policy's targets now, and its older versions."""
    row = selectors.get_policy(public_id)
    versions = [_policy_shown(version) for version in selectors.policy_versions(row)]
    context = _frame(request, "policies") | {"policy": row, "versions": versions}
    return render_page(request, "clients/policy_detail.html", context)


def _policy_shown(version: SlaPolicyVersion) -> dict[str, Any]:
    rows = [
        {
            "priority": priority,
            **version.targets[priority],
            "hours_label": WhoseHours(version.targets[priority]["hours"]).label,
        }
        for priority in PriorityKey.values
    ]
    return {"version": version, "rows": rows}


def policy_new(request: PersonRequest) -> HttpResponse:
    """Add an SLA policy."""
    form = PolicyForm(request.POST or None)
    return form_page(
        request,
        form,
        lambda: services.add_policy(form.cleaned_data["name"], by=request.user, **form.values()),
        title=_("New SLA policy"),
        cancel=reverse("clients:policies"),
        then=_policy_url,
        template="clients/policy_form.html",
    )


def policy_version(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Write a new version of an SLA policy."""
    row = selectors.get_policy(public_id)
    newest = selectors.policy_versions(row).first()
    form = PolicyForm(request.POST or None, version=newest, with_name=False)
    return form_page(
        request,
        form,
        lambda: services.add_policy_version(
            row.pk, by=request.user, reason=form.cleaned_data["reason"], **form.values()
        ),
        title=_("%(name)s from now on") % {"name": row.name},
        cancel=_policy_url(row),
        then=lambda _version: _policy_url(row),
        template="clients/policy_form.html",
    )


@require_POST
def policy_default(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Make a policy the one of clients without a contract."""
    row = selectors.get_policy(public_id)
    services.make_default_policy(row.pk, by=request.user)
    messages.success(request, _("%(name)s is the default now.") % {"name": row.name})
    return redirect(_policy_url(row))


def _policy_url(row: SlaPolicy) -> str:
    return reverse("clients:policy", args=[row.public_id])


# --------------------------------------------------------------------------------- priority matrix


def priorities(request: PersonRequest) -> HttpResponse:
    """Show the priority matrices as they are now."""
    matrices = [
        {"matrix": row, "rows": _cells(version.cells) if version else []}
        for row, version in selectors.matrices_with_newest()
    ]
    context = _frame(request, "priorities") | {"matrices": matrices, "levels": Level.labels}
    return render_page(request, "clients/priorities.html", context)


def _cells(cells: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"label": impact.label, "cells": [cells[f"{impact.value}:{u}"] for u in Level.values]}
        for impact in Level
    ]


def matrix_version(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Write a new version of a priority matrix."""
    row = selectors.get_matrix(public_id)
    newest = selectors.matrix_versions(row).first()
    form = MatrixForm(request.POST or None, version=newest)  # type: ignore[arg-type]
    url = reverse("clients:priorities")
    return form_page(
        request,
        form,
        lambda: services.add_matrix_version(
            row.pk, by=request.user, cells=form.cells(), reason=form.cleaned_data["reason"]
        ),
        title=_("%(name)s from now on") % {"name": row.name},
        cancel=url,
        then=lambda _version: url,
        template="clients/matrix_form.html",
        extra={"levels": Level.labels},
    )
