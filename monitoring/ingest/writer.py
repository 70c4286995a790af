"""The one thread that stores reports: whole groups, each in one commit, and only then an answer.

Reports that arrive within about 5 ms share a transaction: samples by binary COPY, events, inventory
sections, the device's cursor of stored batches, and one group record that the rules evaluate. A
resent batch is found by the cursor and stores nothing. A data error splits the group until the
batch at fault stands alone; an error of the database is nobody's fault, and all may come again.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg2
from psycopg2.errors import CheckViolation, UniqueViolation
from psycopg2.extras import Json, execute_values

from agents.services import checkins
from monitoring.ingest import copy
from monitoring.ingest.database import NotDurable, is_transient, require_durable
from monitoring.ingest.wire import Report, moment
from msp.core import clock

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.004
MAX_GROUP = 1_000
#: Waiting reports beyond which this node is full; backlog is refused at half of it. At the least
#: rate we accept (12,000/s) this is about 250 ms of commits.
MAX_WAITING = 3_000
RECONNECT_SECONDS = 1.0
#: A node without reports says that it listens: so a fleet's silence is told from our own.
HEARTBEAT_SECONDS = 60.0
MAX_LAYOUTS_CACHED = 50_000
HOUR_MS = 3_600_000


class Full(Exception):
    """This node has as much waiting as it may: try again later."""


class Away(Exception):
    """The database cannot be written: nothing was acknowledged, try again later."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a report: stored (also long ago), or refused for good."""

    stored: int = 0
    acked_through: int = 0
    #: Status and code of a refusal; 0 means stored.
    status: int = 0
    code: str = ""
    message: str = ""


UNKNOWN_LAYOUT = Outcome(status=409, code="unknown_layout", message="Send the layout's definition.")
STALE_EPOCH = Outcome(status=409, code="stale_epoch", message="Begin a new epoch and send again.")
RESTORED = Outcome(
    status=409,
    code="stale_epoch",
    message="This number is stored with other rows: begin a new epoch and send again.",
)
BAD_ROWS = Outcome(status=400, code="bad_rows", message="A row does not fit its layout.")
BAD_LAYOUT = Outcome(status=400, code="bad_layout", message="Another layout has this name.")
POISON = Outcome(status=400, code="bad_batch", message="The database refuses this batch.")


@dataclass(slots=True)
class _Waiting:
    report: Report
    future: asyncio.Future[Outcome]
    loop: asyncio.AbstractEventLoop


@dataclass(frozen=True, slots=True)
class _Layout:
    id: int
    width: int
    series: list[list[str]]


