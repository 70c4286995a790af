"""The metric catalogue: what a series is called, measured in, and may plausibly be.

Names are OpenTelemetry's (system conventions, as of 1.36, status "Development"), units UCUM's.
Ratios are 0–1, and a threshold always means *used*. Series that are not here are stored like any
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


@dataclass(frozen=True)
class Metric:
    """One entry. `least` and `greatest` are plausible bounds; None means there is none.

    `instance` names what tells two series of the metric apart on one device.
    """

    name: str
    unit: Unit
    instance: str = ""
    least: float | None = 0.0
    greatest: float | None = None
    aggregation: str = "avg"


_MOUNT = "mount point"

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
    )
}


def is_known(name: str) -> bool:
    """Return whether a metric is in the catalogue."""
    return name in CATALOGUE
