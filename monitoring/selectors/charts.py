"""The figures behind an alert, for its chart."""

from __future__ import annotations

from datetime import datetime, timedelta

from agents import selectors as agent_selectors
from monitoring.domain.selection import SILENCE
from monitoring.models import Alert
from monitoring.selectors.telemetry import TimeSeriesStore
from msp.core import clock
from msp.core.scope import Principal

#: What is shown before an alert opened, so that its beginning is seen.
BEFORE = timedelta(hours=6)
AFTER = timedelta(hours=2)
POINTS = 400


def points_of(user: Principal, alert: Alert) -> list[tuple[datetime, float | None]]:
    """Return the series of an alert from before it opened until it was over, gaps as None.

    Silence has no series. A device that the person does not see has none either.
    """
    if alert.rule.metric == SILENCE or not agent_selectors.devices_by_id(user, [alert.device_id]):
        return []
    end = clock.now() if alert.closed_at is None else alert.closed_at + AFTER
    points = TimeSeriesStore().series(
        alert.device_id,
        alert.rule.metric,
        alert.instance,
        alert.opened_at - BEFORE,
        min(end, clock.now()) + timedelta(seconds=1),
        POINTS,
    )
    return [(point.ts, point.value) for point in points]
