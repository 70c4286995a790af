"""How many reports one device may send, so that one that runs wild costs its neighbours nothing.

A token bucket for each device that is heard, in the memory of the node: it is a guard, not an
account, and a node that restarts forgets it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

#: Reports a second that a device may send for ever. One a minute is usual; the spool of an agent
#: that was away comes back with two a second, so this leaves room for both.
RATE: Final = 5.0
#: Reports it may send at once: the breaches and halved batches of a bad hour.
BURST: Final = 300.0
#: Long enough to refill a part worth coming back for.
RETRY_AFTER_SECONDS: Final = 10
MAX_KNOWN: Final = 100_000


class Buckets:
    """Tokens by device. Used from one event loop."""

    def __init__(
        self,
        rate: float = RATE,
        burst: float = BURST,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._monotonic = monotonic
        self._known: dict[int, tuple[float, float]] = {}

    def take(self, device_id: int) -> bool:
        """Take one token; return False if the device has none left."""
        now = self._monotonic()
        tokens, at = self._known.get(device_id, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        if tokens < 1.0:
            self._known[device_id] = (tokens, now)
            return False
        if len(self._known) >= MAX_KNOWN and device_id not in self._known:
            self._forget_full(now)
        self._known[device_id] = (tokens - 1.0, now)
        return True

    def _forget_full(self, now: float) -> None:
        """Drop what has filled up again: a device that is not known has a full bucket."""
        self._known = {
            device_id: (tokens, at)
            for device_id, (tokens, at) in self._known.items()
            if tokens + (now - at) * self._rate < self._burst
        }
