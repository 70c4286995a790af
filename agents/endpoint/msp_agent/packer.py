"""A msgpack encoder for what a report holds. The stdlib has none, and one module is less to ship.

Source: the MessagePack specification (formats nil, bool, int, float 64, str, bin, array, map).
"""

import struct
from typing import Any


def pack(value: Any) -> bytes:
    """Encode `value` as msgpack, every integer and length in its shortest form.

    Errors: TypeError for a type without a format; OverflowError outside -2**63..2**64-1.
    """
    out = bytearray()
    _pack(value, out)
    return bytes(out)


def _pack(value: Any, out: bytearray) -> None:
    if value is None:
        out.append(0xC0)
    elif value is False:
        out.append(0xC2)
    elif value is True:
        out.append(0xC3)
    elif isinstance(value, int):
        _pack_int(value, out)
    elif isinstance(value, float):
        out += struct.pack(">Bd", 0xCB, value)
    elif isinstance(value, str):
        # A path with undecodable bytes must not keep a report from being sent.
        data = value.encode("utf-8", "replace")
        _pack_head(len(data), out, fix=(0xA0, 31), codes=(0xD9, 0xDA, 0xDB))
        out += data
    elif isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        _pack_head(len(data), out, fix=None, codes=(0xC4, 0xC5, 0xC6))
        out += data
    elif isinstance(value, list | tuple):
        _pack_head(len(value), out, fix=(0x90, 15), codes=(None, 0xDC, 0xDD))
        for item in value:
            _pack(item, out)
    elif isinstance(value, dict):
        _pack_head(len(value), out, fix=(0x80, 15), codes=(None, 0xDE, 0xDF))
        for key, item in value.items():
            _pack(key, out)
            _pack(item, out)
    else:
        raise TypeError(f"msgpack has no format for {type(value).__name__}")


def _pack_int(value: int, out: bytearray) -> None:
    if 0 <= value <= 0x7F or -0x20 <= value < 0:
        out.append(value & 0xFF)
    elif value >= 0:
        for code, letter, bits in (
            (0xCC, "B", 8),
            (0xCD, "H", 16),
            (0xCE, "I", 32),
            (0xCF, "Q", 64),
        ):
            if value < 1 << bits:
                out += struct.pack(f">B{letter}", code, value)
                return
        raise OverflowError("integer above 2**64-1")
    else:
        for code, letter, bits in (
            (0xD0, "b", 8),
            (0xD1, "h", 16),
            (0xD2, "i", 32),
            (0xD3, "q", 64),
        ):
            if value >= -(1 << (bits - 1)):
                out += struct.pack(f">B{letter}", code, value)
                return
        raise OverflowError("integer below -2**63")


def _pack_head(
    length: int,
    out: bytearray,
    *,
    fix: tuple[int, int] | None,
    codes: tuple[int | None, int, int],
) -> None:
    """Write a length: inside the first byte if it fits (`fix`), else in 8, 16 or 32 bits."""
    if fix is not None and length <= fix[1]:
        out.append(fix[0] | length)
        return
    for code, letter, bits in zip(codes, "BHI", (8, 16, 32), strict=True):
        if code is not None and length < 1 << bits:
            out += struct.pack(f">B{letter}", code, length)
            return
    raise OverflowError("longer than 2**32-1")
