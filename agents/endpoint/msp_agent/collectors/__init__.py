"""What is measured. A collector has a name, a period and `collect()`; adding one is one line here.

Names and units follow the metric catalogue: OpenTelemetry names, UCUM units, ratios 0-1, and
thresholds always mean *used*.
"""

from collections.abc import Sequence
from typing import Protocol

from msp_agent.clock import Clock
from msp_agent.collectors.cpu import CpuCollector
from msp_agent.collectors.disks import DiskCollector
from msp_agent.collectors.host import HostCollector
from msp_agent.collectors.memory import MemoryCollector
from msp_agent.collectors.network import NetworkCollector
from msp_agent.collectors.pressure import PressureCollector
from msp_agent.collectors.services import ServiceCollector
from msp_agent.collectors.timekeeping import ClockCollector
from msp_agent.collectors.updates import UpdatesCollector, UpdateStateCollector
from msp_agent.collectors.volumes import VolumeCollector

Measurement = tuple[str, str, float]  # (metric, instance, value); NaN = not measured


class Collector(Protocol):
    """One source of measurements, called from its own thread, never twice at once."""

    name: str
    # 0: with every sample, which waits for it. More: in the background that often, at once after
    # the start; samples carry what it brought last.
    period_seconds: float

    def collect(self) -> list[Measurement]:
        """Measure now. An exception is reported as an event and costs only this collector."""
        ...


def all_collectors(
    *,
    volumes_include: Sequence[str] = (),
    services: Sequence[str] = (),
    clock: Clock | None = None,
) -> list[Collector]:
    """Return the collectors of this platform in the order of their series."""
    return [
        CpuCollector(),
        MemoryCollector(),
        HostCollector(),
        VolumeCollector(include=volumes_include),
        NetworkCollector(),
        DiskCollector(),
        PressureCollector(),
        ServiceCollector(services),
        UpdateStateCollector(),
        UpdatesCollector(),
        *([ClockCollector(clock)] if clock is not None else []),
    ]


def light_collectors(
    *, volumes_include: Sequence[str] = (), services: Sequence[str] = ()
) -> list[Collector]:
    """Return what is cheap enough to look at between two samples (see `msp_agent.breach`)."""
    return [
        MemoryCollector(),
        VolumeCollector(include=volumes_include),
        ServiceCollector(services),
    ]
