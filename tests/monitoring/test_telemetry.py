"""Samples as screens and rules read them, and the partitions they lie in."""

from __future__ import annotations

import io
import math
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DataError, InternalError, ProgrammingError, connection, transaction
from django.test import Client as Browser

from agents.models import Device, DeviceCheckin
from monitoring.domain.catalogue import CATALOGUE
from monitoring.ingest import copy
from monitoring.ingest.wire import layout_digest
from monitoring.labels import METRICS
from monitoring.models import IngestGroup, Layout
from monitoring.selectors.telemetry import Point, TimeSeriesStore
from monitoring.services import partitions
from msp.core import clock
from msp.core.models import User
from msp.core.scope import SystemPrincipal
from tests.factories import agents as make_device
from tests.factories import clients as make

CPU, ROOT = ("system.cpu.utilization", ""), ("system.filesystem.utilization", "/")
NOW = datetime.now(UTC).replace(microsecond=0)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _scope(system: SystemPrincipal) -> None:
    """Tests look at rows as the system."""


def layout(*series: tuple[str, str]) -> Layout:
    digest = layout_digest(list(series))
    found, _ = Layout.objects.get_or_create(
        digest=digest, defaults={"series": [list(name) for name in series]}
    )
    return found


def device(name: str = "SRV-01") -> Device:
    return make_device.device(make.client("Acme"), name)


def store(
    owner: Device, rows: list[tuple[datetime, list[float]]], of: Layout, seq: int = 1
) -> None:
    """Store rows as the writer would, and note the newest."""
    with connection.cursor() as cursor:
        for ts, values in rows:
            cursor.execute("SELECT monitoring_make_partition('monitoring_sample', %s)", [ts])
            cursor.execute(
                "INSERT INTO monitoring_sample VALUES (%s, %s, %s, 1, %s, %s::real[])",
                [owner.pk, ts, of.pk, seq, values],
            )
    newest = max(ts for ts, _ in rows)
    known = DeviceCheckin.objects.filter(device=owner).first()
    if known is None or known.last_sample_at is None or known.last_sample_at < newest:
        DeviceCheckin.objects.update_or_create(
            device=owner,
            defaults={
                "client_id": owner.client_id,
                "last_report_at": newest,
                "last_sample_at": newest,
                "epoch": 1,
            },
        )


def every_minute(minutes: int, value: float = 0.5) -> list[tuple[datetime, list[float]]]:
    start = NOW - timedelta(minutes=minutes)
    return [(start + timedelta(minutes=n), [value + n / 10_000, 0.25]) for n in range(minutes)]


# ---------------------------------------------------------------- the store's contract


def test_latest_is_the_newest_measured_value_of_each_series() -> None:
    owner, both, alone = device(), layout(CPU, ROOT), layout(ROOT)
    store(owner, [(NOW - timedelta(minutes=5), [0.1, 0.2])], both)
    store(owner, [(NOW - timedelta(minutes=2), [math.nan, 0.3])], both)
    store(owner, [(NOW - timedelta(minutes=1), [0.4])], alone)
    latest = TimeSeriesStore().latest([owner.pk])[owner.pk]
    assert latest == {
        CPU: (NOW - timedelta(minutes=5), pytest.approx(0.1)),
        ROOT: (NOW - timedelta(minutes=1), pytest.approx(0.4)),
    }


def test_latest_leaves_out_what_was_measured_long_before_the_newest() -> None:
    owner = device()
    store(owner, [(NOW - timedelta(minutes=20), [0.1])], layout(CPU))
    store(owner, [(NOW, [0.4])], layout(ROOT))
    assert set(TimeSeriesStore().latest([owner.pk])[owner.pk]) == {ROOT}


def test_latest_of_a_device_that_fell_silent_is_what_it_last_said() -> None:
    silent, fresh, never = device("A"), device("B"), device("C")
    store(silent, [(NOW - timedelta(days=9), [0.1, 0.2])], layout(CPU, ROOT))
    store(fresh, [(NOW, [0.3, 0.4])], layout(CPU, ROOT))
    latest = TimeSeriesStore().latest([silent.pk, fresh.pk, never.pk])
    assert set(latest) == {silent.pk, fresh.pk}
    assert latest[silent.pk][CPU][0] == NOW - timedelta(days=9)


def test_latest_of_many_costs_no_more_queries(django_assert_num_queries: Any) -> None:
    devices = [device(f"SRV-{n}") for n in range(10)]
    for one in devices:
        store(one, [(NOW, [0.1, 0.2])], layout(CPU, ROOT))
    TimeSeriesStore().latest([devices[0].pk])
    with django_assert_num_queries(2):
        assert len(TimeSeriesStore().latest([one.pk for one in devices])) == 10


