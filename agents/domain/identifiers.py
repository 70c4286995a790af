"""Facts that tell one machine from another, without what firmware says when nobody filled it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agents.enums import IdentifierKind

#: As compared: lower case, letters and digits only.
_FILLERS = frozenset(
    {
        "default",
        "defaultstring",
        "empty",
        "invalid",
        "na",
        "none",
        "notapplicable",
        "notavailable",
        "notspecified",
        "null",
        "oem",
        "serial",
        "serialnumber",
        "systemserialnumber",
        "baseboardserialnumber",
        "chassisserialnumber",
        "tobefilledbyoem",
        "unknown",
    }
)
_SHORTEST_SERIAL = 4
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
#: A UUID that one board maker burned into every board of a series.
_SHARED_UUIDS = frozenset({"03000200-0400-0500-0006-000700080009"})
_MAC = re.compile(r"[0-9a-f]{12}")
#: Bits of a MAC address's first octet: a group's address, or one that software made up.
_GROUP, _LOCAL = 0x01, 0x02
MAX_MACS = 16
MAX_LENGTH = 120

Identifiers = frozenset[tuple[str, str]]


def clean(*, serial: str, board_uuid: str, macs: Iterable[str]) -> Identifiers:
    """Return the (kind, value) pairs worth keeping; placeholders are left out."""
    found: set[tuple[str, str]] = set()
    if value := _serial(serial):
        found.add((IdentifierKind.SERIAL.value, value))
    if value := _board_uuid(board_uuid):
        found.add((IdentifierKind.BOARD_UUID.value, value))
    for mac in list(macs)[:MAX_MACS]:
        if value := clean_mac(mac):
            found.add((IdentifierKind.MAC.value, value))
    return frozenset(found)


def clean_mac(text: str) -> str:
    """Return a burned-in MAC address as `00:1a:2b:3c:4d:5e`, or an empty string."""
    digits = re.sub(r"[^0-9a-f]", "", text.lower())
    if not _MAC.fullmatch(digits) or len(set(digits)) == 1:
        return ""
    if int(digits[:2], 16) & (_GROUP | _LOCAL):
        return ""
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def matching_kinds(known: Identifiers, offered: Identifiers) -> int:
    """Return how many of the kinds agree; any one MAC address in common is one kind."""
    return len({kind for kind, _ in known & offered})


def _serial(text: str) -> str:
    value = " ".join(text.split()).upper()
    bare = re.sub(r"[^0-9a-z]", "", value.lower())
    if len(bare) < _SHORTEST_SERIAL or len(set(bare)) == 1 or bare in _FILLERS:
        return ""
    if bare in "01234567890123456789" or bare in "12345678901234567890":
        return ""
    return value[:MAX_LENGTH]


def _board_uuid(text: str) -> str:
    value = text.strip().lower()
    if not _UUID.fullmatch(value) or value in _SHARED_UUIDS:
        return ""
    return "" if len(set(value.replace("-", ""))) == 1 else value
