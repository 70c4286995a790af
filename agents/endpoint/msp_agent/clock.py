"""The device's clock and what is known about how wrong it is.

Three readings: the wall clock (which people and NTP step), ticks (ms since boot, sleep included,
never stepped) and the offset to the server, learned from the `time` field of its answers.
"""

import time
from collections.abc import Callable

# Below this the difference between two answers is the network's, not the clock's.
OFFSET_NOISE_MS = 250


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _ticks_ms() -> int:
    if hasattr(time, "CLOCK_BOOTTIME"):  # Linux: goes on counting while the machine sleeps
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    return time.monotonic_ns() // 1_000_000


class Clock:
    """Read the time; correct it by what the server said. `offset_ms` = server minus device."""

    def __init__(
        self,
        *,
        offset_ms: int = 0,
        wall: Callable[[], int] = _wall_ms,
        ticks: Callable[[], int] = _ticks_ms,
    ) -> None:
        self.offset_ms = offset_ms
        self.is_compared = False  # whether `offset_ms` was ever compared with the server's clock
        self._wall = wall
        self._ticks = ticks

    def wall_ms(self) -> int:
        """Return the device's own time, ms UTC, as wrong as it may be."""
        return self._wall()

    def ticks_ms(self) -> int:
        """Return ms since boot: comparable within one boot only."""
        return self._ticks()

    def server_seconds(self) -> int:
        """Return the server's time now, in whole seconds, as signatures carry it."""
        return self.server_ms() // 1000

    def server_ms(self) -> int:
        """Return our best idea of the server's time, ms UTC."""
        return self._wall() + self.offset_ms

    def learn(self, server_ms: int, round_trip_ms: int = 0) -> bool:
        """Take the server's time from an answer just received; return whether it moved ours.

        The server read its clock some time during the round trip, so half of that is the best
        guess and all of it the error.
        """
        self.is_compared = True
        offset = server_ms + round_trip_ms // 2 - self._wall()
        if abs(offset - self.offset_ms) <= max(OFFSET_NOISE_MS, round_trip_ms):
            return False
        self.offset_ms = offset
        return True
