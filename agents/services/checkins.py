"""When a device last reported, what of its spool is stored, and its inventory.

Called by the telemetry writer in the transaction of the samples, with a cursor of its own login:
so a check-in can never claim more than is stored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg2.extras import Json, execute_values

from agents.domain.inventory import changes, digest

#: A device whose stored numbers have more gaps than this begins a new epoch: what is one range in
#: practice must not grow without end.
MAX_RANGES = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_RANGE = re.compile(r"\[(-?\d+),(-?\d+)\)")

# In the order of the keys, so that two nodes with the same devices wait and do not deadlock.
_READ = """
SELECT device_id, epoch, stored::text, (extract(epoch FROM last_sample_at) * 1000)::bigint
FROM agents_devicecheckin WHERE device_id = ANY(%s) ORDER BY device_id FOR UPDATE
"""

# Columns travel as one array each, which costs a tenth of a row of parameters per device. Where
# another node made the row between our look and this, the sets are still united.
_SAVE = """
INSERT INTO agents_devicecheckin AS c
    (device_id, client_id, last_report_at, last_sample_at, clock_offset_ms, epoch, boot_id, power,
     stored)
SELECT device_id, client_id, 'epoch'::timestamptz + at_us * interval '1 microsecond',
       'epoch'::timestamptz + sample_us * interval '1 microsecond', offset_ms, epoch, boot_id,
       power, stored::int8multirange
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
            %s::text[], %s::text[], %s::text[])
    AS n (device_id, client_id, at_us, sample_us, offset_ms, epoch, boot_id, power, stored)
ON CONFLICT (device_id) DO UPDATE SET
    last_report_at = greatest(c.last_report_at, excluded.last_report_at),
    last_sample_at = greatest(c.last_sample_at, excluded.last_sample_at),
    clock_offset_ms = CASE
        WHEN excluded.last_sample_at >= coalesce(c.last_sample_at, '-infinity')
        THEN excluded.clock_offset_ms ELSE c.clock_offset_ms END,
    boot_id = CASE
        WHEN excluded.last_sample_at >= coalesce(c.last_sample_at, '-infinity')
        THEN excluded.boot_id ELSE c.boot_id END,
    power = CASE
        WHEN excluded.last_sample_at >= coalesce(c.last_sample_at, '-infinity')
        THEN excluded.power ELSE c.power END,
    epoch = greatest(c.epoch, excluded.epoch),
    stored = CASE
        WHEN c.epoch = excluded.epoch THEN c.stored + excluded.stored
        WHEN c.epoch < excluded.epoch THEN excluded.stored
        ELSE c.stored END
