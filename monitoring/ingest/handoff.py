"""Tell the rules about committed groups. A hint: the sweep finds what is lost here.

In a thread of its own, because the broker's client blocks; with a bounded queue, because a broker
that is away must never hold up what is durable already.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time

from celery import current_app

log = logging.getLogger(__name__)

TASK = "monitoring.evaluate"
MAX_WAITING = 1_000
#: Groups committed within this time share a message: at full rate there are hundreds a second.
GATHER_SECONDS = 0.25
#: Groups one message names at most.
MAX_GROUPS = 100
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
        while (first := self._queue.get()) is not None:
            group_ids, is_last = self._gather(first)
            try:
                current_app.send_task(TASK, args=(group_ids,), retry=False)
                self._is_away = False
            except Exception as error:  # whatever the broker's client raises: the sweep does it
                if not self._is_away:
                    log.warning("Groups cannot be handed off (%s); the sweep finds them.", error)
                self._is_away = True
            if is_last:
                return

    def _gather(self, first: int) -> tuple[list[int], bool]:
        """Return what is committed in a quarter of a second, and whether that is the end."""
        group_ids = [first]
        until = time.monotonic() + GATHER_SECONDS
        while len(group_ids) < MAX_GROUPS and (left := until - time.monotonic()) > 0:
            try:
                group_id = self._queue.get(timeout=left)
            except queue.Empty:
                break
            if group_id is None:
                return group_ids, True
            group_ids.append(group_id)
        return group_ids, False
