"""What was measured and is not yet stored by the server, on disk.

Items (one sample or one inventory section each) wait until they are sealed into a numbered batch.
From then on (epoch, seq) always means the same rows, so a batch can be sent as often as it takes;
it is deleted when the server says that it is stored, and only then. Items that were never sealed
have no number yet: after a long time offline many of them share one batch.

SQLite in WAL mode with `synchronous=FULL`: a commit costs one fsync, a few per minute. With NORMAL
a power cut could take back the commit that sealed a batch after the batch went out, and its number
would then be given to other rows.
"""

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from msp_agent.log import logger
from msp_agent.wire import Batch, Series, layout_id, pack_row

LIVE, BACKLOG, BULK = 0, 1, 2
LANES = ("live", "backlog", "bulk")
MEGABYTE = 1 << 20
DEFAULT_MAX_BYTES = 64 * MEGABYTE
MAX_ITEMS_PER_BATCH = 120  # two hours of one-minute samples: about 15 kB
# Dropping a fiftieth at a time keeps a full spool from being trimmed at every sample.
DROP_FRACTION = 50
MAX_SET_ASIDE = 50
MAX_CORRUPT_FILES = 2
MAX_EVENTS_PER_ITEM = 100
BUSY_TIMEOUT_SECONDS = 5.0
SCHEMA_VERSION = 1
# A sample is moved to where the ticks put it only if the wall clock was off by more than this.
PLACING_TOLERANCE_MS = 2_000

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE boot (
    num INTEGER PRIMARY KEY, boot_id TEXT NOT NULL UNIQUE, boot_time INTEGER NOT NULL
);
CREATE TABLE layout (
    num INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, definition TEXT NOT NULL,
    is_known INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE batch (
    seq INTEGER PRIMARY KEY, lane INTEGER NOT NULL, clock_offset INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE item (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    lane INTEGER NOT NULL,
    taken_at INTEGER NOT NULL,   -- device's wall clock, ms
    ticks INTEGER NOT NULL,      -- ms since boot
    boot INTEGER NOT NULL,
    layout INTEGER NOT NULL,
    vals BLOB,                   -- float32 little endian, NULL in an item without a row
    events TEXT,
    sections TEXT,
    power TEXT,                  -- NULL: on
    seq INTEGER                  -- the batch, once sealed
);
CREATE INDEX item_waiting ON item (lane, id) WHERE seq IS NULL;
CREATE INDEX item_sealed ON item (seq) WHERE seq IS NOT NULL;
CREATE TABLE lost (
    lane INTEGER NOT NULL, from_ts INTEGER NOT NULL, to_ts INTEGER NOT NULL,
    count INTEGER NOT NULL, seq INTEGER
);
CREATE TABLE noted (ts INTEGER NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL);
CREATE TABLE aside (
    seq INTEGER, epoch INTEGER, at INTEGER, status INTEGER, message TEXT, report TEXT
);
"""


class SpoolCorrupt(Exception):
    """The file is not a spool that can be read."""


class Spool:
    """The lanes, their batches and the small facts that must survive a restart.

    Every public method is one transaction and may be called from any thread.
    """

    def __init__(
        self, path: Path | str, *, now_ms: int, max_bytes: int = DEFAULT_MAX_BYTES
    ) -> None:
        """Open the spool, or make one with the epoch `now_ms`.

        Errors: SpoolCorrupt; sqlite3.OperationalError (disk full, not writable).
        """
        self.max_bytes = max_bytes
        self._lock = threading.RLock()
        self._db = sqlite3.connect(
            path,
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._prepare(now_ms)
        except BaseException:
            self._db.close()
            raise
        self._page_bytes = int(self._scalar("PRAGMA page_size"))

    # -- what is waiting

    @property
    def epoch(self) -> int:
        """The generation of the numbers: ms UTC of its beginning."""
        with self._lock:
            return int(self._get("epoch"))

    def depth(self) -> dict[str, int]:
        """Return how many items wait in each lane, sealed or not."""
        with self._lock:
            found = dict(self._db.execute("SELECT lane, count(*) FROM item GROUP BY lane"))
        return {name: found.get(lane, 0) for lane, name in enumerate(LANES)}

    def used_bytes(self) -> int:
        """Return the size of what is kept (the file may be larger: it does not shrink at once)."""
        with self._lock:
            pages = self._scalar("PRAGMA page_count") - self._scalar("PRAGMA freelist_count")
        return int(pages) * self._page_bytes

    def has_unsealed(self, lane: int) -> bool:
        """Say whether something in the lane was never sealed."""
        with self._lock:
            return bool(
                self._scalar(
                    "SELECT EXISTS (SELECT 1 FROM item WHERE lane = ? AND seq IS NULL)",
                    lane,
                )
            )

    def oldest_sealed(self, lane: int) -> int | None:
        """Return the number of the oldest batch of the lane that waits for its answer."""
        with self._lock:
            found = self._scalar("SELECT min(seq) FROM batch WHERE lane = ?", lane)
            return None if found is None else int(found)

    # -- putting in

    def add_sample(
        self,
        series: Sequence[Series],
        values: Sequence[float],
        *,
        taken_at: int,
        ticks: int,
        boot_id: str,
        boot_time: int,
        power: str = "on",
    ) -> None:
        """Keep one row, with the events noted since the last one; it becomes *the* live item.

        What was live until now is backlog: live means the newest.
        """
        with self._transaction():
            self._db.execute("UPDATE item SET lane = ? WHERE lane = ?", (BACKLOG, LIVE))
            self._db.execute("UPDATE batch SET lane = ? WHERE lane = ?", (BACKLOG, LIVE))
            noted = self._db.execute(
                "SELECT rowid, ts, kind, data FROM noted ORDER BY rowid LIMIT ?",
                (MAX_EVENTS_PER_ITEM,),
            ).fetchall()
            events = [
                {"ts": ts, "kind": kind, "data": json.loads(data)} for _, ts, kind, data in noted
            ]
            if noted:
                self._db.execute("DELETE FROM noted WHERE rowid <= ?", (noted[-1][0],))
            added = self._db.execute(
                "INSERT INTO item (lane, taken_at, ticks, boot, layout, vals, events, power)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    LIVE,
                    taken_at,
                    ticks,
                    self._boot(boot_id, boot_time),
                    self._layout(series),
                    pack_row(values),
                    json.dumps(events) if events else None,
                    None if power == "on" else power,
                ),
            ).lastrowid
            self._make_room(keep=int(added or 0))

    def add_section(
        self,
        name: str,
        content: dict[str, Any],
        sha256: str,
        *,
        taken_at: int,
        ticks: int,
    ) -> bool:
        """Keep an inventory section if it is not the one kept last; return whether it was.

        It borrows boot and layout from the newest sample, which must exist.
        """
        with self._transaction():
            if self._get(f"section:{name}") == sha256:
                return False
            borrowed = self._db.execute(
                "SELECT value FROM meta WHERE key IN ('boot', 'layout') ORDER BY key"
            ).fetchall()
            added = self._db.execute(
                "INSERT INTO item (lane, taken_at, ticks, boot, layout, sections)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    BULK,
                    taken_at,
                    ticks,
                    borrowed[0][0],
                    borrowed[1][0],
                    json.dumps({name: {"sha256": sha256, "content": content}}),
                ),
            ).lastrowid
            self._set(f"section:{name}", sha256)
            self._make_room(keep=int(added or 0))
        return True

    def note(self, kind: str, data: dict[str, Any], *, ts: int) -> None:
        """Keep an event; it travels with the next sample."""
        with self._transaction():
            self._note(kind, data, ts)

    # -- taking out

    def seal(
        self,
        lane: int,
        *,
        clock_offset: int,
        wall_now: int,
        ticks_now: int,
        boot_id: str,
        max_items: int = MAX_ITEMS_PER_BATCH,
    ) -> int | None:
        """Number the lane's oldest unsealed items as one batch; return its seq, None if empty.

        A batch has one layout and one boot. Rows of this boot whose wall clock was stepped since
        are put where the ticks say they belong.
        """
        with self._transaction():
            items = self._db.execute(
                "SELECT id, layout, boot, taken_at, ticks, power, sections FROM item"
                " WHERE lane = ? AND seq IS NULL ORDER BY id LIMIT ?",
                (lane, 1 if lane != BACKLOG else max(1, max_items)),
            ).fetchall()
            if not items:
                return None
            this_boot = self._scalar("SELECT num FROM boot WHERE boot_id = ?", boot_id)
            seq = int(self._get("next_seq"))
            self._set("next_seq", seq + 1)
            self._db.execute("INSERT INTO batch VALUES (?, ?, ?)", (seq, lane, clock_offset))
            for item, layout, boot, taken_at, ticks, power, sections in items:
                if (layout, boot) != items[0][1:3] or (sections is not None) != (lane == BULK):
                    break
                placed = wall_now - (ticks_now - ticks)
                was_stepped = boot == this_boot and abs(placed - taken_at) > PLACING_TOLERANCE_MS
                self._db.execute(
                    "UPDATE item SET seq = ?, taken_at = ? WHERE id = ?",
                    (seq, placed if was_stepped else taken_at, item),
                )
                if power is not None:  # a goodbye is the last word of its batch
                    break
            self._db.execute("UPDATE lost SET seq = ? WHERE seq IS NULL", (seq,))
        return seq

    def load(self, seq: int) -> Batch | None:
        """Return a sealed batch, or None if it is no longer there."""
        with self._lock:
            head = self._db.execute(
                "SELECT lane, clock_offset FROM batch WHERE seq = ?", (seq,)
            ).fetchone()
            items = self._db.execute(
                "SELECT taken_at, vals, events, sections, power, layout, boot FROM item"
                " WHERE seq = ? ORDER BY id",
                (seq,),
            ).fetchall()
            if head is None or not items:
                return None
            layout, definition, is_known = self._db.execute(
                "SELECT id, definition, is_known FROM layout WHERE num = ?",
                (items[0][5],),
            ).fetchone()
            sections: dict[str, Any] = {}
            for item in items:
                sections |= json.loads(item[3]) if item[3] else {}
            return Batch(
                epoch=int(self._get("epoch")),
                seq=seq,
                lane=LANES[head[0]],
                clock_offset=head[1],
                layout=layout,
                layout_def=json.loads(definition),
                is_layout_known=bool(is_known),
                rows=[(item[0], item[1]) for item in items if item[1] is not None],
                events=[event for item in items if item[2] for event in json.loads(item[2])],
                sections=sections,
                lost=[
                    {"lane": LANES[lane], "from": from_ts, "to": to_ts, "count": count}
                    for lane, from_ts, to_ts, count in self._db.execute(
                        "SELECT lane, from_ts, to_ts, count FROM lost WHERE seq = ?",
                        (seq,),
                    )
                ],
                boot_id=self._scalar("SELECT boot_id FROM boot WHERE num = ?", items[0][6]),
                power=items[-1][4] or "on",
            )

    def acknowledge(self, batch: Batch, *, at: int) -> None:
        """Delete a batch that the server has stored, at server time `at` (ms)."""
        with self._transaction():
            if int(self._get("epoch")) == batch.epoch:
                self._forget(batch.seq)
            self._db.execute("UPDATE layout SET is_known = 1 WHERE id = ?", (batch.layout,))
            self._set("last_ack", at)
            self._set("last_ack_seq", batch.seq)
        if not self.has_unsealed(BACKLOG):
            with self._lock:
                self._db.execute("PRAGMA incremental_vacuum(64)").fetchall()

    def set_aside(self, batch: Batch, *, status: int, message: str, at: int) -> None:
        """Take a batch that the server refuses for good out of the way, and note the event."""
        summary = {
            "lane": batch.lane,
            "layout": batch.layout_def,
            "rows": [[ts, values.hex()] for ts, values in batch.rows],
            "events": batch.events,
            "sections": batch.sections,
        }
        with self._transaction():
            self._db.execute(
                "INSERT INTO aside VALUES (?, ?, ?, ?, ?, ?)",
                (
                    batch.seq,
                    batch.epoch,
                    at,
                    status,
                    message[:500],
                    json.dumps(summary),
                ),
            )
            self._db.execute(
                "DELETE FROM aside WHERE rowid NOT IN"
                " (SELECT rowid FROM aside ORDER BY rowid DESC LIMIT ?)",
                (MAX_SET_ASIDE,),
            )
            # What it said about losses is still to be said.
            self._db.execute("UPDATE lost SET seq = NULL WHERE seq = ?", (batch.seq,))
            self._forget(batch.seq)
            self._note(
                "msp.batch.refused",
                {
                    "seq": batch.seq,
                    "status": status,
                    "message": message[:500],
                    "rows": len(batch.rows),
                },
                at,
            )

    def halve(self, seq: int) -> bool:
        """Give the younger half of a batch's items back to their lane; False if it is one item.

        The number keeps the older half: a server that found it too large stored none of it.
        """
        with self._transaction():
            ids = [
                row[0]
                for row in self._db.execute("SELECT id FROM item WHERE seq = ? ORDER BY id", (seq,))
            ]
            if len(ids) < 2:
                return False
            self._db.execute(
                "UPDATE item SET seq = NULL WHERE seq = ? AND id >= ?",
                (seq, ids[len(ids) // 2]),
            )
        return True

    def renew_epoch(self, now_ms: int) -> int:
        """Begin a new epoch: numbers start at 1 and everything sealed is unsealed.

        The server knows rows by their time, so rows that it already has are not stored twice.
        """
        with self._transaction():
            epoch = max(now_ms, int(self._get("epoch")) + 1)
            self._set("epoch", epoch)
            self._set("next_seq", 1)
            self._db.execute("UPDATE item SET seq = NULL WHERE seq IS NOT NULL")
            self._db.execute("UPDATE lost SET seq = NULL")
            self._db.execute("DELETE FROM batch")
            self._db.execute("UPDATE layout SET is_known = 0")
        return epoch

    def mend_times(self, *, clock_offset: int, wall_now: int, ticks_now: int, boot_id: str) -> None:
        """After the offset changed, correct the sealed batches of this boot that it makes wrong.

        With a clock wrong enough to matter the server refused them, so nobody has seen the rows
        under the old times.
        """
        with self._transaction():
            wrong = self._db.execute(
                "SELECT DISTINCT batch.seq FROM batch JOIN item USING (seq)"
                " JOIN boot ON boot.num = item.boot WHERE boot.boot_id = ?"
                " AND abs((? + item.ticks) - (item.taken_at + batch.clock_offset)) > ?",
                (boot_id, wall_now - ticks_now + clock_offset, PLACING_TOLERANCE_MS),
            ).fetchall()
            self._db.executemany(
                "UPDATE item SET taken_at = ? + ticks WHERE seq = ?",
                [(wall_now - ticks_now, seq) for (seq,) in wrong],
            )
            self._db.executemany(
                "UPDATE batch SET clock_offset = ? WHERE seq = ?",
                [(clock_offset, seq) for (seq,) in wrong],
            )

    def adopt(self, other: "Spool") -> None:
        """Take over everything that waits in another spool, oldest first, and what it lost."""
        with other._lock, self._transaction():
            rows = other._db.execute(
                "SELECT item.lane, taken_at, ticks, boot_id, boot_time, definition, vals, events,"
                " sections, power FROM item JOIN boot ON boot.num = item.boot"
                " JOIN layout ON layout.num = item.layout ORDER BY item.id"
            ).fetchall()
            self._db.execute("UPDATE item SET lane = ? WHERE lane = ?", (BACKLOG, LIVE))
            self._db.execute("UPDATE batch SET lane = ? WHERE lane = ?", (BACKLOG, LIVE))
            for lane, taken_at, ticks, boot_id, boot_time, definition, *rest in rows:
                series = [(metric, instance) for metric, instance in json.loads(definition)]
                self._db.execute(
                    "INSERT INTO item (lane, taken_at, ticks, boot, layout, vals, events,"
                    " sections, power) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        lane,
                        taken_at,
                        ticks,
                        self._boot(boot_id, boot_time),
                        self._layout(series),
                        *rest,
                    ),
                )
            for lane, from_ts, to_ts, count in other._db.execute(
                "SELECT lane, from_ts, to_ts, count FROM lost"
            ).fetchall():
                self._lose(lane, from_ts, to_ts, count)
            for noted in other._db.execute("SELECT ts, kind, data FROM noted").fetchall():
                self._db.execute("INSERT INTO noted VALUES (?, ?, ?)", noted)

    # -- small facts

    def get(self, key: str) -> Any:
        """Return a small fact, or None."""
        with self._lock:
            return self._get(key)

    def set(self, **facts: Any) -> None:
        """Store small facts (text, numbers, None)."""
        with self._transaction():
            for key, value in facts.items():
                self._set(key, value)

    def boot_time(self, boot_id: str) -> int | None:
        """Return the boot time first written down for this boot: a computed one would jitter."""
        with self._lock:
            found = self._scalar("SELECT boot_time FROM boot WHERE boot_id = ?", boot_id)
            return None if found is None else int(found)

    def close(self) -> None:
        """Close the file; whatever was committed is on disk already."""
        with self._lock:
            self._db.close()

    # -- inside a transaction

    def _prepare(self, now_ms: int) -> None:
        try:
            version = self._scalar("PRAGMA user_version")
            if version == 0:
                self._db.execute("PRAGMA auto_vacuum=INCREMENTAL")
            self._db.execute("PRAGMA journal_mode=WAL").fetchall()
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute(f"PRAGMA journal_size_limit={MEGABYTE}").fetchall()
            self._db.execute("PRAGMA cache_size=-1000")  # 1 MB: memory is the host's
            if version == 0:
                with self._transaction():
                    for statement in SCHEMA.split(";"):
                        if statement.strip():
                            self._db.execute(statement)
                    self._set("epoch", now_ms)
                    self._set("next_seq", 1)
                    self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            elif version != SCHEMA_VERSION:
                raise SpoolCorrupt(f"version {version} is not ours")
            elif (verdict := self._scalar("PRAGMA quick_check(1)")) != "ok":
                raise SpoolCorrupt(str(verdict))
            int(self._get("epoch"))
            int(self._get("next_seq"))
        except sqlite3.OperationalError as error:
            if "no such" in str(error):
                raise SpoolCorrupt(str(error)) from error
            raise
        except (sqlite3.DatabaseError, TypeError) as error:
            raise SpoolCorrupt(str(error)) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                # SQLite ends the transaction itself on some errors, a full disk among them.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _scalar(self, sql: str, *parameters: Any) -> Any:
        row = self._db.execute(sql, parameters).fetchone()
        return None if row is None else row[0]

    def _get(self, key: str) -> Any:
        return self._scalar("SELECT value FROM meta WHERE key = ?", key)

    def _set(self, key: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def _boot(self, boot_id: str, boot_time: int) -> int:
        self._db.execute(
            "INSERT OR IGNORE INTO boot (boot_id, boot_time) VALUES (?, ?)",
            (boot_id, boot_time),
        )
        num = int(self._scalar("SELECT num FROM boot WHERE boot_id = ?", boot_id))
        if self._get("boot") != num:
            self._set("boot", num)
        return num

    def _layout(self, series: Sequence[Series]) -> int:
        name = layout_id(series)
        self._db.execute(
            "INSERT OR IGNORE INTO layout (id, definition) VALUES (?, ?)",
            (name, json.dumps(series)),
        )
        num = int(self._scalar("SELECT num FROM layout WHERE id = ?", name))
        if self._get("layout") != num:
            self._set("layout", num)
        return num

    def _note(self, kind: str, data: dict[str, Any], ts: int) -> None:
        self._db.execute("INSERT INTO noted VALUES (?, ?, ?)", (ts, kind, json.dumps(data)))

    def _forget(self, seq: int) -> None:
        self._db.execute("DELETE FROM item WHERE seq = ?", (seq,))
        self._db.execute("DELETE FROM lost WHERE seq = ?", (seq,))
        self._db.execute("DELETE FROM batch WHERE seq = ?", (seq,))

    def _make_room(self, *, keep: int) -> None:
        """Drop the oldest of the lowest lane until the cap holds, never the item just added.

        Sealed items go last: the server may have them already, and `lost` would then be a lie.
        """
        while self.used_bytes() > self.max_bytes:
            items = self._oldest_unsealed(keep) or self._oldest_batch(keep)
            if not items:
                return
            self._db.executemany("DELETE FROM item WHERE id = ?", [(item[0],) for item in items])
            for _, _, _, sections in items:
                for name in json.loads(sections) if sections else ():
                    self._set(f"section:{name}", None)  # so that it is sent again
            self._db.execute(
                "DELETE FROM batch WHERE NOT EXISTS (SELECT 1 FROM item WHERE item.seq = batch.seq)"
            )
            self._db.execute(
                "UPDATE lost SET seq = NULL WHERE seq IS NOT NULL AND NOT EXISTS"
                " (SELECT 1 FROM batch WHERE batch.seq = lost.seq)"
            )
            times = [item[2] for item in items]
            self._lose(items[0][1], min(times), max(times), len(items))

    def _oldest_unsealed(self, keep: int) -> list[tuple[int, int, int, str | None]]:
        """Return the oldest fiftieth of the lowest lane: (id, lane, taken_at, sections)."""
        lane, count = self._db.execute(
            "SELECT max(lane), count(*) FROM item WHERE seq IS NULL AND id <> ?1 AND lane ="
            " (SELECT max(lane) FROM item WHERE seq IS NULL AND id <> ?1)",
            (keep,),
        ).fetchone()
        return self._db.execute(
            "SELECT id, lane, taken_at, sections FROM item"
            " WHERE seq IS NULL AND lane = ? AND id <> ? ORDER BY id LIMIT ?",
            (lane, keep, max(1, count // DROP_FRACTION)),
        ).fetchall()

    def _oldest_batch(self, keep: int) -> list[tuple[int, int, int, str | None]]:
        """Return the items of the lowest lane's oldest batch, all of them: a number that was sent
        must not come to mean other rows."""
        return self._db.execute(
            "SELECT id, lane, taken_at, sections FROM item WHERE id <> ? AND seq ="
            " (SELECT seq FROM batch ORDER BY lane DESC, seq LIMIT 1)",
            (keep,),
        ).fetchall()

    def _lose(self, lane: int, from_ts: int, to_ts: int, count: int) -> None:
        widened = self._db.execute(
            "UPDATE lost SET from_ts = min(from_ts, ?), to_ts = max(to_ts, ?), count = count + ?"
            " WHERE lane = ? AND seq IS NULL",
            (from_ts, to_ts, count, lane),
        )
        if not widened.rowcount:
            self._db.execute(
                "INSERT INTO lost VALUES (?, ?, ?, ?, NULL)",
                (lane, from_ts, to_ts, count),
            )


def open_spool(path: Path, *, now_ms: int, max_bytes: int = DEFAULT_MAX_BYTES) -> Spool:
    """Open the spool; set a corrupt one aside and begin a new epoch.

    Errors: sqlite3.OperationalError if neither works (disk full, not writable).
    """
    try:
        return Spool(path, now_ms=now_ms, max_bytes=max_bytes)
    except SpoolCorrupt as error:
        aside = path.with_name(f"{path.name}.corrupt-{now_ms}")
        logger.error("the spool is corrupt (%s), it is kept as %s", error, aside.name)
        for suffix in ("-wal", "-shm", ""):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
        for old in sorted(path.parent.glob(f"{path.name}.corrupt-*[0-9]"))[:-MAX_CORRUPT_FILES]:
            for suffix in ("-wal", "-shm", ""):
                old.with_name(old.name + suffix).unlink(missing_ok=True)
        spool = Spool(path, now_ms=now_ms, max_bytes=max_bytes)
        spool.note("msp.spool.corrupt", {"message": str(error)[:500]}, ts=now_ms)
        return spool
