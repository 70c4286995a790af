"""Work of `monitoring` outside requests. One service call each; the system acts.

`monitoring.evaluate` is sent soon after commits of the telemetry writer; everything it does is also
found by `monitoring.evaluate_due`, so a lost message costs seconds.
"""

from __future__ import annotations

from collections.abc import Sequence

from celery import shared_task

from monitoring import services
from monitoring.services import partitions


@shared_task(name="monitoring.evaluate")
def evaluate(group_ids: Sequence[int]) -> int:
    """Judge committed groups."""
    return services.evaluate_groups(group_ids)


@shared_task(name="monitoring.evaluate_due")
def evaluate_due() -> int:
    """Judge the groups whose message was lost; the beat calls it every 10 s."""
    return services.evaluate_due()


@shared_task(name="monitoring.sweep_silence")
def sweep_silence() -> int:
    """Look who has fallen silent; the beat calls it every 15 s."""
    return services.sweep_silence()


@shared_task(name="monitoring.make_partitions")
def make_partitions() -> int:
    """Make the partitions of the next 48 hours; the beat calls it every 30 min."""
    return partitions.make_ahead()


@shared_task(name="monitoring.drop_old")
def drop_old() -> int:
    """Drop old partitions and groups that were evaluated hours ago; the beat calls it."""
    return partitions.drop_old() + partitions.drop_evaluated_groups()
