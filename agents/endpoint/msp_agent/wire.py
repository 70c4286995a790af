"""What a report looks like on the wire (protocol version 1).

Times are the device's own, ms UTC; `clock_offset` (server minus device) is frozen into a batch
when it is sealed, so `ts + clock_offset` is the server's time and a resend says the same.
"""

import gzip
import hashlib
import json
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from msp_agent import packer

PROTOCOL_VERSION = 1
TELEMETRY_PATH = "/api/v1/telemetry"
NONCE_PATH = "/api/v1/agent/nonce"
ENROL_PATH = "/api/v1/agent/enrol"
CONTENT_TYPE = "application/msgpack"
# A one-row report shrinks little; below this gzip only costs.
GZIP_FROM_BYTES = 200
GZIP_LEVEL = 6

Series = tuple[str, str]  # (metric, instance)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One sealed report: the same (epoch, seq) always carries the same rows."""

    epoch: int
    seq: int
    lane: str
    clock_offset: int
    layout: str
    layout_def: list[list[str]]
    is_layout_known: bool
    rows: list[tuple[int, bytes]]
    events: list[dict[str, Any]] = field(default_factory=list)
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)
    lost: list[dict[str, Any]] = field(default_factory=list)
    boot_id: str
    power: str


def canonical_json(value: Any) -> bytes:
    """Write JSON that hashes the same everywhere: sorted keys, no spaces, UTF-8."""
    return json.dumps(
        value,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    ).encode("utf-8", "replace")  # as the packer writes it


def layout_id(series: Sequence[Series]) -> str:
    """Return 16 lower hex digits that name an ordered list of series."""
    return hashlib.sha256(canonical_json([list(pair) for pair in series])).hexdigest()[:16]


def pack_row(values: Sequence[float]) -> bytes:
    """Return the values as little-endian float32; NaN is "not measured".

    A value outside float32's range is not a measurement either.
    """
    try:
        return struct.pack(f"<{len(values)}f", *values)
    except OverflowError:
        return struct.pack(f"<{len(values)}f", *(_float32_or_nan(value) for value in values))


def unpack_row(data: bytes) -> list[float]:
    """Return the values of a packed row."""
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def report(batch: Batch, *, sent_at: int, with_layout: bool = False) -> dict[str, Any]:
    """Return the report of a batch as plain values; optional fields are left out when empty."""
    body: dict[str, Any] = {
        "v": PROTOCOL_VERSION,
        "epoch": batch.epoch,
        "seq": batch.seq,
        "lane": batch.lane,
        "sent_at": sent_at,
        "clock_offset": batch.clock_offset,
        "layout": batch.layout,
        "rows": [[ts, values] for ts, values in batch.rows],
        "events": batch.events,
        "lost": batch.lost,
        "boot_id": batch.boot_id,
        "power": batch.power,
    }
    if with_layout or not batch.is_layout_known:
        body["layout_def"] = batch.layout_def
    if batch.sections:
        body["sections"] = batch.sections
    return body


def encode(body: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """Return a report's bytes and the headers that describe them."""
    data = packer.pack(body)
    headers = {"Content-Type": CONTENT_TYPE}
    if len(data) >= GZIP_FROM_BYTES:
        # A fixed mtime: the same report is the same bytes.
        data = gzip.compress(data, GZIP_LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return data, headers


def _float32_or_nan(value: float) -> float:
    try:
        struct.pack("<f", value)
    except OverflowError:
        return math.nan
    return value
