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
    "system.network.io.rate": _("Network"),
    "system.network.errors.rate": _("Network errors per second"),
    "system.network.packet.dropped.rate": _("Dropped packets per second"),
    "system.disk.io.rate": _("Disk transfer"),
    "msp.disk.latency": _("Disk latency"),
    "msp.disk.busy": _("Disk busy"),
    "msp.pressure.cpu": _("Waiting for the processor"),
    "msp.pressure.memory": _("Waiting for memory"),
    "msp.pressure.io": _("Waiting for disks"),
    "msp.service.up": _("Service running"),
    "msp.reboot.required": _("Restart needed"),
    "msp.updates.age": _("Time since updates were looked up or installed"),
    "msp.updates.pending": _("Updates waiting"),
    "msp.updates.security": _("Security updates waiting"),
    "msp.clock.offset": _("Clock wrong by"),
}


def label_of(metric: str) -> str:
    """Return what to call a metric: its name where the catalogue does not know it."""
    return str(METRICS.get(metric, metric))