def test_a_series_keeps_its_gaps() -> None:
    owner, of = device(), layout(CPU, ROOT)
    store(owner, [row for n, row in enumerate(every_minute(30)) if not 10 <= n < 20], of)
    points = TimeSeriesStore().series(owner.pk, *CPU, NOW - timedelta(hours=1), NOW)
    assert len([point for point in points if point.value is not None]) == 20
    gaps = [place for place, point in enumerate(points) if point.value is None]
    assert gaps == [10]
    assert points[0] == Point(NOW - timedelta(minutes=30), pytest.approx(0.5))


def test_a_value_that_was_not_measured_is_a_gap_too() -> None:
    owner, of = device(), layout(CPU)
    rows = every_minute(5)
    store(owner, [(ts, [math.nan if n == 2 else 1.0]) for n, (ts, _) in enumerate(rows)], of)
    points = TimeSeriesStore().series(owner.pk, *CPU, NOW - timedelta(hours=1), NOW)
    assert [point.value for point in points] == [1.0, 1.0, None, 1.0, 1.0]


def test_a_series_is_followed_through_layouts() -> None:
    owner = device()
    first, second = every_minute(10)[:5], every_minute(10)[5:]
    store(owner, [(ts, [1.0, 2.0]) for ts, _ in first], layout(CPU, ROOT))
    store(owner, [(ts, [4.0, 3.0]) for ts, _ in second], layout(ROOT, CPU))
    found = TimeSeriesStore().several(owner.pk, [CPU, ROOT], NOW - timedelta(hours=1), NOW)
    assert [point.value for point in found[CPU]] == [1.0] * 5 + [3.0] * 5
    assert [point.value for point in found[ROOT]] == [2.0] * 5 + [4.0] * 5


def test_a_long_series_is_thinned_to_means_and_keeps_its_gaps() -> None:
    owner, of = device(), layout(CPU, ROOT)
    rows = [row for n, row in enumerate(every_minute(600)) if not 200 <= n < 400]
    store(owner, rows, of)
    points = TimeSeriesStore().series(
        owner.pk, *CPU, NOW - timedelta(hours=10), NOW, max_points=100
    )
    values = [point.value for point in points if point.value is not None]
    assert 50 <= len(values) <= 100
    assert sum(values) / len(values) == pytest.approx(
        sum(row[1][0] for row in rows) / len(rows), abs=0.001
    )
    assert [point.value for point in points].count(None) == 1


def test_a_series_nobody_reported_is_empty() -> None:
    owner = device()
    assert TimeSeriesStore().series(owner.pk, *CPU, NOW - timedelta(hours=1), NOW) == []
    store(owner, every_minute(3), layout(CPU, ROOT))
    assert TimeSeriesStore().series(owner.pk, "no.such", "", NOW - timedelta(hours=1), NOW) == []


def test_instances_are_those_reported_lately() -> None:
    owner = device()
    boot = (ROOT[0], "/boot")
    store(owner, [(NOW, [0.1, 0.2, 0.3])], layout(CPU, boot, ROOT))
    assert TimeSeriesStore().instances(owner.pk) == {CPU[0]: [""], ROOT[0]: ["/", "/boot"]}


def test_the_rows_of_a_group_are_exactly_its_batches() -> None:
    owner, other, of = device("A"), device("B"), layout(CPU, ROOT)
    rows = every_minute(6)
    store(owner, rows[:2], of, seq=1)
    store(owner, rows[2:4], of, seq=2)
    store(owner, rows[4:], of, seq=3)
    store(other, rows, of, seq=2)
    group = IngestGroup.objects.create(
        node="n",
        number=1,
        committed_at=NOW,
        devices=[owner.pk],
        epochs=[1],
        seqs=[2],
        # As if other batches lay in between: time alone does not tell batches apart.
        ts_from=[rows[0][0]],
        ts_to=[rows[5][0]],
    )
    found = TimeSeriesStore().rows_of_group(group)
    assert [(row.device_id, row.ts) for row in found] == [
        (owner.pk, rows[2][0]),
        (owner.pk, rows[3][0]),
    ]
    assert found[0].as_dict() == {CPU: pytest.approx(0.5002), ROOT: 0.25}
    assert found[0].arrived_at == NOW


# ---------------------------------------------------------------- binary COPY


