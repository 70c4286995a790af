"""The machine as a whole: how long it has been up, how long its run queue is."""

import time
from collections.abc import Callable

import psutil


def _up_seconds() -> float:
    if hasattr(time, "CLOCK_BOOTTIME"):  # not moved by a step of the wall clock
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.time() - float(psutil.boot_time())


class HostCollector:
    """Uptime (sleep included) and the load average of the last minute."""

    name = "host"
    period_seconds = 0.0

    def __init__(self, *, up_seconds: Callable[[], float] = _up_seconds) -> None:
        self._up_seconds = up_seconds

    def collect(self) -> list[tuple[str, str, float]]:
        """Return `system.uptime` (s) and `system.cpu.load_average.1m`."""
        return [
            ("system.uptime", "", self._up_seconds()),
            ("system.cpu.load_average.1m", "", psutil.getloadavg()[0]),
        ]
