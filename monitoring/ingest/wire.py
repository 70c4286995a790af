"""What a report may look like, and what is refused before it costs anything.

Source: telemetry design, section 3 (protocol version 1).
"""

from __future__ import annotations

import array
import hashlib
import json
import math
import re
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from agents.services import checkins

MAX_COMPRESSED: Final = 1 << 20
MAX_INFLATED: Final = 8 << 20
MAX_SERIES: Final = 300
MAX_ROWS: Final = 2_000
MAX_EVENTS: Final = 1_000
MAX_SECTIONS: Final = 50
#: Objects within objects in a section or an event: pages walk through them.
MAX_DEPTH: Final = 16
MAX_FUTURE_MS: Final = 5 * 60 * 1000
#: As old as an agent's spool can be; `monitoring_make_partition` allows a day more.
MAX_AGE_MS: Final = 30 * 24 * 60 * 60 * 1000
FLOAT_BYTES: Final = 4
LOST_KIND: Final = "msp.spool.lost"

#: Encodings an agent may use; zstd joins when the server has a decoder for it.
ENCODINGS: Final = ("", "identity", "gzip")
MSGPACK, JSON = "application/msgpack", "application/json"
CONTENT_TYPES: Final = (MSGPACK, JSON)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_METRIC = re.compile(r"[a-z][a-z0-9_.]{0,99}")
_KIND = r"^[a-z][a-z0-9_.]{0,63}$"

Milliseconds = Annotated[int, Meta(ge=0, le=1 << 43)]
Number = Annotated[int, Meta(ge=1, le=(1 << 62))]
Count = Annotated[int, Meta(ge=0, le=(1 << 53))]


