"""Run the collectors so that none of them can stop the others.

Each collector lives in a daemon thread of its own. One that raises, or does not come back in
time, costs its own values (NaN) and one event; it is asked again when it has come back.
"""

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from msp_agent.collectors import Collector, Measurement
from msp_agent.log import logger
from msp_agent.wire import Series

# What one report may hold.
MAX_SERIES = 300
MAX_INSTANCE_LENGTH = 200

Note = Callable[[str, dict[str, Any]], None]  # (kind, data): an event for the server


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One look at the machine: the series in order, and their values."""

    series: list[Series]
    values: list[float]


class Sampler:
    """Ask all collectors that are due and gather what arrives in time."""

    def __init__(self, collectors: Sequence[Collector], *, note: Note) -> None:
        self._workers = [_Worker(collector, note) for collector in collectors]
        self._note = note
        self._is_over_limit = False

    def sample(self, *, timeout_seconds: float) -> Sample:
        """Measure once, within `timeout_seconds`.

        Series of a collector that is not due are left out; those of one that failed are NaN.
        """
        now = time.monotonic()
        due = [worker for worker in self._workers if worker.is_due(now)]
        for worker in due:
            worker.ask(now)
        found: dict[Series, float] = {}
        for worker in due:
            left = max(0.0, now + timeout_seconds - time.monotonic())
            for metric, instance, value in worker.answer(left):
                if is_nameable(instance):
                    found.setdefault((metric, instance), value)
        if len(found) > MAX_SERIES and not self._is_over_limit:
            logger.warning("%d series: only the first %d are reported", len(found), MAX_SERIES)
            self._note("msp.series.limit", {"series": len(found), "limit": MAX_SERIES})
        self._is_over_limit = len(found) > MAX_SERIES
        kept = list(found.items())[:MAX_SERIES]
        return Sample(series=[name for name, _ in kept], values=[value for _, value in kept])


def is_nameable(instance: str) -> bool:
    """Say whether the protocol has room for an instance: one bad name would cost the report."""
    return len(instance) <= MAX_INSTANCE_LENGTH and instance.isprintable()


class _Worker:
    """One collector, its thread, and what is known about how it behaves."""

    def __init__(self, collector: Collector, note: Note) -> None:
        self._collector = collector
        self._note = note
        self._asked: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[list[Measurement] | Exception] = queue.SimpleQueue()
        self._is_out = False  # asked, and not back yet
        self._is_awaited = False  # asked for this sample
        self._last_series: list[Series] = []
        self._last_trouble: str | None = None
        self._next_due = 0.0
        threading.Thread(target=self._work, name=f"collector-{collector.name}", daemon=True).start()

    def is_due(self, now: float) -> bool:
        return now >= self._next_due

    def ask(self, now: float) -> None:
        self._next_due = now + self._collector.period_seconds
        if self._is_out:
            # It may have come back since the last sample; what it brings is of that time.
            try:
                self._answers.get_nowait()
            except queue.Empty:
                return
        self._is_out = self._is_awaited = True
        self._asked.put(None)

    def answer(self, timeout_seconds: float) -> list[Measurement]:
        # One that did not come back last time is not waited for again: every sample would be late.
        if not self._is_awaited:
            return self._nothing()
        self._is_awaited = False
        try:
            result = self._answers.get(timeout=timeout_seconds)
        except queue.Empty:
            self._trouble("msp.collector.hung", "no answer in time")
            return self._nothing()
        self._is_out = False
        if isinstance(result, Exception):
            self._trouble("msp.collector.failed", f"{type(result).__name__}: {result}")
            return self._nothing()
        self._last_trouble = None
        self._last_series = [(metric, instance) for metric, instance, _ in result]
        return result

    def _nothing(self) -> list[Measurement]:
        return [(metric, instance, math.nan) for metric, instance in self._last_series]

    def _trouble(self, kind: str, message: str) -> None:
        """Report the first of a row of equal failures; the rest would only repeat it."""
        if self._last_trouble == kind + message:
            return
        self._last_trouble = kind + message
        logger.warning("collector %s: %s", self._collector.name, message)
        self._note(kind, {"collector": self._collector.name, "message": message[:500]})

    def _work(self) -> None:
        while True:
            self._asked.get()
            try:
                result: list[Measurement] | Exception = self._collector.collect()
            except Exception as error:  # whatever it is, it stays in here
                result = error
            self._answers.put(result)
