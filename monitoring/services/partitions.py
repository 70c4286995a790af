"""Partitions of tables that grow with time: made ahead, dropped when old, never deleted from.

The application owns no table; two functions of the first migration make and drop exactly these
partitions. An ingest node makes one that is missing by itself, so a dead beat costs nothing for
48 h and then a few milliseconds an hour.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import Error, connection, transaction

from monitoring.models import IngestGroup
from msp.core import clock

log = logging.getLogger(__name__)

AHEAD = timedelta(hours=48)
#: Evaluated groups have told the rules what they had to.
KEEP_GROUPS = timedelta(hours=6)
GROUPS_AT_ONCE = 50_000


@dataclass(frozen=True)
class Retention:
    """How a table is cut, and how long its rows are kept."""

    step: str  # hour or month
    keep: timedelta


#: Every partitioned table; a test compares this with the database. Samples are kept for as long as
#: an agent's spool may be late (30 days and one), until compaction takes them over.
RETENTION: dict[str, Retention] = {
    "monitoring_sample": Retention("hour", timedelta(days=31)),
    "monitoring_deviceevent": Retention("month", timedelta(days=92)),
}


def make_ahead(*, until: timedelta = AHEAD) -> int:
    """Make the partitions that are needed within 48 hours; return how many were missing."""
    made = 0
    now = clock.now()
    for table, retention in RETENTION.items():
        existing = partitions_of(table)
        for moment in _steps(retention.step, now, now + until):
            if name_of(table, retention.step, moment) not in existing:
                # Each in a transaction of its own: attaching holds a lock until its end.
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute("SELECT monitoring_make_partition(%s, %s)", [table, moment])
                made += 1
    return made


def drop_old() -> int:
    """Drop partitions whose last row is older than is kept; return how many.

    One table's trouble (a long query holds a lock) does not keep the others: the next run tries
    again.
    """
    dropped = 0
    now = clock.now()
    for table, retention in RETENTION.items():
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(
                    "SELECT monitoring_drop_partitions(%s, %s)", [table, now - retention.keep]
                )
                dropped += cursor.fetchone()[0]
        except Error:
            log.warning("Old partitions of %s were not dropped.", table, exc_info=True)
    return dropped


def drop_evaluated_groups() -> int:
    """Delete groups that were evaluated hours ago; return how many."""
    done = IngestGroup.objects.filter(evaluated_at__lt=clock.now() - KEEP_GROUPS)
    keys = list(done.order_by("evaluated_at").values_list("pk", flat=True)[:GROUPS_AT_ONCE])
    deleted, _ = IngestGroup.objects.filter(pk__in=keys).delete()
    return deleted


def partitions_of(table: str) -> set[str]:
    """Return the names of a table's partitions."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid "
            "WHERE inhparent = to_regclass(%s)",
            [f"public.{table}"],
        )
        return {row[0] for row in cursor.fetchall()}


def name_of(table: str, step: str, moment: datetime) -> str:
    """Return the name of the partition that holds an instant (UTC)."""
    return f"{table}_{moment:%Y%m%d%H}" if step == "hour" else f"{table}_{moment:%Y%m}"


def _steps(step: str, start: datetime, end: datetime) -> Iterator[datetime]:
    if step == "hour":
        while start <= end:
            yield start
            start += timedelta(hours=1)
    else:
        yield start
        if (end.year, end.month) != (start.year, start.month):
            yield end
