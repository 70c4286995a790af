"""Rows of samples as PostgreSQL's binary COPY wants them.

One numpy array for the values of a whole group: per tiny batch it would only cost.

Source: PostgreSQL manual, COPY (binary format); array_send in its source for `real[]`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

COLUMNS: Final = "device_id, ts, layout_id, epoch, seq, v"
_HEAD: Final = b"PGCOPY\n\xff\r\n\x00" + struct.pack("!ii", 0, 0)
_TAIL: Final = b"\xff\xff"
#: 2000-01-01, PostgreSQL's epoch, in milliseconds since 1970.
_EPOCH_MS: Final = 946_684_800_000
_FLOAT4_OID: Final = 700
_ARRAY_HEAD: Final = 20
_ITEM: Final = 8  # length and value
# Six fields: device, ts, layout, epoch, seq, and an array of one dimension that begins at 1.
_ROW: Final = struct.Struct("!h iq iq ii iq iq i iiiii")
_CELL: Final = np.dtype([("length", ">i4"), ("value", ">f4")])


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one batch: (ms UTC, float32 little endian)."""

    device_id: int
    layout_id: int
    epoch: int
    seq: int
    width: int
    rows: Sequence[tuple[int, bytes]]


def encode(batches: Sequence[Rows]) -> bytes:
    """Return a COPY stream; infinite values become NaN, which means "not measured"."""
    values = np.frombuffer(b"".join([v for batch in batches for _, v in batch.rows]), dtype="<f4")
    cells = np.empty(len(values), dtype=_CELL)
    cells["length"] = 4
    cells["value"] = np.where(np.isinf(values), np.float32(np.nan), values)
    blob = memoryview(cells.tobytes())
    parts: list[bytes | memoryview] = [_HEAD]
    pack, at = _ROW.pack, 0
    for batch in batches:
        size = _ITEM * batch.width
        for ts, _ in batch.rows:
            parts.append(
                pack(
                    6,
                    8,
                    batch.device_id,
                    8,
                    (ts - _EPOCH_MS) * 1000,
                    4,
                    batch.layout_id,
                    8,
                    batch.epoch,
                    8,
                    batch.seq,
                    _ARRAY_HEAD + size,
                    1,
                    0,
                    _FLOAT4_OID,
                    batch.width,
                    1,
                )
            )
            parts.append(blob[at : at + size])
            at += size
    parts.append(_TAIL)
    return b"".join(parts)


def floats(values: bytes) -> list[float]:
    """Return one row's values as numbers, for the slow way around a conflict."""
    found = np.frombuffer(values, dtype="<f4")
    return [float(value) for value in np.where(np.isinf(found), np.float32(np.nan), found)]
