"""`/ui/`: every part of the design system in every state. What is not here does not exist."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from msp.core import clock
from msp.core.templatetags.ui import SlaBadge

COLOUR_ROLES = (
    "canvas",
    "sunken",
    "surface",
    "raised",
    "selected",
    "note",
    "accent",
    "bad",
    "warn",
    "ok",
    "vip",
)
STATUS_EXAMPLES = (
    "new",
    "in_progress",
    "waiting_client",
    "waiting_vendor",
    "scheduled",
    "resolved",
    "firing",
    "acknowledged",
    "cleared",
    "online",
    "stale",
    "offline",
    "draft",
    "approved",
    "posted",
    "paid",
    "void",
)
CHART_MINUTES = 24 * 60
CHART_STEP_MINUTES = 5


class SpecimenForm(forms.Form):
    """One field of each kind."""

    subject = forms.CharField(
        label=gettext_lazy("Subject"),
        help_text=gettext_lazy("What the client would say, in one line."),
    )
    email = forms.EmailField(label=gettext_lazy("Client e-mail"))
    text = forms.CharField(label=gettext_lazy("Description"), widget=forms.Textarea, required=False)
    urgency = forms.ChoiceField(
        label=gettext_lazy("Urgency"),
        choices=[
            ("1", gettext_lazy("Nobody can work")),
            ("2", gettext_lazy("One person cannot work")),
        ],
    )
    channel = forms.ChoiceField(
        label=gettext_lazy("How shall we answer?"),
        choices=[("mail", gettext_lazy("By e-mail")), ("phone", gettext_lazy("By telephone"))],
        widget=forms.RadioSelect,
        initial="mail",
    )
    due_on = forms.DateField(label=gettext_lazy("Due on"), required=False, widget=forms.DateInput)
    starts_at = forms.DateTimeField(
        label=gettext_lazy("Starts at"), required=False, widget=forms.DateTimeInput
    )
    serial = forms.CharField(
        label=gettext_lazy("Serial"), disabled=True, required=False, initial="FL60X-7719-0342"
    )
    tell = forms.BooleanField(label=gettext_lazy("Tell the client"), required=False, initial=True)


def gallery(request: HttpRequest) -> HttpResponse:
    """Show the parts with specimens made up here; asks the database nothing."""
    return render(request, "core/gallery.html", specimens())


def specimens() -> dict[str, Any]:
    """Return what the gallery draws: believable values, one for each state."""
    now = clock.now()
    wrong = SpecimenForm(
        {
            "w-subject": _("VPN drops every 20 minutes"),
            "w-email": "dana@kestrel",
            "w-urgency": "",
            "w-channel": "fax",
            "w-text": _("Since this morning, on all wired desks."),
        },
        prefix="w",
    )
    wrong.add_error(None, _("Two fields need another look."))
    return {
        "roles": COLOUR_ROLES,
        "statuses": STATUS_EXAMPLES,
        "slas": [
            (
                SlaBadge("running", "", now + timedelta(hours=5, minutes=21), 0.18, _("Resolve")),
                _("under half used"),
            ),
            (
                SlaBadge("half", "", now + timedelta(hours=2, minutes=10), 0.62, _("Resolve")),
                _("over half used"),
            ),
            (
                SlaBadge("soon", "", now + timedelta(minutes=55), 0.76, _("Reply")),
                _("within the hour"),
            ),
            (
                SlaBadge("warn", "", now + timedelta(minutes=26), 0.80, _("Reply")),
                _("within 30 minutes"),
            ),
            (SlaBadge("past", "", now - timedelta(minutes=42), 1.0, _("Resolve")), _("breached")),
            (SlaBadge("paused", _("Paused")), _("the client must act")),
            (SlaBadge("met", _("met 09:58"), target=_("First reply")), _("46 of 60 minutes")),
            (
                SlaBadge("missed", _("missed by 12 min"), target=_("First reply")),
                _("answered too late"),
            ),
            (SlaBadge("none"), _("no promise")),
        ],
        "people": ("Ines Calder", "Samir Voss", "Tom Brandt", "Aroha Pike", "Jo Lindqvist"),
        "form": SpecimenForm(),
        "wrong": wrong,
        "tabs": [
            {"label": _("Next up"), "url": "?tab=1", "current": True, "count": 24},
            {"label": _("Mine"), "url": "?tab=2", "count": 9},
            {"label": _("All"), "url": "?tab=3"},
        ],
        "beats": ["ok"] * 46
        + ["none"] * 2
        + ["ok"] * 12
        + ["slow", "ok", "missed", "ok", "missed", "slow"] * 2,
        "spark": [30 + 12 * math.sin(i / 3) + (i % 5) for i in range(40)],
        "spark_gap": [30 + i % 7 if i < 14 or i > 22 else None for i in range(40)],
        "cpu": _cpu_specimen(now),
        "memory": [
            (now - timedelta(minutes=m), 6.1e9 + 4e8 * math.sin(m / 90))
            for m in range(CHART_MINUTES, 0, -CHART_STEP_MINUTES)
        ],
        "seen": now - timedelta(seconds=20),
        "seen_long_ago": now - timedelta(minutes=41),
        "yesterday": now - timedelta(days=1, hours=2),
        "tomorrow": now + timedelta(days=1),
        "amount": Decimal("1234.5"),
        "negative": Decimal("-89.90"),
        "ram": 16 * 1024**3,
        "ratio": 0.082,
        "minutes": 125,
        "nothing": None,
        "no_values": [],
    }


def _cpu_specimen(now: Any) -> list[tuple[Any, float | None]]:
    """Return a day of processor use with a pause and a peak."""
    points: list[tuple[Any, float | None]] = []
    for minute in range(CHART_MINUTES, 0, -CHART_STEP_MINUTES):
        if 840 < minute < 960:
            continue  # the device was off
        value = 0.22 + 0.08 * math.sin(minute / 55) + 0.05 * math.sin(minute / 7)
        if 180 < minute < 260:
            value += 0.55
        points.append((now - timedelta(minutes=minute), min(value, 0.99)))
    return points
