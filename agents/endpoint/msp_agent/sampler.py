"""Run the collectors so that none of them can stop the others.

Each collector lives in a daemon thread of its own. One that raises, or does not come back in
time, costs its own values (NaN) and one event; it is asked again when it has come back. One that
costs too much processor time again and again is switched off.
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
# What one run of a collector may cost, and how often in a row it may cost more.
CPU_BUDGET_SECONDS = 0.5
MAX_RUNS_OVER_BUDGET = 3
# Slow collectors begin so long after the start: a machine that boots has other things to do.
FIRST_RUN_SECONDS = 60.0
# One that failed is not left alone for the rest of a long period.
RETRY_SECONDS = 900.0

Note = Callable[[str, dict[str, Any]], None]  # (kind, data): an event for the server


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One look at the machine: the series in order, and their values."""

    series: list[Series]
    values: list[float]


class Sampler:
    """Ask all collectors that are due and gather what arrives in time."""

    def __init__(
        self,
        collectors: Sequence[Collector],
        *,
        note: Note,
        first_run_seconds: float = FIRST_RUN_SECONDS,
        cpu_budget_seconds: float = CPU_BUDGET_SECONDS,
    ) -> None:
        """`first_run_seconds`: how long collectors with a period wait before their first run."""
        self._workers = [
            _Slow(collector, note, cpu_budget_seconds, first_run_seconds)
            if collector.period_seconds
            else _Worker(collector, note, cpu_budget_seconds)
            for collector in collectors
        ]
        self._note = note
        self._is_over_limit = False

    def sample(self, *, timeout_seconds: float, is_patient: bool = False) -> Sample:
        """Measure once, within `timeout_seconds`; series of a collector that failed are NaN.

        `is_patient`: run the slow collectors now and wait for them too.
        """
        now = time.monotonic()
        for worker in self._workers:
            worker.ask(now, is_patient=is_patient)
        found: dict[Series, float] = {}
        for worker in self._workers:
            left = max(0.0, now + timeout_seconds - time.monotonic())
            for metric, instance, value in worker.answer(left, is_patient=is_patient):
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

    def __init__(self, collector: Collector, note: Note, cpu_budget_seconds: float) -> None:
        self._collector = collector
        self._note = note
        self._cpu_budget = cpu_budget_seconds
        self._asked: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        self._is_out = False  # asked, and not back yet
        self._is_awaited = False  # asked for this sample
        self._is_off = False
        self._runs_over_budget = 0
        self._last_series: list[Series] = []
        self._last_trouble: str | None = None
        threading.Thread(target=self._work, name=f"collector-{collector.name}", daemon=True).start()

    def ask(self, now: float, *, is_patient: bool) -> None:
        """Have it measure for this sample, unless it is still at an earlier one."""
        if self._is_out:
            # It may have come back since the last sample; what it brings is of that time.
            try:
                self._count_cost(self._answers.get_nowait())
            except queue.Empty:
                return
            self._is_out = False
        self._begin()

    def answer(self, timeout_seconds: float, *, is_patient: bool) -> list[Measurement]:
        """Return what it measured, or its series as NaN."""
        # One that did not come back last time is not waited for again: every sample would be late.
        if not self._is_awaited:
            return self._nothing()
        self._is_awaited = False
        result = self._take(timeout_seconds)
        if result is None:
            self._trouble("msp.collector.hung", "no answer in time")
            return self._nothing()
        return result

    def _begin(self) -> None:
        if self._is_off:
            return
        self._is_out = self._is_awaited = True
        self._asked.put(None)

    def _take(self, timeout_seconds: float) -> list[Measurement] | None:
        """Return what it brought, its series as NaN if that is trouble, None if it is not back."""
        try:
            answer = self._answers.get(timeout=timeout_seconds)
        except queue.Empty:
            return None
        self._is_out = False
        self._count_cost(answer)
        if isinstance(answer.result, Exception):
            message = f"{type(answer.result).__name__}: {answer.result}"
            self._trouble("msp.collector.failed", message)
            return self._nothing()
        self._last_trouble = None
        self._last_series = [(metric, instance) for metric, instance, _ in answer.result]
        return answer.result

    def _nothing(self) -> list[Measurement]:
        return [(metric, instance, math.nan) for metric, instance in self._last_series]

    def _count_cost(self, answer: "_Answer") -> None:
        """Switch the collector off for good when it went over its budget once too often."""
        is_over = answer.cpu_seconds > self._cpu_budget
        self._runs_over_budget = self._runs_over_budget + 1 if is_over else 0
        if self._runs_over_budget < MAX_RUNS_OVER_BUDGET or self._is_off:
            return
        self._is_off = True
        name = self._collector.name
        message = f"switched off: the last run took {answer.cpu_seconds:.2f} CPU-s"
        logger.error("collector %s: %s", name, message)
        self._note("msp.collector.off", {"collector": name, "message": message})

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
            began = time.thread_time()
            try:
                result: list[Measurement] | Exception = self._collector.collect()
            except Exception as error:  # whatever it is, it stays in here
                result = error
            self._answers.put(_Answer(result, time.thread_time() - began))


class _Slow(_Worker):
    """A collector with a period of its own: samples do not wait for it.

    Every sample carries what the last run brought. Were its series left out between two runs, the
    layout would go to and fro, and each change costs a layout of its own on the server and a
    batch of its own here. What a run brought counts until the next one has ended.
    """

    def __init__(
        self,
        collector: Collector,
        note: Note,
        cpu_budget_seconds: float,
        first_run_seconds: float,
    ) -> None:
        super().__init__(collector, note, cpu_budget_seconds)
        self._last: list[Measurement] = []
        self._next_due = time.monotonic() + first_run_seconds

    def ask(self, now: float, *, is_patient: bool) -> None:
        """Begin a run if one is due."""
        if now < self._next_due and (self._is_out or not is_patient):
            return
        self._next_due = now + self._collector.period_seconds
        if not self._is_out:
            self._begin()
        elif self._answers.empty():  # a whole period ago
            self._trouble("msp.collector.hung", "no answer in time")
            self._last = self._nothing()

    def answer(self, timeout_seconds: float, *, is_patient: bool) -> list[Measurement]:
        """Return what the last run brought; nothing before the first one has ended."""
        if self._is_out:
            result = self._take(timeout_seconds if is_patient else 0.0)
            if result is not None:
                self._last = result
                if self._last_trouble is not None:
                    self._next_due = min(self._next_due, time.monotonic() + RETRY_SECONDS)
        return self._nothing() if self._is_off else self._last


@dataclass(frozen=True)
class _Answer:
    """What one run brought, and the processor time of its thread (children not counted)."""

    result: list[Measurement] | Exception
    cpu_seconds: float
