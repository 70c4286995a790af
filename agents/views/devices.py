"""Pages of devices."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from agents import selectors, services
from agents.forms import DeviceFilter, DeviceForm
from agents.views.facts import cards
from agents.views.parts import PersonRequest, page_of, row_of, save_form
from msp.core import clock
from msp.core.pages import render_page
from msp.core.panels import panels
from msp.core.permissions import can


def device_list(request: PersonRequest) -> HttpResponse:
    """List devices by name, found by name, serial number or MAC address."""
    chosen = DeviceFilter(request.GET)
    rows = selectors.device_list(request.user, **chosen.words())
    context = {
        "filter": chosen,
        "page": page_of(request, rows),
        "is_filtered": any(chosen.words().values()),
        "may_enrol": can(request.user, "agents.enrol"),
    }
    return render_page(request, "agents/device_list.html", context, part="rows")


#: A device that has said nothing this long after its enrolment needs somebody to look.
FIRST_REPORT_WITHIN = timedelta(minutes=10)


def detail(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Show a device: who it is, what the apps above know, its inventory and what changed."""
    user = request.user
    device = selectors.get_device(user, public_id)
    since = device.enrolled_at or device.created_at
    context = {
        "row": row_of(device),
        "device": device,
        "enrolled_at": since,
        "is_overdue": clock.now() - since > FIRST_REPORT_WITHIN,
        "identifiers": selectors.identifiers_of(user, device),
        "inventory": cards(selectors.sections_of(user, device)),
        "changes": selectors.changes_of(user, device),
        "panels": [
            {
                "key": panel.key,
                "title": panel.title,
                "url": reverse(panel.url_name, args=[public_id]),
            }
            for panel in panels("device", user)
        ],
        "may_change": can(user, "agents.change", device.client_id),
        "may_enrol": can(user, "agents.enrol", device.client_id),
    }
    return render_page(request, "agents/device_detail.html", context)


def edit(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Change name, role, site and notes."""
    device = selectors.get_device(request.user, public_id)
    initial = {
        "name": device.name,
        "role": device.role,
        "site": device.site,
        "notes": device.notes,
    }
    form = DeviceForm(request.POST or None, user=request.user, device=device, initial=initial)
    status = 200
    if request.method == "POST":
        done, status = save_form(
            form, lambda: services.change_device(public_id, by=request.user, **form.values())
        )
        if done:
            messages.success(request, _("Saved."))
            return redirect("agents:detail", public_id)
    context = {"form": form, "device": device}
    return render_page(request, "agents/device_form.html", context, status=status)


@require_POST
def approve(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Let a device report that waits for a person."""
    services.approve_device(public_id, by=request.user)
    messages.success(request, _("Approved. Its reports are taken within half a minute."))
    return redirect("agents:detail", public_id)


@require_POST
def retire(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Take a device out of use."""
    services.retire_device(public_id, by=request.user, reason=request.POST.get("reason", "")[:500])
    messages.success(request, _("Retired. Its history stays; its key no longer works."))
    return redirect("agents:detail", public_id)


@require_POST
def revoke_key(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """End a device's key."""
    services.revoke_key(public_id, by=request.user, reason=request.POST.get("reason", "")[:500])
    messages.success(request, _("The key no longer works. The machine must enrol again."))
    return redirect("agents:detail", public_id)
