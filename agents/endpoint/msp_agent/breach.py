"""Look between two samples whether something broke that should not wait for the next one.

Only when to look at everything at once is decided here. What an alert is, the server's rules say.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from msp_agent.sampler import Sample

GIB = 1024**3
# A cause that comes and goes is pushed once in this time.
PUSH_EVERY_SECONDS = 60.0

Cause = tuple[str, str]  # (metric, instance)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """From where on a value is a breach; a volume must pass both of its limits."""

    volume_used: float = 0.95
    volume_free_gib: float = 5.0
    memory_used: float = 0.97


class Breaches:
    """Which causes are breached, and which of them a sample has told the server already."""

    def __init__(self, limits: Limits, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._told: set[Cause] = set()
        self._pushed_at: dict[Cause, float] = {}

    def told_by(self, sample: Sample) -> None:
        """Take note of a full sample: what it shows as breached need not be pushed any more."""
        self._told |= self._breached(sample)

    def to_push(self, sample: Sample) -> list[Cause]:
        """Return the causes for which a full sample should go out now; they count as pushed."""
        breached, now = self._breached(sample), self._monotonic()
        fresh = sorted(
            cause
            for cause in breached - self._told
            if now - self._pushed_at.get(cause, -math.inf) >= PUSH_EVERY_SECONDS
        )
        self._told |= set(fresh)
        self._pushed_at |= dict.fromkeys(fresh, now)
        return fresh

    def _breached(self, sample: Sample) -> set[Cause]:
        values = dict(zip(sample.series, sample.values, strict=True))
        breached = set()
        for cause, value in values.items():
            if math.isnan(value):  # not measured: neither broken nor mended
                continue
            if self._is_breach(cause, value, values):
                breached.add(cause)
            else:
                self._told.discard(cause)
        return breached

    def _is_breach(self, cause: Cause, value: float, values: dict[Cause, float]) -> bool:
        metric, instance = cause
        if metric == "system.memory.utilization":
            return value >= self._limits.memory_used
        if metric == "msp.service.up":
            return value == 0
        if metric == "system.filesystem.utilization":
            used = values.get(("system.filesystem.usage", instance), math.nan)
            free = used / value - used if value else math.inf
            return value >= self._limits.volume_used and free < self._limits.volume_free_gib * GIB
        return False
