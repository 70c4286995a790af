"""From counters that only grow to rates per second."""

import time
from collections.abc import Callable, Mapping, Sequence

# Counters of a shorter time say more about when they were read than about the machine.
MIN_LOOK_SECONDS = 0.25

Counters = Mapping[str, Sequence[float]]  # {what: its counters, always the same ones in order}


class Rates:
    """Differences between two readings of counters.

    They are read once at construction, so the first `next()` is a difference too.
    """

    def __init__(
        self,
        read: Callable[[], Counters],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._read = read
        self._monotonic = monotonic
        self._sleep = sleep
        self._last = read()
        self._read_at = monotonic()

    def next(self) -> tuple[dict[str, list[float] | None], float]:
        """Return what each counter grew by, and over how many seconds.

        None for what was not there last time or was reset: not measured.
        """
        missing = MIN_LOOK_SECONDS - (self._monotonic() - self._read_at)
        if missing > 0:
            self._sleep(missing)
        now, before = self._read(), self._last
        read_at = self._monotonic()
        seconds = max(MIN_LOOK_SECONDS, read_at - self._read_at)
        self._last, self._read_at = now, read_at
        return {name: _grown(before.get(name), now[name]) for name in now}, seconds


def _grown(before: Sequence[float] | None, now: Sequence[float]) -> list[float] | None:
    if before is None or any(b > a for b, a in zip(before, now, strict=True)):
        return None
    return [a - b for b, a in zip(before, now, strict=True)]
