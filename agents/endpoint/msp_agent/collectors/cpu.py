"""How busy the processors are."""

import time
from collections.abc import Callable
from typing import Any

import psutil

# Counters tick every 10 ms: a shorter look says more about rounding than about the machine.
MIN_LOOK_SECONDS = 0.25


class CpuCollector:
    """Share of time the processors were busy since the last sample, all of them together.

    The counters are read once at construction, so the first sample is a difference too.
    """

    name = "cpu"
    period_seconds = 0.0

    def __init__(
        self,
        *,
        read: Callable[[], Any] = psutil.cpu_times,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._read = read
        self._monotonic = monotonic
        self._sleep = sleep
        self._last = busy_and_total(read())
        self._read_at = monotonic()

    def collect(self) -> list[tuple[str, str, float]]:
        """Return `system.cpu.utilization`, 0-1."""
        missing = MIN_LOOK_SECONDS - (self._monotonic() - self._read_at)
        if missing > 0:
            self._sleep(missing)
        busy, total = busy_and_total(self._read())
        busy_before, total_before = self._last
        self._last, self._read_at = (busy, total), self._monotonic()
        if total <= total_before:  # the counters were reset: a resumed guest
            return [("system.cpu.utilization", "", float("nan"))]
        ratio = (busy - busy_before) / (total - total_before)
        return [("system.cpu.utilization", "", min(1.0, max(0.0, ratio)))]


def busy_and_total(times: Any) -> tuple[float, float]:
    """Return seconds busy and seconds altogether.

    Waiting for a disk is idle time; time of guests is already inside user and nice.
    """
    fields = times._asdict()
    total = sum(fields.values()) - fields.get("guest", 0.0) - fields.get("guest_nice", 0.0)
    return total - fields["idle"] - fields.get("iowait", 0.0), total
