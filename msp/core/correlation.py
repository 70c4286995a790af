"""One id through everything that one act causes: request, audit rows, deliveries, log lines."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("correlation_id", default="")


def current() -> str:
    """Return the id of the act under way, making one where there is none."""
    value = _current.get()
    if not value:
        value = uuid.uuid4().hex
        _current.set(value)
    return value


@contextmanager
def correlated(value: str = "") -> Iterator[str]:
    """Give the block a correlation id, a new one unless told."""
    chosen = value or uuid.uuid4().hex
    token = _current.set(chosen)
    try:
        yield chosen
    finally:
        _current.reset(token)


class LogFilter(logging.Filter):
    """Put the correlation id on each log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.correlation_id = _current.get() or "-"
        return True
