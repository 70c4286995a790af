"""Rules about machines, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agents.domain import inventory
from agents.domain.identifiers import clean, clean_mac, matching_kinds
from agents.domain.presence import Presence, presence

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "silent_seconds", "power", "expected"),
    [
        ("active", 0, "on", Presence.ONLINE),
        ("active", 180, "on", Presence.ONLINE),
        ("active", 181, "on", Presence.STALE),
        ("active", 300, "on", Presence.STALE),
        ("active", 301, "on", Presence.OFFLINE),
        ("active", 301, "shutdown", Presence.OFF),
        ("active", None, "on", Presence.NEVER),
        ("pending", 0, "on", Presence.PENDING),
        ("quarantined", 0, "on", Presence.QUARANTINED),
        ("retired", 0, "on", Presence.RETIRED),
    ],
)
def test_says_whether_a_device_is_there(
    state: str, silent_seconds: int | None, power: str, expected: Presence
) -> None:
    at = None if silent_seconds is None else NOW - timedelta(seconds=silent_seconds)
    assert presence(state=state, last_report_at=at, power=power, now=NOW) is expected


@pytest.mark.parametrize(
    "serial",
    ["", "0", "To be filled by O.E.M.", "Default string", "XXXXXXXX", "None", "0123456789", "123"],
)
def test_ignores_what_firmware_says_when_nobody_filled_it_in(serial: str) -> None:
    assert clean(serial=serial, board_uuid="", macs=[]) == frozenset()


@pytest.mark.parametrize(
    "board",
    [
        "",
        "03000200-0400-0500-0006-000700080009",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "not a uuid",
    ],
)
def test_ignores_board_uuids_that_many_machines_share(board: str) -> None:
    assert clean(serial="", board_uuid=board, macs=[]) == frozenset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00:1A:2b:3c:4d:5e", "00:1a:2b:3c:4d:5e"),
        ("001A.2B3C.4D5E", "00:1a:2b:3c:4d:5e"),
        ("00-1a-2b-3c-4d-5e", "00:1a:2b:3c:4d:5e"),
        ("02:42:ac:11:00:02", ""),  # made up by software
        ("01:00:5e:00:00:fb", ""),  # a group
        ("00:00:00:00:00:00", ""),
        ("SRV-01", ""),
    ],
)
def test_keeps_burned_in_addresses_in_one_spelling(text: str, expected: str) -> None:
    assert clean_mac(text) == expected


def test_counts_agreeing_kinds_and_not_addresses() -> None:
    macs = ["00:1a:2b:3c:4d:5e", "00:1a:2b:3c:4d:5f"]
    known = clean(serial="ABC-1234", board_uuid="", macs=macs)
    assert matching_kinds(known, clean(serial="", board_uuid="", macs=macs)) == 1
    assert matching_kinds(known, clean(serial="abc-1234", board_uuid="", macs=macs[:1])) == 2


def test_lists_changed_values_by_path() -> None:
    old = {"os": {"name": "Debian", "version": "12"}, "ram_bytes": 1, "gone": True}
    new = {"os": {"name": "Debian", "version": "13"}, "ram_bytes": 1, "disks": ["a"]}
    assert [(c.path, c.old, c.new) for c in inventory.changes(old, new)] == [
        ("disks", None, ["a"]),
        ("gone", True, None),
        ("os.version", "12", "13"),
    ]


def test_says_nothing_of_a_first_content_or_a_restart() -> None:
    assert inventory.changes(None, {"a": 1}) == []
    assert inventory.changes({"boot_time": 1}, {"boot_time": 2}) == []


def test_counts_what_would_fill_the_history() -> None:
    found = inventory.changes({}, {str(n): n for n in range(1000)})
    assert len(found) == inventory.MAX_CHANGES + 1
    assert found[-1].new == {"more_changes": 800}
