"""How hard the disks work."""

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from msp_agent.collectors.rates import Counters, Rates

# Drives with hardware behind them whose work nobody asks about: optical ones, floppies.
NOT_DISKS = ("sr", "fd")
MS = 1000.0


class DiskCollector:
    """Bytes per second, latency and busy time of each whole disk that is hardware.

    Partitions, device-mapper and RAID volumes do their work on one of those.
    """

    name = "disks"
    period_seconds = 0.0

    def __init__(
        self,
        *,
        read: Callable[[], Mapping[str, Any]] | None = None,
        blocks: Path = Path("/sys/block"),
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._read = read or _read
        self._blocks = blocks
        self._rates = Rates(self._counters, monotonic=monotonic, sleep=sleep)

    def collect(self) -> list[tuple[str, str, float]]:
        """Return bytes/s per direction, latency (s) and busy ratio (0-1) of each disk.

        Latency is the mean of the operations that ended since the last sample; 0 if none did:
        nothing had to wait.
        """
        grown, seconds = self._rates.next()
        found: list[tuple[str, str, float]] = []
        for name in sorted(grown):
            read, written, operations, waited_ms, busy_ms = grown[name] or [math.nan] * 5
            found += [
                ("system.disk.io.rate", f"{name} read", read / seconds),
                ("system.disk.io.rate", f"{name} write", written / seconds),
                ("msp.disk.latency", name, waited_ms / MS / operations if operations else 0.0),
                # The kernel rounds up to its own ticks: a little more than the time there was.
                ("msp.disk.busy", name, _at_most_one(busy_ms / MS / seconds)),
            ]
        return found

    def _counters(self) -> Counters:
        return {
            name: (
                io.read_bytes,
                io.write_bytes,
                io.read_count + io.write_count,
                io.read_time + io.write_time,
                io.busy_time,
            )
            for name, io in self._read().items()
            if not name.startswith(NOT_DISKS)
            # The name in sysfs has "!" where the device's has "/" (cciss/c0d0).
            and (self._blocks / name.replace("/", "!") / "device").exists()
        }


def _at_most_one(ratio: float) -> float:
    return ratio if math.isnan(ratio) else min(1.0, ratio)


def _read() -> Mapping[str, Any]:
    return psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
