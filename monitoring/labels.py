"""The words for metrics of the catalogue."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

METRICS: dict[str, Promise] = {
    "system.cpu.utilization": _("Processor"),
    "system.cpu.load_average.1m": _("Load, 1 min"),
    "system.memory.utilization": _("Memory"),
    "system.memory.usage": _("Memory used"),
    "system.memory.limit": _("Memory size"),
    "system.paging.utilization": _("Swap"),
    "system.uptime": _("Up since start"),
    "system.filesystem.utilization": _("Volume"),
    "system.filesystem.usage": _("Volume used"),
    "system.filesystem.limit": _("Volume size"),
}


def label_of(metric: str) -> str:
    """Return what to call a metric: its name where the catalogue does not know it."""
    return str(METRICS.get(metric, metric))
