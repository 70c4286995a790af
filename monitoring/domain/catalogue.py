"""The metric catalogue: what a series is called, measured in, and may plausibly be.

Names are OpenTelemetry's (system conventions, as of 1.36, status "Development"), units UCUM's.
Ratios are 0–1, and a threshold always means *used*. Counters are stored as rates: a float4 has no
room for a counter. States are 1 (it is so) and 0. Series that are not here are stored like any
other and marked as not in the catalogue.

The words people see are in `monitoring.labels`: nothing here knows about languages.

Source: telemetry design, section 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """Units of the catalogue, as UCUM writes them."""

    RATIO = "1"
    BYTES = "By"
    SECONDS = "s"
    COUNT = "{count}"
    BYTES_PER_SECOND = "By/s"
    COUNT_PER_SECOND = "{count}/s"


@dataclass(frozen=True)
class Metric:
    """One entry. `least` and `greatest` are plausible bounds; None means there is none.

    `instance` names what tells two series of the metric apart on one device. `is_low_bad`: a rule
    made for it fires at or below its threshold.
    """

    name: str
    unit: Unit
    instance: str = ""
    least: float | None = 0.0
    greatest: float | None = None
    aggregation: str = "avg"
    is_low_bad: bool = False


_MOUNT = "mount point"
#: "eth0 receive", "eth0 transmit"; "sda read", "sda write".
_INTERFACE_WAY, _DISK_WAY = "interface and direction", "disk and direction"
_INTERFACE, _DISK, _UNIT = "interface", "disk", "systemd unit"

CATALOGUE: dict[str, Metric] = {
    entry.name: entry
    for entry in (
        Metric("system.cpu.utilization", Unit.RATIO, greatest=1.0),
        Metric("system.cpu.load_average.1m", Unit.COUNT),
        Metric("system.memory.utilization", Unit.RATIO, greatest=1.0),
        Metric("system.memory.usage", Unit.BYTES),
        Metric("system.memory.limit", Unit.BYTES, aggregation="max"),
        Metric("system.paging.utilization", Unit.RATIO, greatest=1.0),
        Metric("system.uptime", Unit.SECONDS, aggregation="max"),
        Metric("system.filesystem.utilization", Unit.RATIO, _MOUNT, greatest=1.0),
        Metric("system.filesystem.usage", Unit.BYTES, _MOUNT),
        Metric("system.filesystem.limit", Unit.BYTES, _MOUNT, aggregation="max"),
        Metric("system.network.io.rate", Unit.BYTES_PER_SECOND, _INTERFACE_WAY),
        Metric("system.network.errors.rate", Unit.COUNT_PER_SECOND, _INTERFACE),
        Metric("system.network.packet.dropped.rate", Unit.COUNT_PER_SECOND, _INTERFACE),
        Metric("system.disk.io.rate", Unit.BYTES_PER_SECOND, _DISK_WAY),
        Metric("msp.disk.latency", Unit.SECONDS, _DISK),
        Metric("msp.disk.busy", Unit.RATIO, _DISK, greatest=1.0),
        Metric("msp.pressure.cpu", Unit.RATIO, greatest=1.0),
        Metric("msp.pressure.memory", Unit.RATIO, greatest=1.0),
        Metric("msp.pressure.io", Unit.RATIO, greatest=1.0),
        Metric(
            "msp.service.up",
            Unit.COUNT,
            _UNIT,
            greatest=1.0,
            aggregation="min",
            is_low_bad=True,
        ),
        Metric("msp.reboot.required", Unit.COUNT, greatest=1.0, aggregation="max"),
        Metric("msp.updates.age", Unit.SECONDS, aggregation="max"),
        Metric("msp.updates.pending", Unit.COUNT, aggregation="max"),
        Metric("msp.updates.security", Unit.COUNT, aggregation="max"),
        Metric("msp.clock.offset", Unit.SECONDS, aggregation="max"),
    )
}


def is_known(name: str) -> bool:
    """Return whether a metric is in the catalogue."""
    return name in CATALOGUE


def is_low_bad(name: str) -> bool:
    """Return whether low values of a metric are the bad ones; no for one that is not known."""
    return name in CATALOGUE and CATALOGUE[name].is_low_bad
