"""Judge committed samples by the rules, once, and do what follows in the same transaction.

A message after each commit says which group is new; the sweep finds what a lost message missed.
Both take the group's row and the locks of its devices, so two workers never judge the same device
at once, and whoever comes second finds the group evaluated.

Here each series is judged by itself. The arrays of a whole batch, judged at once by numpy, take
the place of `_judge_series`; what is read, written and locked around it stays.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db import transaction

from agents.models import Device
from monitoring.domain import rules as domain
from monitoring.domain.selection import free_parts
from monitoring.enums import RuleState as State
from monitoring.models import Alert, IngestGroup, RuleState
from monitoring.selectors import evaluation as selectors
from monitoring.selectors import rules as rule_selectors
from monitoring.selectors.rules import CompiledRule
from monitoring.selectors.telemetry import Row, TimeSeriesStore
from monitoring.services import alerts as alert_services
from monitoring.services.locks import lock_devices
from msp.core import clock
from msp.core.scope import Principal, SystemPrincipal

log = logging.getLogger(__name__)

#: Groups judged in one transaction. Larger ones hold the locks of more devices for longer.
BATCH = 100
#: Groups one run of the sweep takes; the next run takes the rest.
SWEEP = 2000
_STATE_FIELDS = ["state", "since_ms", "last_ms", "last_value", "fired_ms", "last_group_id"]

SeriesKey = tuple[int, int, str]


@dataclass(slots=True)
class Series:
    """One rule over one series: what was known of it, and the samples that came."""

    rule: CompiledRule
    device: Device
    instance: str
    samples: list[domain.Sample] = field(default_factory=list)
    group_id: int | None = None

    @property
    def key(self) -> SeriesKey:
        return self.rule.rule.pk, self.device.pk, self.instance


def evaluate_group(group_id: int, *, by: Principal | None = None) -> int:
    """Judge one committed group, and before it those that wait with the same devices.

    Returns how many groups were evaluated: 0 if another worker was first.
    """
    return evaluate_groups([group_id], by=by)


def evaluate_groups(group_ids: Collection[int], *, by: Principal | None = None) -> int:
    """Judge committed groups, in batches, and before them those that wait with the same devices.

    Returns how many groups were evaluated: none that another worker was first with.
    """
    by = by or SystemPrincipal("Monitoring")
    ordered = sorted(set(group_ids))
    done = 0
    for start in range(0, len(ordered), BATCH):
        batch = ordered[start : start + BATCH]
        done += _evaluate({*selectors.earlier_waiting(batch), *batch}, by=by)
    return done


def evaluate_due(*, by: Principal | None = None, limit: int = SWEEP) -> int:
    """Judge every committed group that waits, oldest first; return how many.

    A group that cannot be judged does not hold up the others: it is logged, and tried again by the
    next sweep.
    """
    by = by or SystemPrincipal("Monitoring")
    waiting = selectors.waiting_groups(limit)
    done = 0
    for start in range(0, len(waiting), BATCH):
        batch = waiting[start : start + BATCH]
        try:
            done += _evaluate(batch, by=by)
        except Exception:
            log.exception("A batch of %d groups failed; judging them one by one.", len(batch))
            done += sum(_evaluate_alone(group_id, by=by) for group_id in batch)
    return done


def _evaluate_alone(group_id: int, *, by: Principal) -> int:
    try:
        return _evaluate([group_id], by=by)
    except Exception:
        log.exception("Group %d could not be judged; the next sweep tries again.", group_id)
        return 0


@transaction.atomic
def _evaluate(group_ids: Collection[int], *, by: Principal) -> int:
    groups = selectors.lock_waiting(group_ids)
    if not groups:
        return 0
    device_ids = {device_id for group in groups for device_id in group.devices}
    lock_devices(device_ids)
    # Marked first, so that "still waiting" below means other groups than these.
    IngestGroup.objects.filter(pk__in=[group.pk for group in groups]).update(
        evaluated_at=clock.now()
    )
    devices = selectors.active_devices(by, device_ids)
    series = _gather(groups, devices, by=by)
    judge_all(series, by=by)
    alert_services.open_due_tickets(set(devices), by=by)
    return len(groups)


def judge_all(series: Collection[Series], *, by: Principal) -> None:
    """Judge series, write their states, and raise and clear the alerts that follow.

    The caller holds the locks of their devices.
    """
    device_ids = {one.device.pk for one in series}
    states = {
        (row.rule_id, row.device_id, row.instance): row
        for row in rule_selectors.states_of_devices(by, device_ids)
    }
    standing = {
        (alert.rule_id, alert.device_id, alert.instance): alert
        for alert in selectors.open_alerts(by, device_ids)
    }
    rows = []
    for one in series:
        before = state_of(states.get(one.key))
        after, changes = _judge_series(one, before)
        if after != before:
            rows.append(row_of(one, after))
        if changes:
            follow(one, changes, standing.get(one.key), by=by)
    save_states(rows)


def follow(
    one: Series, changes: Iterable[domain.Transition], alert: Alert | None, *, by: Principal
) -> None:
    """Do what each change of a series means for its alert, in the order of sample time."""
    samples = {sample.ts_ms: sample for sample in one.samples}
    for change in changes:
        at = moment(change.at_ms)
        if alert is None:
            if change.to == State.FIRING and change.value is not None:
                sample = samples.get(change.at_ms)
                alert, _made = alert_services.raise_alert(
                    by=by,
                    version=one.rule.version,
                    device=one.device,
                    instance=one.instance,
                    value=change.value,
                    free_bytes=None if sample is None else sample.second,
                    at=at,
                    was=change.source,
                    ticket_now=False,
                )
        elif change.to == State.OK:
            alert_services.clear_alert(
                alert, by=by, at=at, was=change.source, to=change.to, value=change.value
            )
            alert = None
        else:
            alert_services.note_change(alert, change.source, change.to, at=at, value=change.value)


def state_of(row: RuleState | None) -> domain.SeriesState:
    """Return a stored state as the domain has it; nothing stored is the beginning."""
    if row is None:
        return domain.SeriesState()
    return domain.SeriesState(
        State(row.state), row.since_ms, row.last_ms, row.last_value, row.fired_ms
    )


def row_of(one: Series, state: domain.SeriesState) -> RuleState:
    """Return a domain state as a row to store."""
    return RuleState(
        client_id=one.device.client_id,
        device=one.device,
        rule=one.rule.rule,
        instance=one.instance,
        state=state.state,
        since_ms=state.since_ms,
        last_ms=state.last_ms,
        last_value=state.last_value,
        fired_ms=state.fired_ms,
        last_group_id=one.group_id,
    )


def save_states(rows: list[RuleState]) -> None:
    """Write states, new and known, in one statement."""
    if rows:
        RuleState.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["rule", "device", "instance"],
            update_fields=_STATE_FIELDS,
        )


def moment(ms: int) -> datetime:
    """Return a sample time as an aware instant."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def _judge_series(
    one: Series, before: domain.SeriesState
) -> tuple[domain.SeriesState, tuple[domain.Transition, ...]]:
    one.samples.sort(key=lambda sample: sample.ts_ms)
    return domain.judge_series(one.rule.judged, one.samples, before)


