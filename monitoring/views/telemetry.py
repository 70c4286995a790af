"""Current figures and charts of a device: a panel on its page, and a small page of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from agents.models import Device
from agents.selectors import get_device
from monitoring.domain.catalogue import is_known
from monitoring.labels import label_of
from monitoring.selectors.telemetry import Point, SeriesName, TimeSeriesStore, events_of
from msp.core import clock
from msp.core.models import User
from msp.core.pages import render_page

CPU, MEMORY = "system.cpu.utilization", "system.memory.utilization"
VOLUME = "system.filesystem.utilization"
HOURS = {"1": 1, "6": 6, "24": 24}
DEFAULT_HOURS = "6"
CHART_POINTS = 360
#: Figures of a device that reported within this time are called current.
CURRENT_WITHIN = timedelta(minutes=3)
#: From here on a volume is drawn as a worry; the alert's own threshold is the rule's business.
FULL, NEARLY_FULL = 0.95, 0.85


class PersonRequest(HttpRequest):
    """A request past the middleware, which puts a plain user where the route asks for one."""

    user: User


@dataclass(frozen=True)
class Volume:
    """One mount point as the panel shows it."""

    name: str
    ratio: float
    used_bytes: float | None
    size_bytes: float | None

    @property
    def tone(self) -> str:
        return "bad" if self.ratio >= FULL else "warn" if self.ratio >= NEARLY_FULL else ""


@dataclass(frozen=True)
class Chart:
    id: str
    label: str
    points: Sequence[tuple[datetime, float | None]]


def device_panel(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Show what a device measured: now, and over the last 1, 6 or 24 hours."""
    device = get_device(request.user, public_id)
    hours = request.GET.get("hours", "")
    hours = hours if hours in HOURS else DEFAULT_HOURS
    context = _figures(device) | {
        "device": device,
        "charts": _charts(device, HOURS[hours]),
        "start": clock.now() - timedelta(hours=HOURS[hours]),
        "end": clock.now(),
        "events": events_of(request.user, device)[:10],
        "ranges": [
            {
                "label": _("%(n)s h") % {"n": n},
                "url": f"{reverse('monitoring:telemetry-panel', args=[public_id])}?hours={key}",
                "current": key == hours,
            }
            for key, n in HOURS.items()
        ],
    }
    return render_page(request, "monitoring/telemetry_panel.html", context, part="panel")


def _figures(device: Device) -> dict[str, Any]:
    """Return the newest values: processor, memory, volumes, and how many others there are."""
    latest = TimeSeriesStore().latest([device.pk]).get(device.pk, {})
    newest = max((ts for ts, _ in latest.values()), default=None)

    def value(metric: str, instance: str = "") -> float | None:
        found = latest.get((metric, instance))
        return None if found is None else found[1]

    return {
        "newest": newest,
        "is_old": newest is None or clock.now() - newest > CURRENT_WITHIN,
        "cpu": value(CPU),
        "memory": value(MEMORY),
        "memory_used": value("system.memory.usage"),
        "memory_size": value("system.memory.limit"),
        "swap": value("system.paging.utilization"),
        "load": value("system.cpu.load_average.1m"),
        "up_minutes": None if (up := value("system.uptime")) is None else up / 60,
        "volumes": [
            Volume(
                instance,
                ratio,
                value("system.filesystem.usage", instance),
                value("system.filesystem.limit", instance),
            )
            for (metric, instance), (_ts, ratio) in sorted(latest.items())
            if metric == VOLUME
        ],
        "unknown": sorted({metric for metric, _ in latest if not is_known(metric)}),
    }


def _charts(device: Device, hours: int) -> list[Chart]:
    store = TimeSeriesStore()
    now = clock.now()
    volumes = store.instances(device.pk).get(VOLUME, [])
    names: list[SeriesName] = [(CPU, ""), (MEMORY, "")]
    names += [(VOLUME, instance) for instance in volumes]
    found = store.several(device.pk, names, now - timedelta(hours=hours), now, CHART_POINTS)
    return [
        Chart(f"chart-{place}", f"{label_of(metric)} {instance}".strip(), _pairs(found[name]))
        for place, name in enumerate(names)
        for metric, instance in [name]
        if found[name]
    ]


def _pairs(points: Sequence[Point]) -> list[tuple[datetime, float | None]]:
    return [(point.ts, point.value) for point in points]
