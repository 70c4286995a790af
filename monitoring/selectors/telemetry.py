"""Samples as screens and rules ask for them: one interface, so that storage may change behind it.

The store takes keys of devices; whoever asks has found the device through `visible_to`. Samples
carry no client of their own and no row security (COPY refuses it), so nothing but this module reads
them. Only numbers of ours and column names are ever written into its SQL.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from agents.models import Device, DeviceCheckin
from monitoring.models import DeviceEvent, IngestGroup, Layout
from msp.core import clock
from msp.core.scope import Principal

#: (metric, instance), such as ("system.filesystem.utilization", "/").
SeriesName = tuple[str, str]

#: How far before a device's newest sample its latest values are looked for.
LATEST_WITHIN = timedelta(minutes=15)
#: A longer pause between points is a gap: three missed reports of one a minute.
GAP = timedelta(minutes=3)
MAX_POINTS = 1000
RECENT_EVENTS = 50

#: Layouts never change, so each is read once in the life of a process.
_layouts: dict[int, tuple[SeriesName, ...]] = {}


@dataclass(frozen=True, slots=True)
class Row:
    """One stored row. `values` run in step with `series`; NaN means "not measured"."""

    device_id: int
    ts: datetime
    arrived_at: datetime
    series: tuple[SeriesName, ...]
    values: tuple[float, ...]

    @property
    def ts_ms(self) -> int:
        """Sample time in ms UTC."""
        return round(self.ts.timestamp() * 1000)

    def as_dict(self) -> dict[SeriesName, float]:
        """Return what was measured."""
        pairs = zip(self.series, self.values, strict=True)
        return {name: value for name, value in pairs if not math.isnan(value)}


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a chart; None is a gap."""

    ts: datetime
    value: float | None