class Writer:
    """Takes reports from an event loop and stores them from its own thread and connection."""

    def __init__(
        self,
        connect: Callable[[], Any],
        *,
        on_group: Callable[[int], None],
        needs_durable: bool,
    ) -> None:
        self._connect = connect
        self._on_group = on_group
        self._needs_durable = needs_durable
        self._connection: Any = None
        self._waiting: list[_Waiting] = []
        self._condition = threading.Condition()
        self._is_stopping = False
        self._away_until = 0.0
        self._tried = threading.Event()
        self._layouts: dict[bytes, _Layout] = {}
        self._partitions: dict[str, set[Any]] = {}
        self._forget_partitions()
        self._new_node()
        self.not_durable: str = ""
        self._thread = threading.Thread(target=self._run, name="ingest-writer", daemon=True)

    # -- from the event loop

    def start(self) -> None:
        self._thread.start()

    def wait_first_connection(self, seconds: float) -> None:
        """Wait until the database was tried once; it may be away, but not forgetful.

        Errors: NotDurable.
        """
        self._tried.wait(seconds)
        if self.not_durable:
            raise NotDurable(self.not_durable)

    def stop(self) -> None:
        """Store what waits, then end. Blocks for as long as that takes."""
        with self._condition:
            self._is_stopping = True
            self._condition.notify()
        self._thread.join()

    async def store(self, report: Report) -> Outcome:
        """Store a report with its neighbours and return once that is committed.

        Errors: Full; Away.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        with self._condition:
            if self._is_stopping or self.not_durable or time.monotonic() < self._away_until:
                raise Away
            room = MAX_WAITING if report.lane == "live" else MAX_WAITING // 2
            if len(self._waiting) >= room:
                raise Full
            self._waiting.append(_Waiting(report, future, loop))
            if len(self._waiting) == 1:
                self._condition.notify()
        return await future

    # -- the thread

    def _run(self) -> None:
        self._try_connection()
        while True:
            group = self._take()
            if group is None:
                break
            if group:
                self._store_or_excuse(group)
            else:
                self._beat()
        self._drop_connection()

    def _take(self) -> list[_Waiting] | None:
        """Return what gathers in some milliseconds, [] after a minute of nothing, None to end."""
        with self._condition:
            was_idle = not self._waiting
            while not self._waiting:
                if self._is_stopping:
                    return None
                if not self._condition.wait(HEARTBEAT_SECONDS):
                    return []
        if was_idle:  # while the last group was stored, the next one has gathered already
            time.sleep(GATHER_SECONDS)
        with self._condition:
            group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
        return group

    def _store_or_excuse(self, group: Sequence[_Waiting]) -> None:
        try:
            if not self._try_connection():
                raise Away
            self._store(group)
        except Away:
            _answer(group, Away())
        except Exception as error:
            if is_transient(error):
                log.warning("Nothing was stored: %s", str(error).strip())
            else:
                log.exception("Nothing was stored")
            # A commit whose answer is lost may have used its number: a new node begins again.
            self._drop_connection()
            self._away_until = time.monotonic() + RECONNECT_SECONDS
            _answer(group, Away())

    def _beat(self) -> None:
        """Commit a group of nothing, evaluated already, if the database is there."""
        try:
            if not self._try_connection():
                return
            now = clock.now()
            with self._connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO monitoring_ingestgroup (node, number, committed_at, evaluated_at,"
                    " devices, epochs, seqs, ts_from, ts_to)"
                    " VALUES (%s, %s, %s, %s, '{}', '{}', '{}', '{}', '{}')",
                    [self.node, self._number + 1, now, now],
                )
            self._connection.commit()
            self._number += 1
        except psycopg2.Error as error:
            log.warning("The database is away: %s", str(error).strip())
            self._drop_connection()

    def _store(
        self, group: Sequence[_Waiting], *, careful: bool = False, again: bool = False
    ) -> None:
        """Commit a group, and halve it as long as the data are at fault.

        Errors: whatever is the database's fault; then nobody who is not answered was stored, or
        will find out by sending again.
        """
        try:
            outcomes, group_id = self._commit([waiting.report for waiting in group], careful)
        except UniqueViolation as error:
            self._connection.rollback()
            if careful:
                self._halve(group, error)
            else:
                self._store(group, careful=True, again=again)
        except CheckViolation as error:
            self._connection.rollback()
            if again:
                self._halve(group, error)
            else:  # a partition that we knew was dropped behind our back
                self._forget_partitions()
                self._store(group, careful=careful, again=True)
        except Exception as error:
            if is_transient(error) or self._connection.closed:
                raise
            self._connection.rollback()
            self._halve(group, error)
        else:
            if group_id is not None:
                self._on_group(group_id)
            _answer(group, outcomes)

    def _halve(self, group: Sequence[_Waiting], error: Exception) -> None:
        if len(group) == 1:
            report = group[0].report
            log.error(
                "Batch %s of device %s is refused by the database: %s",
                report.seq,
                report.device_id,
                error,
            )
            _answer(group, [POISON])
            return
        middle = len(group) // 2
        self._store(group[:middle])
        self._store(group[middle:])

    # -- one transaction

    def _commit(self, reports: list[Report], careful: bool) -> tuple[list[Outcome], int | None]:
        self._learn_layouts(reports)
        self._make_partitions(reports)
        now = clock.now()
        with self._connection.cursor() as cursor:
            known = checkins.read_cursors(cursor, [report.device_id for report in reports])
            judge = _Judge(known, self._layouts)
            outcomes = [judge.verdict(report) for report in reports]
            self._write_rows(cursor, judge.fresh, careful)
            _write_events(cursor, judge.fresh)
            checkins.save_sections(
                cursor, [section for report in judge.fresh for section in report.sections]
            )
            if judge.checkins:
                checkins.save_checkins(cursor, judge.checkins.values())
            group_id = self._write_group(cursor, judge.fresh, now)
        self._connection.commit()
        if group_id is not None:
            self._number += 1
        return outcomes, group_id

    def _write_rows(self, cursor: Any, reports: list[Report], careful: bool) -> None:
        batches = [
            copy.Rows(
                report.device_id,
                self._layouts[report.layout].id,
                report.epoch,
                report.seq,
                report.width,
                report.rows,
            )
            for report in reports
            if report.rows
        ]
        if not batches:
            return
        if not careful:
            cursor.copy_expert(
                f"COPY monitoring_sample ({copy.COLUMNS}) FROM STDIN (FORMAT binary)",
                io.BytesIO(copy.encode(batches)),
            )
            return
        # The same (device, ts, layout) under another number: the row that came first stays.
        execute_values(
            cursor,
            f"INSERT INTO monitoring_sample ({copy.COLUMNS}) "  # noqa: S608 - our own column names
            "VALUES %s ON CONFLICT DO NOTHING",
            [
                (b.device_id, moment(ts), b.layout_id, b.epoch, b.seq, copy.floats(values))
                for b in batches
                for ts, values in b.rows
            ],
            template="(%s,%s,%s,%s,%s,%s::real[])",
            page_size=500,
        )

    def _write_group(self, cursor: Any, reports: list[Report], now: datetime) -> int | None:
        rows = [report for report in reports if report.rows]
        if not rows:
            return None
        cursor.execute(
            "INSERT INTO monitoring_ingestgroup "
            "(node, number, committed_at, devices, epochs, seqs, ts_from, ts_to) "
            "SELECT %s, %s, %s, array_agg(device), array_agg(epoch), array_agg(seq),"
            " array_agg('epoch'::timestamptz + ts_from * interval '1 millisecond'),"
            " array_agg('epoch'::timestamptz + ts_to * interval '1 millisecond')"
            " FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])"
            " AS n (device, epoch, seq, ts_from, ts_to) RETURNING id",
            [
                self.node,
                self._number + 1,
                now,
                checkins.array(report.device_id for report in rows),
                checkins.array(report.epoch for report in rows),
                checkins.array(report.seq for report in rows),
                checkins.array(report.oldest_ms or 0 for report in rows),
                checkins.array(report.newest_ms or 0 for report in rows),
            ],
        )
        return int(cursor.fetchone()[0])

    # -- before it, in transactions of their own

    def _learn_layouts(self, reports: list[Report]) -> None:
        if len(self._layouts) > MAX_LAYOUTS_CACHED:
            self._layouts.clear()
        missing = {report.layout for report in reports if report.layout not in self._layouts}
        if not missing:
            return
        defined = {
            report.layout: report.layout_def
            for report in reports
            if report.layout in missing and report.layout_def is not None
        }
        with self._connection.cursor() as cursor:
            if defined:
                execute_values(
                    cursor,
                    "INSERT INTO monitoring_layout (digest, series) VALUES %s "
                    "ON CONFLICT DO NOTHING",
                    [
                        (psycopg2.Binary(digest), Json(series))
                        for digest, series in sorted(defined.items())
                    ],
                )
            cursor.execute(
                "SELECT digest, id, series FROM monitoring_layout WHERE digest = ANY(%s)",
                [[psycopg2.Binary(digest) for digest in missing]],
            )
            found = cursor.fetchall()
        self._connection.commit()
        for digest, layout_id, series in found:
            self._layouts[bytes(digest)] = _Layout(layout_id, len(series), series)

    def _make_partitions(self, reports: list[Report]) -> None:
        """Make partitions that beat should have made, or that late rows need again."""
        hours = {ts // HOUR_MS: ts for report in reports for ts, _ in report.rows}
        months = {
            (at.year, at.month): int(at.timestamp() * 1000)
            for report in reports
            for at, _, _ in report.events
        }
        self._make("monitoring_sample", hours)
        self._make("monitoring_deviceevent", months)

    def _make(self, table: str, steps: Mapping[Any, int]) -> None:
        """Make the partitions of a table that hold these instants: step to an instant in it."""
        known = self._partitions[table]
        for step in sorted(steps.keys() - known):
            with self._connection.cursor() as cursor:
                cursor.execute(
                    "SELECT monitoring_make_partition(%s, %s)", [table, moment(steps[step])]
                )
            self._connection.commit()
            known.add(step)

    # -- the connection

    def _forget_partitions(self) -> None:
        self._partitions = {"monitoring_sample": set(), "monitoring_deviceevent": set()}

    def _new_node(self) -> None:
        self.node = f"{socket.gethostname()[:60]}-{os.getpid()}-{secrets.token_hex(4)}"
        self._number = 0

    def _try_connection(self) -> bool:
        """Return whether there is a connection to work with; opens one if there is none."""
        if self._connection is not None and not self._connection.closed:
            return True
        try:
            self._connection = self._connect()
            if self._needs_durable:
                require_durable(self._connection)
            self.not_durable = ""
            self._forget_partitions()
            self._new_node()
        except NotDurable as error:
            log.error("%s", error)
            self.not_durable = str(error)
            self._drop_connection()
        except psycopg2.Error as error:
            log.warning("The database is away: %s", str(error).strip())
            self._away_until = time.monotonic() + RECONNECT_SECONDS
            self._drop_connection()
        self._tried.set()
        return self._connection is not None

    def _drop_connection(self) -> None:
        if self._connection is not None:
            try:
                self._connection.close()
            except psycopg2.Error:
                log.debug("closing failed", exc_info=True)
        self._connection = None


class _Judge:
    """Decides about each report of a group, in order of arrival, by what is stored already."""

    def __init__(self, known: dict[int, checkins.Cursor], layouts: dict[bytes, _Layout]) -> None:
        self._cursors = known
        self._layouts = layouts
        self.fresh: list[Report] = []
        self.checkins: dict[int, checkins.Checkin] = {}

    def verdict(self, report: Report) -> Outcome:
        layout = self._layouts.get(report.layout)
        if layout is None:
            return UNKNOWN_LAYOUT
        if report.rows and report.width != layout.width:
            return BAD_ROWS
        if report.layout_def is not None and [list(s) for s in report.layout_def] != layout.series:
            return BAD_LAYOUT
        cursor = self._cursors.get(report.device_id)
        if cursor is None or report.epoch > cursor.epoch:
            cursor = self._cursors[report.device_id] = checkins.Cursor(report.epoch)
            self.checkins.pop(report.device_id, None)
        if report.epoch < cursor.epoch:
            return STALE_EPOCH
        is_new = not cursor.has(report.seq)
        if is_new:
            if cursor.is_full:
                return STALE_EPOCH
            cursor.add(report.seq)
            self.fresh.append(report)
            if report.rows:
                cursor.newest_ms = max(cursor.newest_ms or 0, report.newest_ms or 0)
        elif (report.newest_ms or 0) > (cursor.newest_ms or 0):
            # Samples newer than any stored one cannot be what this number stored: the machine was
            # set back to a snapshot and counts again. To say "stored" would lose them.
            return RESTORED
        self._note(report, is_new)
        return Outcome(stored=len(report.rows), acked_through=cursor.acked_through)

    def _note(self, report: Report, is_new: bool) -> None:
        """Remember that the device was heard; its newest sample says in what state it is."""
        newest = report.newest_ms
        sampled = None if newest is None else moment(newest)
        before = self.checkins.get(report.device_id)
        added = [*(before.added if before else ()), *([report.seq] if is_new else ())]
        older = (
            before is not None
            and before.last_sample_at is not None
            and (sampled is None or sampled < before.last_sample_at)
        )
        told = before if before is not None and older else None
        self.checkins[report.device_id] = checkins.Checkin(
            device_id=report.device_id,
            client_id=report.client_id,
            at=report.arrived_at,
            last_sample_at=told.last_sample_at if told else sampled,
            clock_offset_ms=told.clock_offset_ms if told else report.clock_offset_ms,
            boot_id=told.boot_id if told else report.boot_id,
            power=told.power if told else report.power,
            epoch=report.epoch,
            added=added,
        )


def _write_events(cursor: Any, reports: list[Report]) -> None:
    rows = [
        (
            report.device_id,
            report.client_id,
            report.epoch,
            report.seq,
            place,
            at,
            report.arrived_at,
            kind,
            text,
        )
        for report in reports
        for place, (at, kind, text) in enumerate(report.events)
    ]
    if rows:
        execute_values(
            cursor,
            "INSERT INTO monitoring_deviceevent "
            "(device_id, client_id, epoch, seq, n, ts, received_at, kind, data) VALUES %s "
            "ON CONFLICT DO NOTHING",
            rows,
            template="(%s,%s,%s,%s,%s,%s,%s,%s,%s::jsonb)",
            page_size=500,
        )


def _answer(group: Sequence[_Waiting], outcomes: list[Outcome] | Exception) -> None:
    """Hand outcomes to the event loop, one call for the group."""
    pairs = (
        [(waiting.future, outcomes) for waiting in group]
        if isinstance(outcomes, Exception)
        else list(zip([waiting.future for waiting in group], outcomes, strict=True))
    )

    def deliver() -> None:
        for future, outcome in pairs:
            if future.done():  # the client hung up
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    try:
        group[0].loop.call_soon_threadsafe(deliver)
    except RuntimeError:
        log.debug("the event loop is closed; %s answers are not sent", len(pairs))
