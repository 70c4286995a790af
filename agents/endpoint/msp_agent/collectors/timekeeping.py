"""How wrong the device's clock is."""

import math

from msp_agent.clock import Clock


class ClockCollector:
    """What the server's answers say about this clock.

    Without a sign, because a rule wants to say "wrong by a minute" once; which way it is wrong
    stands in each report's `clock_offset`.
    """

    name = "clock"
    period_seconds = 0.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def collect(self) -> list[tuple[str, str, float]]:
        """Return `msp.clock.offset` (s, 0 or more); NaN until the server has answered once."""
        offset = abs(self._clock.offset_ms) / 1000 if self._clock.is_compared else math.nan
        return [("msp.clock.offset", "", offset)]