class TimeSeriesStore:
    """Samples in PostgreSQL. Another store has these methods and passes the same contract tests."""

    def latest(
        self, device_ids: Collection[int]
    ) -> dict[int, dict[SeriesName, tuple[datetime, float]]]:
        """Return each device's newest measured value of each series, with its time.

        Values older than 15 min before the device's newest sample are left out.
        """
        found: dict[int, dict[SeriesName, tuple[datetime, float]]] = {}
        for newest, ids in self._by_hour(device_ids).items():
            rows = self._query(
                "SELECT device_id, ts, layout_id, v FROM monitoring_sample "
                "WHERE device_id = ANY(%s) AND ts > %s AND ts <= %s ORDER BY ts DESC",
                [ids, newest[0] - LATEST_WITHIN, newest[1]],
            )
            layouts = self._series_of(row[2] for row in rows)
            for device_id, ts, layout_id, values in rows:
                values_of = found.setdefault(device_id, {})
                for name, value in zip(layouts[layout_id], values, strict=True):
                    if name not in values_of and not math.isnan(value):
                        values_of[name] = (ts, value)
        return found

    def series(
        self,
        device_id: int,
        metric: str,
        instance: str,
        start: datetime,
        end: datetime,
        max_points: int = MAX_POINTS,
    ) -> list[Point]:
        """Return one series from `start` (included) to `end`, oldest first, gaps as gaps.

        Beyond `max_points` each point is the mean of a step, at the beginning of that step.
        """
        name = (metric, instance)
        return self.several(device_id, [name], start, end, max_points)[name]

    def several(
        self,
        device_id: int,
        names: Sequence[SeriesName],
        start: datetime,
        end: datetime,
        max_points: int = MAX_POINTS,
    ) -> dict[SeriesName, list[Point]]:
        """Return several series of a device at once; see `series`."""
        where = "device_id = %s AND ts >= %s AND ts < %s"
        bounds = [device_id, start, end]
        counts = self._query(
            f"SELECT layout_id, count(*) FROM monitoring_sample WHERE {where} "  # noqa: S608
            "GROUP BY layout_id",
            bounds,
        )
        if not counts or not names:
            return {name: [] for name in names}
        layouts = self._series_of(layout_id for layout_id, _ in counts)
        columns = [_column(name, layouts) for name in names]
        if sum(count for _, count in counts) <= max_points:
            rows = self._query(
                f"SELECT ts, {', '.join(columns)} FROM monitoring_sample "  # noqa: S608
                f"WHERE {where} ORDER BY ts",
                bounds,
            )
            step = timedelta(0)
        else:
            step = timedelta(seconds=math.ceil((end - start).total_seconds() / max_points))
            means = ", ".join(f"avg(NULLIF({column}, 'NaN'))::real" for column in columns)
            rows = self._query(
                f"SELECT date_bin(%s, ts, %s) AS step, {means} FROM monitoring_sample "  # noqa: S608
                f"WHERE {where} GROUP BY step ORDER BY step",
                [step, start, *bounds],
            )
        gap = max(GAP, step * 2.5)
        return {
            name: _with_gaps([(row[0], row[place + 1]) for row in rows], gap)
            for place, name in enumerate(names)
        }

    def rows_of_group(self, group: IngestGroup) -> list[Row]:
        """Return the rows that one commit of the telemetry writer stored, oldest first."""
        if not group.devices:
            return []
        rows = self._query(
            "SELECT s.device_id, s.ts, s.layout_id, s.v "
            "FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[], "
            "%s::timestamptz[]) AS b (device_id, epoch, seq, ts_from, ts_to) "
            "JOIN monitoring_sample s ON s.device_id = b.device_id "
            "AND s.ts BETWEEN b.ts_from AND b.ts_to AND s.epoch = b.epoch AND s.seq = b.seq "
            "WHERE s.ts BETWEEN %s AND %s ORDER BY s.ts, s.device_id",
            [
                group.devices,
                group.epochs,
                group.seqs,
                group.ts_from,
                group.ts_to,
                # Said once more as constants, so that only the partitions in question are planned.
                min(group.ts_from),
                max(group.ts_to),
            ],
        )
        layouts = self._series_of(row[2] for row in rows)
        return [
            Row(device_id, ts, group.committed_at, layouts[layout_id], tuple(values))
            for device_id, ts, layout_id, values in rows
        ]

    def instances(self, device_id: int) -> dict[str, list[str]]:
        """Return the instances of each metric that a device has reported lately, sorted."""
        found: dict[str, set[str]] = {}
        for metric, instance in self.latest([device_id]).get(device_id, {}):
            found.setdefault(metric, set()).add(instance)
        return {metric: sorted(instances) for metric, instances in sorted(found.items())}

    # -- inside

    def _by_hour(self, device_ids: Collection[int]) -> dict[tuple[datetime, datetime], list[int]]:
        """Group devices by the hour of their newest sample: (least, greatest) time to keys.

        A device silent for days must not make a query over all partitions between.
        """
        hours: dict[datetime, list[tuple[datetime, int]]] = {}
        rows = DeviceCheckin.objects.filter(device_id__in=device_ids)
        for device_id, at in rows.values_list("device_id", "last_sample_at"):
            if at is None:
                continue
            hour = at.replace(minute=0, second=0, microsecond=0)
            hours.setdefault(hour, []).append((at, device_id))
        return {
            (min(at for at, _ in pairs), max(at for at, _ in pairs)): [key for _, key in pairs]
            for pairs in hours.values()
        }

    def _series_of(self, layout_ids: Iterable[int]) -> Mapping[int, tuple[SeriesName, ...]]:
        missing = set(layout_ids) - _layouts.keys()
        if missing:
            for row in Layout.objects.filter(pk__in=missing):
                _layouts[row.pk] = tuple((metric, instance) for metric, instance in row.series)
        return _layouts

    def _query(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return list(cursor.fetchall())


def events_of(user: Principal, device: Device) -> list[DeviceEvent]:
    """Return what a device's agent said lately, newest first."""
    rows = DeviceEvent.objects.visible_to(user).filter(
        device=device, ts__gt=clock.now() - timedelta(days=31)
    )
    return list(rows.order_by("-ts")[:RECENT_EVENTS])


def _column(name: SeriesName, layouts: Mapping[int, tuple[SeriesName, ...]]) -> str:
    """Return the SQL of one series: its place differs by layout. Only numbers of ours go in."""
    places = [
        f"WHEN {layout_id:d} THEN v[{series.index(name) + 1:d}]"
        for layout_id, series in layouts.items()
        if name in series
    ]
    return f"CASE layout_id {' '.join(places)} END" if places else "NULL::real"


def _with_gaps(rows: Iterable[tuple[datetime, float | None]], gap: timedelta) -> list[Point]:
    points: list[Point] = []
    for ts, value in rows:
        measured = None if value is None or math.isnan(value) else float(value)
        if measured is None and (not points or points[-1].value is None):
            continue
        if (
            points
            and measured is not None
            and ts - points[-1].ts > gap
            and points[-1].value is not None
        ):
            points.append(Point(points[-1].ts + gap / 2, None))
        points.append(Point(ts, measured))
    return points