"""


@dataclass(slots=True)
class Cursor:
    """The stored batch numbers of one device: half-open ranges, sorted, apart.

    `newest_ms` is the time of its newest stored sample, ms since 1970 UTC; None if it has none.
    """

    epoch: int
    ranges: list[tuple[int, int]] = field(default_factory=list)
    newest_ms: int | None = None

    def has(self, seq: int) -> bool:
        return any(low <= seq < high for low, high in self.ranges)

    def add(self, seq: int) -> None:
        """Note a number as stored."""
        low, high = seq, seq + 1
        apart = []
        for known in self.ranges:
            if known[1] < low or known[0] > high:
                apart.append(known)
            else:
                low, high = min(low, known[0]), max(high, known[1])
        self.ranges = sorted([*apart, (low, high)])

    @property
    def acked_through(self) -> int:
        """The number up to which, from 1 on, all are stored; 0 if 1 is not."""
        if self.ranges and self.ranges[0][0] <= 1:
            return self.ranges[0][1] - 1
        return 0

    @property
    def is_full(self) -> bool:
        return len(self.ranges) > MAX_RANGES


@dataclass(frozen=True, slots=True)
class Checkin:
    """What one commit says about one device; `epoch` and `added` are of its present spool."""

    device_id: int
    client_id: int
    at: datetime
    last_sample_at: datetime | None
    clock_offset_ms: int
    boot_id: str
    power: str
    epoch: int
    added: Sequence[int]


@dataclass(frozen=True, slots=True)
class Section:
    """One inventory section as an agent sent it."""

    device_id: int
    client_id: int
    name: str
    sha256: str
    content: dict[str, Any]
    at: datetime


def read_cursors(cursor: Any, device_ids: Iterable[int]) -> dict[int, Cursor]:
    """Lock the check-ins of devices and return their cursors; absent for a first report."""
    cursor.execute(_READ, [sorted(set(device_ids))])
    return {
        device_id: Cursor(
            epoch, [(int(low), int(high)) for low, high in _RANGE.findall(stored)], newest_ms
        )
        for device_id, epoch, stored, newest_ms in cursor.fetchall()
    }


def save_checkins(cursor: Any, rows: Iterable[Checkin]) -> None:
    """Write one row a device; an older sample does not take back what a newer one said."""
    rows = sorted(rows, key=lambda row: row.device_id)
    cursor.execute(
        _SAVE,
        [
            array(row.device_id for row in rows),
            array(row.client_id for row in rows),
            array(microseconds(row.at) for row in rows),
            array(
                "NULL" if row.last_sample_at is None else microseconds(row.last_sample_at)
                for row in rows
            ),
            array(row.clock_offset_ms for row in rows),
            array(row.epoch for row in rows),
            array(_quoted(row.boot_id) for row in rows),
            array(_quoted(row.power) for row in rows),
            array(f'"{_multirange(row.added)}"' for row in rows),
        ],
    )


def array(items: Iterable[object]) -> str:
    """Return an array as PostgreSQL reads it from text; the items are written already."""
    return f"{{{','.join(map(str, items))}}}"


def microseconds(at: datetime) -> int:
    """Return an aware instant in whole microseconds since 1970, exactly."""
    return (at - _EPOCH) // _MICROSECOND


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def section_digest(content: Any) -> str:
    """Return the SHA-256 that names a section's content; see `agents.domain.inventory`."""
    return digest(content)


def save_sections(cursor: Any, sections: Iterable[Section]) -> None:
    """Store sections that differ from what is known, with one change row for each value."""
    for section in sections:
        cursor.execute(
            "SELECT sha256, content FROM agents_inventorysection "
            "WHERE device_id = %s AND section = %s FOR UPDATE",
            [section.device_id, section.name],
        )
        known = cursor.fetchone()
        cursor.execute(
            "INSERT INTO agents_inventorysection "
            "(client_id, device_id, section, sha256, content, seen_at) "
            "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (device_id, section) DO UPDATE SET "
            "sha256 = excluded.sha256, content = excluded.content, seen_at = excluded.seen_at",
            [
                section.client_id,
                section.device_id,
                section.name,
                section.sha256,
                Json(section.content),
                section.at,
            ],
        )
        if known is None or known[0] == section.sha256:
            continue
        rows = [
            (
                section.client_id,
                section.device_id,
                section.name,
                change.path,
                None if change.old is None else Json(change.old),
                None if change.new is None else Json(change.new),
                section.at,
            )
            for change in changes(_content(known[1]), section.content)
        ]
        if rows:
            execute_values(
                cursor,
                "INSERT INTO agents_inventorychange "
                "(client_id, device_id, section, path, old, new, at) VALUES %s",
                rows,
                template="(%s,%s,%s,%s,%s::jsonb,%s::jsonb,%s)",
            )


def _content(value: Any) -> dict[str, Any]:
    # Django turns psycopg2's own jsonb decoding off for its connections; ours has it on.
    found = json.loads(value) if isinstance(value, str) else value
    return found if isinstance(found, dict) else {}


def _multirange(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"{{[{numbers[0]},{numbers[0] + 1})}}"
    cursor = Cursor(0)
    for number in numbers:
        cursor.add(number)
    return "{" + ",".join(f"[{low},{high})" for low, high in cursor.ranges) + "}"
