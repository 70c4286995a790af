"""Make rules, alerts, and stored samples as the telemetry writer leaves them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.db import connection

from agents.models import Device, DeviceCheckin
from monitoring import services
from monitoring.enums import Severity
from monitoring.models import Alert, IngestGroup, Layout, Rule, RuleVersion
from monitoring.selectors.evaluation import open_alerts
from monitoring.services.rules import Figures
from msp.core import clock
from msp.core.scope import SystemPrincipal, acting_as

USED = "system.filesystem.utilization"
USAGE = "system.filesystem.usage"
LIMIT = "system.filesystem.limit"
CPU = "system.cpu.utilization"
GIB = 1024**3

_numbers = count(1)
_by = SystemPrincipal("factory")


def rule(name: str = "Volume nearly full", **fields: Any) -> Rule:
    """Make a rule that fires at once on 0.90 used and clears below 0.85, for all clients."""
    fields.setdefault("metric", USED)
    fields.setdefault("figures", Figures(0.90, 0.85, for_seconds=0))
    with acting_as(_by):
        return services.add_rule(by=_by, name=name, **fields)


def version(of: Rule) -> RuleVersion:
    """Return the newest version of a rule."""
    return of.versions.select_related("rule").order_by("-number")[0]


def alert(device: Device, of: Rule, *, instance: str = "/srv", **fields: Any) -> Alert:
    """Make an open alert without a ticket."""
    now = clock.now()
    fields.setdefault("severity", Severity.WARNING)
    fields.setdefault("opened_at", now - timedelta(minutes=5))
    with acting_as(_by):
        return Alert.objects.create(
            client_id=device.client_id,
            rule=of,
            rule_version=version(of),
            device=device,
            instance=instance,
            group_key=f"{device.pk}:system.filesystem",
            summary=f"volume {instance} is 93 % full",
            value=0.93,
            **fields,
        )


def report(
    device: Device,
    values: Mapping[tuple[str, str], float | None] | float,
    *,
    at: datetime | None = None,
    arrived: datetime | None = None,
) -> IngestGroup:
    """Store one report of one sample and its group; a plain number is how full /srv is."""
    if isinstance(values, float):
        values = volume("/srv", values)
    return reports([(device, values, at or clock.now())], arrived=arrived)


def volume(instance: str, used: float, *, size: int = 100 * GIB) -> dict[tuple[str, str], float]:
    """Return the three values of a volume."""
    return {(USED, instance): used, (USAGE, instance): used * size, (LIMIT, instance): float(size)}


def reports(
    rows: Sequence[tuple[Device, Mapping[tuple[str, str], float | None], datetime]],
    *,
    arrived: datetime | None = None,
) -> IngestGroup:
    """Store samples of several devices and the one group that committed them."""
    number = next(_numbers)
    committed = arrived or clock.now()
    with acting_as(_by), connection.cursor() as cursor:
        for device, values, at in rows:
            cursor.execute("SELECT monitoring_make_partition('monitoring_sample', %s)", [at])
            cursor.execute(
                "INSERT INTO monitoring_sample VALUES (%s, %s, %s, 1, %s, %s)",
                [
                    device.pk,
                    at,
                    _layout(list(values)).pk,
                    number,
                    [float("nan") if value is None else value for value in values.values()],
                ],
            )
            checkin(device, at=committed, sample_at=at)
        return IngestGroup.objects.create(
            node="test",
            number=number,
            committed_at=committed,
            devices=[device.pk for device, _values, _at in rows],
            epochs=[1 for _row in rows],
            seqs=[number for _row in rows],
            ts_from=[at for _device, _values, at in rows],
            ts_to=[at for _device, _values, at in rows],
        )


def checkin(
    device: Device, *, at: datetime, sample_at: datetime | None = None, power: str = "on"
) -> None:
    """Note when a device last reported."""
    with acting_as(_by):
        DeviceCheckin.objects.update_or_create(
            device=device,
            defaults={
                "client_id": device.client_id,
                "last_report_at": at,
                "last_sample_at": sample_at or at,
                "epoch": 1,
                "power": power,
            },
        )


def open_of(device: Device) -> list[Alert]:
    """Return the open alerts of a device, oldest first."""
    with acting_as(_by):
        return list(open_alerts(_by, [device.pk]).order_by("pk"))


def _layout(series: list[tuple[str, str]]) -> Layout:
    text = json.dumps([list(one) for one in series], separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).digest()[:8]
    made, _ = Layout.objects.get_or_create(
        digest=digest, defaults={"series": [list(one) for one in series]}
    )
    return made
