"""What the evaluation reads: waiting groups, the devices in them, alerts that owe a ticket."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from agents.enums import DeviceState
from agents.models import Device, DeviceCheckin
from monitoring.domain.selection import SILENCE
from monitoring.enums import AlertState
from monitoring.models import Alert, IngestGroup, RuleState
from msp.core.scope import Principal
from tickets.enums import Status
from tickets.models import Ticket

_DONE = (Status.RESOLVED, Status.CLOSED)


def waiting_groups(limit: int) -> list[int]:
    """Return the oldest committed groups nobody has evaluated, in the order of their commits."""
    return list(
        IngestGroup.objects.filter(evaluated_at__isnull=True)
        .order_by("id")
        .values_list("pk", flat=True)[:limit]
    )


def earlier_waiting(group_ids: Collection[int]) -> list[int]:
    """Return waiting groups before the last of these with reports of their devices, oldest first.

    They are judged first: a sample older than the last one judged would be passed over.
    """
    lists = IngestGroup.objects.filter(pk__in=group_ids).values_list("devices", flat=True)
    devices = sorted({device_id for devices in lists for device_id in devices})
    if not devices:
        return []
    return list(
        IngestGroup.objects.filter(
            evaluated_at__isnull=True, pk__lt=max(group_ids), devices__overlap=devices
        )
        .order_by("pk")
        .values_list("pk", flat=True)
    )


def lock_waiting(group_ids: Collection[int]) -> list[IngestGroup]:
    """Lock those of the groups that still wait; whoever comes second waits, and gets none."""
    return list(
        IngestGroup.objects.select_for_update()
        .filter(pk__in=group_ids, evaluated_at__isnull=True)
        .order_by("pk")
    )


def newest_waiting(device_ids: Collection[int]) -> dict[int, int]:
    """Return the newest group that waits with reports of each device; none for the others."""
    found: dict[int, int] = {}
    waiting = IngestGroup.objects.filter(
        evaluated_at__isnull=True, devices__overlap=sorted(device_ids)
    )
    for group_id, devices in waiting.order_by("pk").values_list("pk", "devices"):
        found |= dict.fromkeys(devices, group_id)
    return found


def active_devices(by: Principal, device_ids: Collection[int]) -> dict[int, Device]:
    """Return the devices that are watched, by key; pending and retired ones are not."""
    rows = Device.objects.visible_to(by).current().filter(pk__in=device_ids)
    return {row.pk: row for row in rows.filter(state=DeviceState.ACTIVE)}


def newest_commit() -> datetime | None:
    """Return when the newest report of any device was committed, None before the first."""
    # By key, which has an index; groups are numbered in about the order of their commits.
    return IngestGroup.objects.order_by("-pk").values_list("committed_at", flat=True).first()


def open_alerts(by: Principal, device_ids: Collection[int]) -> QuerySet[Alert]:
    """Return the open alerts of some devices, ready for the words on their tickets."""
    return (  # type: ignore[no-any-return]
        Alert.objects.visible_to(by)
        .open()
        .filter(device_id__in=device_ids)
        .select_related("rule", "rule_version", "device", "ticket")
    )


def owing_a_ticket(by: Principal, device_ids: Collection[int]) -> list[Alert]:
    """Return open alerts that should have an open ticket and have none, oldest first."""
    return list(
        open_alerts(by, device_ids)
        .filter(Q(ticket__isnull=True) | Q(ticket__status__in=_DONE), rule__opens_ticket=True)
        .order_by("opened_at", "pk")
    )


def lock_tickets_of_groups(
    by: Principal, client_ids: Collection[int], group_keys: Collection[str]
) -> dict[tuple[int, str], Ticket]:
    """Lock the tickets that open alerts of these groups have, and return the open ones.

    In the order of their keys and before any ticket is opened, so that two workers, or a worker
    and a technician, never wait for each other.
    """
    pairs = {
        ticket_id: (client_id, key)
        for client_id, key, ticket_id in Alert.objects.visible_to(by)
        .open()
        .filter(client_id__in=client_ids, group_key__in=group_keys, ticket__isnull=False)
        .order_by("ticket_id")
        .values_list("client_id", "group_key", "ticket_id")
    }
    locked = (
        Ticket.objects.visible_to(by)
        .select_for_update(of=("self",))
        .filter(pk__in=pairs)
        .order_by("pk")
    )
    return {pairs[ticket.pk]: ticket for ticket in locked if ticket.is_open}


@dataclass(frozen=True, slots=True)
class LastSeen:
    """A device with what the sweep for silence needs."""

    device: Device
    last_report_at: datetime
    is_off: bool


def silent_since(by: Principal, before: datetime, roles: Collection[str]) -> list[LastSeen]:
    """Return watched devices of these roles whose last report is not after an instant."""
    return _last_seen(
        DeviceCheckin.objects.visible_to(by).filter(
            last_report_at__lte=before, device__role__in=roles
        )
    )


def last_seen(by: Principal, device_ids: Collection[int]) -> list[LastSeen]:
    """Return the same of some devices by key."""
    return _last_seen(DeviceCheckin.objects.visible_to(by).filter(device_id__in=device_ids))


def _last_seen(rows: QuerySet[DeviceCheckin]) -> list[LastSeen]:
    rows = rows.filter(
        device__state=DeviceState.ACTIVE, device__merged_into__isnull=True
    ).select_related("device")
    return [
        # Asleep or shut down: it said goodbye, so its silence is no news.
        LastSeen(row.device, row.last_report_at, row.power != "on")
        for row in rows.order_by("device_id")
    ]


def alerting_states(by: Principal, metric: str) -> list[RuleState]:
    """Return the states of a metric's rules that have an alert open."""
    return list(
        RuleState.objects.visible_to(by).filter(
            rule__metric=metric, rule__is_enabled=True, fired_ms__isnull=False
        )
    )


def states_gone_silent(by: Principal, before_ms: int, limit: int) -> QuerySet[RuleState]:
    """Return states whose last sample is older than an instant and that are not yet unknown."""
    return (  # type: ignore[no-any-return]
        RuleState.objects.visible_to(by)
        .exclude(state="nodata")
        .filter(last_ms__lte=before_ms, rule__is_enabled=True)
        .exclude(rule__metric=SILENCE)
        .select_related("device")
        .order_by("last_ms", "pk")[:limit]
    )


def alerts_of_gone_devices(by: Principal) -> QuerySet[Alert]:
    """Return open alerts of devices that are no longer in use."""
    return (  # type: ignore[no-any-return]
        Alert.objects.visible_to(by)
        .exclude(state=AlertState.CLOSED)
        .filter(Q(device__state=DeviceState.RETIRED) | Q(device__merged_into__isnull=False))
        .select_related("rule", "rule_version", "device", "ticket")
        .order_by("pk")
    )
