"""What is measured. A collector has a name, a period and `collect()`; adding one is one line here.

Names and units follow the metric catalogue: OpenTelemetry names, UCUM units, ratios 0-1, and
thresholds always mean *used*.
"""

from collections.abc import Sequence
from typing import Protocol

from msp_agent.collectors.cpu import CpuCollector
from msp_agent.collectors.host import HostCollector
from msp_agent.collectors.memory import MemoryCollector
from msp_agent.collectors.volumes import VolumeCollector

Measurement = tuple[str, str, float]  # (metric, instance, value); NaN = not measured


class Collector(Protocol):
    """One source of measurements, called from its own thread, never twice at once."""

    name: str
    period_seconds: float  # 0: with every sample

    def collect(self) -> list[Measurement]:
        """Measure now. An exception is reported as an event and costs only this collector."""
        ...


def all_collectors(*, volumes_include: Sequence[str] = ()) -> list[Collector]:
    """Return the collectors of this platform in the order of their series."""
    return [
        CpuCollector(),
        MemoryCollector(),
        HostCollector(),
        VolumeCollector(include=volumes_include),
    ]
