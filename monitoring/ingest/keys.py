"""Which keys are known, in memory, with PostgreSQL behind.

An entry is believed for 30 s at most, so a revoked key or a quarantined device is refused within
that time even if nothing tells us; keys in use are read again together every 10 s, so the usual
report waits for no query. Where a notification tells earlier, `forget` is its place.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import psycopg2

from agents.services.credentials import KnownKey, read_keys

log = logging.getLogger(__name__)

BELIEVED_SECONDS = 30.0
REFRESH_SECONDS = 10.0
UNKNOWN_SECONDS = 5.0
UNUSED_SECONDS = 600.0
MAX_UNKNOWN = 10_000
MAX_WAITING = 2_000
CHUNK = 2_000


class KeysAway(Exception):
    """The database cannot be asked, or too many ask at once."""


class _Entry:
    __slots__ = ("checked_at", "known", "used_at")

    def __init__(self, known: KnownKey, at: float) -> None:
        self.known = known
        self.checked_at = self.used_at = at


class KeyCache:
    """Keys by id. Used from one event loop; queries run in a thread of their own."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._connection: Any = None
        self._entries: dict[UUID, _Entry] = {}
        self._unknown: dict[UUID, float] = {}
        self._waiting: dict[UUID, asyncio.Future[KnownKey | None]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ingest-keys")
        self._loading: asyncio.Task[None] | None = None
        self._refreshing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to keep keys in use fresh."""
        self._refreshing = asyncio.create_task(self._refresh_forever())

    async def stop(self) -> None:
        """End the tasks and the connection."""
        for task in (self._refreshing, self._loading):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self._thread.shutdown(wait=True)
        if self._connection is not None:
            self._connection.close()

    async def get(self, key_id: UUID) -> KnownKey | None:
        """Return what is known of a key, None if nobody has it.

        Errors: KeysAway.
        """
        now = time.monotonic()
        entry = self._entries.get(key_id)
        if entry is not None and now - entry.checked_at <= BELIEVED_SECONDS:
            entry.used_at = now
            return entry.known
        asked_at = self._unknown.get(key_id)
        if asked_at is not None and now - asked_at <= UNKNOWN_SECONDS:
            return None
        waiting = self._waiting.get(key_id)
        if waiting is None:
            if len(self._waiting) >= MAX_WAITING:
                raise KeysAway("too many unknown keys at once")
            waiting = asyncio.get_running_loop().create_future()
            self._waiting[key_id] = waiting
            if self._loading is None or self._loading.done():
                self._loading = asyncio.create_task(self._load_waiting())
        # Shielded: one caller that hangs up must not take the answer from the others.
        return await asyncio.shield(waiting)

    def forget(self, key_ids: Iterable[UUID] | None = None) -> None:
        """Drop entries (all of them without ids), so that the next report asks the database."""
        if key_ids is None:
            self._entries.clear()
            self._unknown.clear()
            return
        for key_id in key_ids:
            self._entries.pop(key_id, None)
            self._unknown.pop(key_id, None)

    async def _load_waiting(self) -> None:
        while self._waiting:
            asked = dict(list(self._waiting.items())[:CHUNK])
            try:
                found = await self._read(list(asked))
            except psycopg2.Error as error:
                log.warning("Keys cannot be read: %s", str(error).strip())
                for key_id, future in asked.items():
                    self._waiting.pop(key_id, None)
                    if not future.done():
                        future.set_exception(KeysAway("the database is away"))
                        future.exception()  # retrieved, should every caller have hung up
                continue
            for key_id, future in asked.items():
                self._waiting.pop(key_id, None)
                known = self._learn(key_id, found)
                if not future.done():
                    future.set_result(known)

    async def _refresh_forever(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await self._refresh()
            except psycopg2.Error as error:
                # Entries grow old and then ask themselves: nothing is believed for too long.
                log.warning("Keys cannot be refreshed: %s", str(error).strip())

    async def _refresh(self) -> None:
        now = time.monotonic()
        for key_id, entry in list(self._entries.items()):
            if now - entry.used_at > UNUSED_SECONDS:
                del self._entries[key_id]
        ids = list(self._entries)
        for at in range(0, len(ids), CHUNK):
            part = ids[at : at + CHUNK]
            found = await self._read(part)
            for key_id in part:
                self._learn(key_id, found)

    def _learn(self, key_id: UUID, found: dict[UUID, KnownKey]) -> KnownKey | None:
        now = time.monotonic()
        known = found.get(key_id)
        entry = self._entries.get(key_id)
        if known is None:
            self._entries.pop(key_id, None)
            if len(self._unknown) >= MAX_UNKNOWN:
                self._unknown.clear()
            self._unknown[key_id] = now
        elif entry is None:
            self._entries[key_id] = _Entry(known, now)
        else:
            entry.known, entry.checked_at = known, now
        return known

    async def _read(self, key_ids: list[UUID]) -> dict[UUID, KnownKey]:
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._read_now, key_ids
        )

    def _read_now(self, key_ids: list[UUID]) -> dict[UUID, KnownKey]:
        try:
            if self._connection is None or self._connection.closed:
                self._connection = self._connect()
                self._connection.autocommit = True
            with self._connection.cursor() as cursor:
                return read_keys(cursor, key_ids)
        except psycopg2.Error:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            raise