def test_rows_survive_the_binary_copy_bit_for_bit() -> None:
    values = [1.0, -0.0, 3.4028234663852886e38, 1e-45, math.nan, math.inf, -math.inf]
    ts = int(NOW.timestamp() * 1000) + 7
    packed = struct.pack(f"<{len(values)}f", *values)
    stream = copy.encode([copy.Rows(1 << 40, 7, 1 << 50, 1 << 61, len(values), [(ts, packed)])])
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE t (device_id bigint, ts timestamptz, layout_id integer, "
            "epoch bigint, seq bigint, v real[]) ON COMMIT DROP"
        )
        cursor.copy_expert(
            f"COPY t ({copy.COLUMNS}) FROM STDIN (FORMAT binary)", io.BytesIO(stream)
        )
        cursor.execute("SELECT device_id, ts, layout_id, epoch, seq, v FROM t")
        row = cursor.fetchone()
    assert row[:5] == (
        1 << 40,
        NOW + timedelta(milliseconds=7),
        7,
        1 << 50,
        1 << 61,
    )
    assert struct.pack("<4f", *row[5][:4]) == packed[:16]
    assert [math.isnan(value) for value in row[5][4:]] == [True] * 3


# ---------------------------------------------------------------- partitions


def _names(table: str = "monitoring_sample") -> set[str]:
    return partitions.partitions_of(table)


def test_partitions_are_made_48_hours_ahead_once() -> None:
    partitions.make_ahead()
    assert partitions.make_ahead() == 0
    names = _names()
    for hours in range(49):
        at = clock.now() + timedelta(hours=hours)
        assert f"monitoring_sample_{at:%Y%m%d%H}" in names
    assert f"monitoring_deviceevent_{clock.now():%Y%m}" in _names("monitoring_deviceevent")


def test_partitions_are_dropped_when_their_last_row_is_too_old() -> None:
    now = clock.now()
    old, kept = now - timedelta(days=20), now - timedelta(days=18)
    with connection.cursor() as cursor:
        for at in (old, kept):
            cursor.execute("SELECT monitoring_make_partition('monitoring_sample', %s)", [at])
    keep = partitions.RETENTION["monitoring_sample"].keep
    with clock.at(kept + keep):
        partitions.drop_old()
    names = _names()
    assert f"monitoring_sample_{old:%Y%m%d%H}" not in names
    assert f"monitoring_sample_{kept:%Y%m%d%H}" in names


def test_nobody_drops_the_recent_past() -> None:
    with (
        pytest.raises(ProgrammingError, match="seven days"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "SELECT monitoring_drop_partitions('monitoring_sample', %s)",
            [clock.now() - timedelta(days=6)],
        )


@pytest.mark.parametrize("days", [-32, 3])
def test_nobody_makes_partitions_without_end(days: int) -> None:
    with (
        pytest.raises(DataError, match="no partition for"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "SELECT monitoring_make_partition('monitoring_sample', %s)",
            [clock.now() + timedelta(days=days)],
        )


@pytest.mark.parametrize("function", ["make_partition", "drop_partitions"])
@pytest.mark.parametrize("table", ["core_user", "monitoring_sample; DROP TABLE core_user", ""])
def test_the_functions_touch_no_other_table(function: str, table: str) -> None:
    with (
        pytest.raises((ProgrammingError, InternalError), match="no partitioned table"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            f"SELECT monitoring_{function}(%s, %s)", [table, clock.now() - timedelta(days=20)]
        )


def test_every_partitioned_table_has_a_retention() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'p' "
            "AND relnamespace = 'public'::regnamespace"
        )
        assert {row[0] for row in cursor.fetchall()} == set(partitions.RETENTION)


def test_evaluated_groups_are_dropped_after_some_hours_and_waiting_ones_never() -> None:
    long_ago = clock.now() - timedelta(days=2)
    for number, evaluated_at in enumerate([None, long_ago, clock.now()]):
        IngestGroup.objects.create(
            node="n",
            number=number,
            committed_at=long_ago,
            evaluated_at=evaluated_at,
            devices=[],
            epochs=[],
            seqs=[],
            ts_from=[],
            ts_to=[],
        )
    assert partitions.drop_evaluated_groups() == 1
    assert sorted(IngestGroup.objects.values_list("number", flat=True)) == [0, 2]


# ---------------------------------------------------------------- the panel


def test_the_panel_shows_figures_volumes_and_charts(technician: User) -> None:
    owner = device()
    boot = (ROOT[0], "/boot")
    of = layout(CPU, ROOT, boot)
    store(owner, [(ts, [0.42, 0.9, 0.1]) for ts, _ in every_minute(30)], of)
    browser = Browser()
    browser.force_login(technician)
    url = f"/devices/{owner.public_id}/telemetry"
    page = browser.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in page
    assert "42" in page
    assert "/boot" in page
    assert page.count("<svg") >= 3
    for hours in ("1", "24", "nonsense"):
        assert browser.get(url, {"hours": hours}).status_code == 200


def test_the_panel_of_a_device_that_never_reported_says_so(technician: User) -> None:
    browser = Browser()
    browser.force_login(technician)
    answer = browser.get(f"/devices/{device().public_id}/telemetry")
    assert b"Nothing measured yet" in answer.content


def test_every_metric_of_the_catalogue_has_words() -> None:
    assert set(METRICS) == set(CATALOGUE)