def _gather(
    groups: Iterable[IngestGroup], devices: dict[int, Device], *, by: Principal
) -> list[Series]:
    """Return the series that rules are for, with the samples these groups brought."""
    rules = rule_selectors.compiled(by, silence=False)
    own: dict[int, list[CompiledRule]] = {}
    found: dict[SeriesKey, Series] = {}
    store = TimeSeriesStore()
    for group in groups:
        for row in store.rows_of_group(group):
            device = devices.get(row.device_id)
            if device is None:
                continue
            if device.pk not in own:
                own[device.pk] = rule_selectors.rules_for(
                    rules, client_id=device.client_id, role=device.role
                )
            _take(row, device, own[device.pk], found, group_id=group.pk)
    return list(found.values())


def _take(
    row: Row,
    device: Device,
    rules: Iterable[CompiledRule],
    found: dict[SeriesKey, Series],
    *,
    group_id: int,
) -> None:
    """Add one row's values to the series of the rules that watch them."""
    values = row.as_dict()
    arrived_ms = round(row.arrived_at.timestamp() * 1000)
    for rule in rules:
        for (metric, instance), value in values.items():
            if metric != rule.selector.metric or not rule.selector.fits_instance(instance):
                continue
            key = (rule.rule.pk, device.pk, instance)
            one = found.setdefault(key, Series(rule, device, instance))
            one.samples.append(
                domain.Sample(row.ts_ms, value, arrived_ms, _free(metric, instance, values))
            )
            one.group_id = max(one.group_id or 0, group_id)


def _free(metric: str, instance: str, values: dict[tuple[str, str], float]) -> float | None:
    """Return what is free of the thing, in bytes, where the row has its usage and its limit."""
    parts = free_parts(metric)
    if parts is None:
        return None
    usage, limit = (values.get((part, instance)) for part in parts)
    return None if usage is None or limit is None else limit - usage
