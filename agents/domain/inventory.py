"""What changed between two contents of an inventory section."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

#: More than this and the history would only repeat the section; the rest is counted in one row.
MAX_CHANGES = 200
MAX_PATH = 200
_ABSENT: Any = object()
#: Values that are new after every start of a machine and say nothing about it.
IGNORED_PATHS = frozenset({"boot_time"})


@dataclass(frozen=True)
class Change:
    """One value that differs; None stands for absent as well as for null."""

    path: str
    old: Any
    new: Any


def changes(old: dict[str, Any] | None, new: dict[str, Any]) -> list[Change]:
    """Return the values that differ, by path (`cpu.model`); nothing for a first content.

    Objects are compared by name, lists as a whole.
    """
    if old is None:
        return []
    found = [change for change in _differences("", old, new) if change.path not in IGNORED_PATHS]
    if len(found) <= MAX_CHANGES:
        return found
    rest = len(found) - MAX_CHANGES
    return [*found[:MAX_CHANGES], Change("…", None, {"more_changes": rest})]


def digest(content: Any) -> str:
    """Return the SHA-256 (hex) of the canonical JSON: sorted keys, no spaces, UTF-8.

    Errors: ValueError for NaN and infinities; UnicodeEncodeError for lone surrogates.
    """
    text = json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _differences(path: str, old: Any, new: Any) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            inner = f"{path}.{name}" if path else name
            yield from _differences(inner, old.get(name, _ABSENT), new.get(name, _ABSENT))
    elif old is _ABSENT or new is _ABSENT or old != new:
        yield Change(
            path[:MAX_PATH], None if old is _ABSENT else old, None if new is _ABSENT else new
        )
