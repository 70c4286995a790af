"""Tell the rules about committed groups. A hint: the sweep finds what is lost here.

In a thread of its own, because the broker's client blocks; with a bounded queue, because a broker
that is away must never hold up what is durable already.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading

from celery import current_app

log = logging.getLogger(__name__)

TASK = "monitoring.evaluate"
MAX_WAITING = 1_000
JOIN_SECONDS = 2.0


class HandOff:
    """Sends the ids of committed groups to the workers, as well as it can."""

    def __init__(self) -> None:
        self._queue: queue.Queue[int | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._run, name="ingest-handoff", daemon=True)
        self._is_away = False

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Send what waits for a moment longer, and end."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)
        self._thread.join(JOIN_SECONDS)

    def put(self, group_id: int) -> None:
        """Queue one group, or drop it if the broker cannot keep up."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(group_id)

    def _run(self) -> None:
        while (group_id := self._queue.get()) is not None:
            try:
                current_app.send_task(TASK, args=(group_id,), retry=False)
                self._is_away = False
            except Exception as error:  # whatever the broker's client raises: the sweep does it
                if not self._is_away:
                    log.warning("Groups cannot be handed off (%s); the sweep finds them.", error)
                self._is_away = True
