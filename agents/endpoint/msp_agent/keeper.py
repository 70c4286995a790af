"""Keep a spool at hand: the one on disk, or one in memory while the disk refuses.

A full or read-only disk is exactly when somebody wants to see this machine. The memory spool has
an epoch of its own; when the disk writes again, what still waits moves there under a new epoch.
"""

import sqlite3
import threading
from pathlib import Path

from msp_agent.clock import Clock
from msp_agent.log import logger
from msp_agent.spool import DEFAULT_MAX_BYTES, Spool, open_spool

# An hour of one-minute samples with room for their events.
MEMORY_MAX_BYTES = 512 * 1024


class Keeper:
    """Own the current spool and replace it when it fails."""

    def __init__(self, path: Path, *, clock: Clock, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._path = path
        self._clock = clock
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._on_disk = False
        self.spool: Spool
        try:
            self.spool = self._open()
        except sqlite3.Error as error:
            self._to_memory(error)

    @property
    def is_on_disk(self) -> bool:
        """Say whether what is spooled survives a restart."""
        return self._on_disk

    def failed(self, error: sqlite3.Error, *, again: bool = False) -> None:
        """Replace a spool that raised `error`; what was committed to disk stays there.

        `again`: the replacement failed too, so it is memory now.
        """
        with self._lock:
            if isinstance(error, sqlite3.ProgrammingError):
                return  # closed under this thread by the other one, which has replaced it
            self.spool.close()
            if not self._on_disk or again:
                self._to_memory(error)
                return
            try:
                # A damaged file is set aside and replaced; a full disk refuses the probing write.
                self.spool = self._open()
            except sqlite3.Error as refused:
                self._to_memory(refused)

    def back_to_disk(self) -> None:
        """Try the disk again, if we are not on it, and take along what waits in memory."""
        if self._on_disk:
            return
        with self._lock:
            try:
                disk = self._open()
            except sqlite3.Error:
                return
            try:
                disk.renew_epoch(self._clock.server_ms())
                disk.adopt(self.spool)
            except sqlite3.Error:
                disk.close()
                self._on_disk = False
                return
            memory, self.spool = self.spool, disk
            memory.close()
        logger.info("the spool is on disk again")

    def _open(self) -> Spool:
        spool = open_spool(self._path, now_ms=self._clock.server_ms(), max_bytes=self._max_bytes)
        try:
            spool.set(opened_at=self._clock.server_ms())
        except sqlite3.Error:
            spool.close()
            raise
        self._on_disk = True
        return spool

    def _to_memory(self, error: sqlite3.Error) -> None:
        logger.error("the spool cannot be written (%s): keeping samples in memory", error)
        self._on_disk = False
        now = self._clock.server_ms()
        self.spool = Spool(":memory:", now_ms=now, max_bytes=MEMORY_MAX_BYTES)
        self.spool.note("msp.spool.unwritable", {"message": str(error)[:500]}, ts=now)