class WireError(Exception):
    """A report that is refused for good, or (413) until it is smaller."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class _Event(Struct):
    ts: Milliseconds
    kind: Annotated[str, Meta(pattern=_KIND)]
    data: dict[str, Any] = {}


class _Lost(Struct):
    lane: Literal["live", "backlog", "bulk"]
    from_ts: Milliseconds = msgspec.field(name="from")
    to_ts: Milliseconds = msgspec.field(name="to")
    count: Count


class _Section(Struct):
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    content: dict[str, Any]


class _Body(Struct):
    """Fields of both encodings; unknown ones are left for later versions."""

    v: Literal[1]
    epoch: Milliseconds
    seq: Number
    lane: Literal["live", "backlog", "bulk"]
    sent_at: Milliseconds
    layout: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
    clock_offset: Annotated[int, Meta(ge=-(1 << 43), le=1 << 43)] = 0
    layout_def: Annotated[list[tuple[str, str]], Meta(max_length=MAX_SERIES)] | None = None
    events: list[_Event] = []
    sections: dict[Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$")], _Section] = {}
    lost: list[_Lost] = []
    boot_id: Annotated[str, Meta(pattern="^[!-~]{0,64}$")] = ""
    power: Literal["on", "sleep", "shutdown"] = "on"


class _PackedBody(_Body):
    rows: list[tuple[Milliseconds, bytes]] = []


class _JsonBody(_Body):
    rows: list[tuple[Milliseconds, Annotated[list[float | None], Meta(max_length=MAX_SERIES)]]] = []


_decode_packed = msgspec.msgpack.Decoder(_PackedBody).decode
_decode_json = msgspec.json.Decoder(_JsonBody).decode


@dataclass(slots=True)
class Report:
    """One batch, checked and in the server's time, ready for the writer.

    `rows` are (ms UTC, float32 little endian); each has `width` values. `rejected` are rows that
    will never be stored: place in the batch and reason.
    """

    device_id: int
    client_id: int
    epoch: int
    seq: int
    lane: str
    layout: bytes
    layout_def: list[tuple[str, str]] | None
    rows: list[tuple[int, bytes]]
    width: int
    boot_id: str
    power: str
    clock_offset_ms: int
    arrived_at: datetime
    #: (time, kind, JSON text)
    events: list[tuple[datetime, str, str]] = field(default_factory=list)
    sections: list[checkins.Section] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)

    @property
    def newest_ms(self) -> int | None:
        return max(row[0] for row in self.rows) if self.rows else None

    @property
    def oldest_ms(self) -> int | None:
        return min(row[0] for row in self.rows) if self.rows else None


def moment(ms: int) -> datetime:
    """Return milliseconds since 1970 as an aware instant, exactly."""
    return _EPOCH + timedelta(milliseconds=ms)


def inflate(data: bytes, encoding: str) -> bytes:
    """Return the body as it was before compression, never more than the limit.

    Errors: WireError 413 beyond 8 MiB, 400 for broken or trailing data.
    """
    if encoding in ("", "identity"):
        return data
    machine = zlib.decompressobj(wbits=31)
    try:
        out = machine.decompress(data, MAX_INFLATED + 1)
    except zlib.error:
        raise WireError(400, "bad_encoding", "The body is not gzip.") from None
    if len(out) > MAX_INFLATED:
        raise WireError(413, "too_large", "The body is larger than 8 MiB when inflated.")
    if not machine.eof or machine.unused_data:
        raise WireError(400, "bad_encoding", "The gzip body is cut off or has something behind it.")
    return out


def decode(
    data: bytes, content_type: str, *, device_id: int, client_id: int, now: datetime
) -> Report:
    """Read an inflated body as a report of the device that signed it.

    Errors: WireError 400 for anything that is not of the protocol, 413 for too many rows.
    """
    try:
        body = _decode_packed(data) if content_type == MSGPACK else _decode_json(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise WireError(400, "bad_report", f"Not a report: {error}"[:300]) from None
    if len(body.rows) > MAX_ROWS or len(body.events) > MAX_EVENTS:
        raise WireError(413, "too_many_rows", "Too many rows or events for one batch.")
    if len(body.sections) > MAX_SECTIONS or len(body.lost) > MAX_EVENTS:
        raise WireError(400, "bad_report", "Too many sections.")
    if body.layout_def is not None:
        _check_layout(body.layout, body.layout_def)
    packed = _packed_rows(body)
    report = Report(
        device_id=device_id,
        client_id=client_id,
        epoch=body.epoch,
        seq=body.seq,
        lane=body.lane,
        layout=bytes.fromhex(body.layout),
        layout_def=body.layout_def,
        rows=[],
        width=_width(packed, body.layout_def),
        boot_id=body.boot_id,
        power=body.power,
        clock_offset_ms=body.clock_offset,
        arrived_at=now,
    )
    _take_rows(report, packed)
    _take_events(report, body)
    for name, section in body.sections.items():
        report.sections.append(_section(report, name, section))
    return report


def layout_digest(series: list[tuple[str, str]]) -> bytes:
    """Return the 8 bytes that name a layout: the beginning of the SHA-256 of its canonical JSON."""
    text = json.dumps([list(pair) for pair in series], separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).digest()[:8]


def _check_layout(name: str, series: list[tuple[str, str]]) -> None:
    for metric, instance in series:
        if not _METRIC.fullmatch(metric) or len(instance) > 200 or not instance.isprintable():
            raise WireError(400, "bad_layout", "A metric or instance is not a name.")
    if len(set(series)) != len(series):
        raise WireError(400, "bad_layout", "A series is in the layout twice.")
    try:
        digest = layout_digest(series)
    except UnicodeEncodeError:
        raise WireError(400, "bad_layout", "A metric or instance is not a name.") from None
    if digest.hex() != name:
        raise WireError(400, "bad_layout", "The layout's name is not its digest.")


def _packed_rows(body: _PackedBody | _JsonBody) -> list[tuple[int, bytes]]:
    if isinstance(body, _PackedBody):
        return body.rows
    packed = []
    for ts, values in body.rows:
        numbers = array.array("f")
        for value in values:
            try:
                numbers.append(math.nan if value is None else value)
            except OverflowError:  # outside float32: not a measurement
                numbers.append(math.nan)
        if array_is_big_endian:
            numbers.byteswap()
        packed.append((ts, numbers.tobytes()))
    return packed


array_is_big_endian = array.array("H", [1]).tobytes() != b"\x01\x00"


def _width(rows: list[tuple[int, bytes]], series: list[tuple[str, str]] | None) -> int:
    sizes = {len(values) for _, values in rows}
    if series is not None:
        sizes.add(len(series) * FLOAT_BYTES)
    if not sizes:
        return 0
    size = sizes.pop()
    if sizes or size % FLOAT_BYTES or not 0 < size <= MAX_SERIES * FLOAT_BYTES:
        raise WireError(400, "bad_rows", "A row does not fit its layout.")
    return size // FLOAT_BYTES


def _take_rows(report: Report, rows: list[tuple[int, bytes]]) -> None:
    now_ms = int(report.arrived_at.timestamp() * 1000)
    latest, earliest = now_ms + MAX_FUTURE_MS, now_ms - MAX_AGE_MS
    offset = report.clock_offset_ms
    for place, (taken_at, values) in enumerate(rows):
        ts = taken_at + offset
        if ts > latest:
            report.rejected.append({"row": place, "reason": "future"})
        elif ts < earliest:
            report.rejected.append({"row": place, "reason": "too_old"})
        else:
            report.rows.append((ts, values))


def _take_events(report: Report, body: _Body) -> None:
    """Events are never rejected: one at an impossible time gets the time of its arrival."""
    found: list[tuple[int, str, Any]] = [(row.ts, row.kind, row.data) for row in body.events]
    found += [
        (
            row.to_ts,
            LOST_KIND,
            {"lane": row.lane, "from": row.from_ts, "to": row.to_ts, "count": row.count},
        )
        for row in body.lost
    ]
    now_ms = int(report.arrived_at.timestamp() * 1000)
    for taken_at, kind, data in found:
        if not is_storable(data):
            raise WireError(400, "bad_event", "An event's data are nested too deep, or hold NUL.")
        ts = taken_at + report.clock_offset_ms
        if not now_ms - MAX_AGE_MS <= ts <= now_ms + MAX_FUTURE_MS:
            ts = now_ms
        try:
            text = msgspec.json.encode(data).decode()
        except (TypeError, ValueError, RecursionError):
            raise WireError(400, "bad_event", "An event's data are not JSON.") from None
        report.events.append((moment(ts), kind, text))


def is_storable(value: Any) -> bool:
    """Return whether JSON values can be stored and shown: no text with NUL, no deep nesting.

    PostgreSQL refuses NUL in jsonb, and would do so for the whole group of reports.
    """
    level = [value]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, str):
                if "\0" in item:
                    return False
            elif isinstance(item, dict):
                inner.extend(item.keys())
                inner.extend(item.values())
            elif isinstance(item, list | tuple):
                inner.extend(item)
        if not inner:
            return True
        level = inner
    return False


def _section(report: Report, name: str, sent: _Section) -> checkins.Section:
    if not is_storable(sent.content):
        raise WireError(400, "bad_section", "A section is nested too deep, or holds NUL.")
    try:
        digest = checkins.section_digest(sent.content)
    except (TypeError, ValueError, RecursionError):
        raise WireError(400, "bad_section", "A section's content is not JSON.") from None
    if digest != sent.sha256:
        raise WireError(400, "bad_section", "A section's digest is not that of its content.")
    return checkins.Section(
        device_id=report.device_id,
        client_id=report.client_id,
        name=name,
        sha256=sent.sha256,
        content=sent.content,
        at=report.arrived_at,
    )
