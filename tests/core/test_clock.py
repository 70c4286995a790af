"""One clock, which can be stopped."""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from msp.core import clock

ROOT = Path(__file__).resolve().parents[2]
SERVER = ("msp", "clients", "agents", "tickets", "monitoring", "security", "vendors", "billing")
#: Reads of the wall clock. `time.monotonic` measures spans and is free.
FORBIDDEN = {
    ("timezone", "now"),
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
    ("time", "time_ns"),
}
#: The clock itself; the embedded runtime and the program on the device know no Django.
FREE = ("msp/core/clock.py", "msp/embedded/", "agents/endpoint/")


def _reads_of_the_time(path: Path) -> list[int]:
    return [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and (
            node.value.attr
            if isinstance(node.value, ast.Attribute)
            else getattr(node.value, "id", "")
        )
        + "."
        + node.attr
        in {f"{owner}.{name}" for owner, name in FORBIDDEN}
    ]


def test_nothing_but_the_clock_reads_the_time() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for room in SERVER
        for path in sorted((ROOT / room).rglob("*.py"))
        if not str(path.relative_to(ROOT)).startswith(FREE)
        for line in _reads_of_the_time(path)
    ]
    assert found == []


def test_the_check_sees_a_read(tmp_path: Path) -> None:
    module = tmp_path / "m.py"
    module.write_text("import datetime\nx = datetime.datetime.now()\n", encoding="utf-8")
    assert _reads_of_the_time(module) == [2]


def test_stands_still_and_moves_only_when_told() -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    with clock.at(noon):
        assert clock.now() == noon
        clock.advance(timedelta(minutes=5))
        assert clock.now() == noon + timedelta(minutes=5)
    assert clock.now() > noon


def test_refuses_a_naive_instant() -> None:
    with pytest.raises(ValueError, match="aware"), clock.at(datetime(2026, 3, 2)):  # noqa: DTZ001
        pass


def test_a_running_clock_cannot_be_moved() -> None:
    with pytest.raises(RuntimeError, match="stands"):
        clock.advance(timedelta(minutes=1))


def test_today_is_the_date_in_the_zone() -> None:
    with clock.at(datetime(2026, 3, 2, 23, 30, tzinfo=UTC)):
        assert clock.today("UTC").day == 2
        assert clock.today("Pacific/Auckland").day == 3
