"""Queue work by name, on commit. Services do not import tasks.

A message is a hint, never the only record of what is to be done: due work lies in rows, and sweeps
find what a lost message missed. So a broker that is away delays work and never fails a request.
"""

from __future__ import annotations

import logging
from functools import partial

from celery import current_app
from django.db import transaction

from msp.core import correlation

log = logging.getLogger(__name__)


def enqueue(task: str, *args: object, once: bool = False) -> None:
    """Send a task by its name after the transaction commits (at once outside one).

    `once` drops a repeat of the same task and arguments within one transaction.
    """
    connection = transaction.get_connection()
    send = partial(_send, task, args, correlation.current())
    if once:
        for _, waiting, _ in connection.run_on_commit:
            if (
                isinstance(waiting, partial)
                and waiting.func is _send
                and waiting.args[:2] == (task, args)
            ):
                return
    transaction.on_commit(send, robust=True)


def _send(task: str, args: tuple[object, ...], correlation_id: str) -> None:
    try:
        current_app.send_task(
            task, args=args, headers={"correlation_id": correlation_id}, retry=False
        )
    except Exception as error:  # whatever the broker's client raises: a sweep does the work later
        log.warning("Could not queue %s (%s); a sweep will do it.", task, error)
