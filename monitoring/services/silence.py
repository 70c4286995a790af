"""Find out who has fallen silent: series become unknown, servers are reported offline.

Silence counts only while we were listening (`monitoring.domain.silence`): our own restart or down
time makes nobody offline, and where nobody at all reports, that is our incident and no device's.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from agents.enums import DeviceRole
from monitoring.domain import rules as domain
from monitoring.domain import silence
from monitoring.domain.selection import SILENCE
from monitoring.enums import RuleState as State
from monitoring.models import Listening, RuleState
from monitoring.selectors import evaluation as selectors
from monitoring.selectors import rules as rule_selectors
from monitoring.selectors.evaluation import LastSeen
from monitoring.selectors.rules import CompiledRule
from monitoring.services import alerts as alert_services
from monitoring.services import evaluate
from monitoring.services.evaluate import Series, moment
from monitoring.services.locks import lock_devices, only_sweep
from msp.core.scope import Principal, SystemPrincipal

_SWEEP_LOCK = 1
_SPAN = "ingest"
#: States turned unknown by one run of the sweep; the next takes the rest.
MOST_STATES = 2000
#: Roles that may be offline at all; see `monitoring.domain.selection`.
_ROLES = (DeviceRole.SERVER, DeviceRole.NETWORK)


def sweep_silence(*, by: Principal | None = None) -> int:
    """Look once at who is silent; return how many series were judged.

    Does nothing while another worker looks.
    """
    by = by or SystemPrincipal("Monitoring")
    judged = 0
    for step in (_judge_offline, _make_unknown):
        with transaction.atomic():
            if not only_sweep(_SWEEP_LOCK):
                return judged
            span = _listen()
            if span is not None:
                judged += step(span, by=by)
    _leave_gone_devices(by=by)
    return judged


def _listen() -> tuple[int, int] | None:
    """Take note of the newest report of anybody; return the span of listening in ms."""
    row = Listening.objects.select_for_update().filter(pk=_SPAN).first()
    newest = selectors.newest_commit()
    before = None if row is None else (_ms(row.since), _ms(row.until))
    span = silence.next_span(before, None if newest is None else _ms(newest))
    if span is not None and span != before:
        Listening.objects.update_or_create(
            name=_SPAN, defaults={"since": moment(span[0]), "until": moment(span[1])}
        )
    return span


def _judge_offline(span: tuple[int, int], *, by: Principal) -> int:
    """Judge the silence of servers and network devices; a report ends it."""
    rules = rule_selectors.compiled(by, silence=True)
    if not rules:
        return 0
    shortest_ms = int(min(one.version.threshold for one in rules) * 1000)
    # One more, for what a stored time has beyond the millisecond.
    suspects = selectors.silent_since(by, moment(span[1] - shortest_ms + 1), _ROLES)
    alerting = selectors.alerting_states(by, SILENCE)
    devices = {one.device.pk for one in suspects} | {row.device_id for row in alerting}
    lock_devices(devices)
    # Read again under the lock: who reported meanwhile is not silent.
    fired = {(row.rule_id, row.device_id) for row in selectors.alerting_states(by, SILENCE)}
    series = [
        one
        for seen in selectors.last_seen(by, devices)
        for one in _series(seen, rules, fired, span)
    ]
    evaluate.judge_all(series, by=by)
    alert_services.open_due_tickets(devices, by=by)
    return len(series)


def _series(
    seen: LastSeen,
    rules: Iterable[CompiledRule],
    fired: set[tuple[int, int]],
    span: tuple[int, int],
) -> list[Series]:
    """Return a device's silence as one sample for each rule that watches it."""
    device, last_ms = seen.device, _ms(seen.last_report_at)
    found = []
    for rule in rule_selectors.rules_for(rules, client_id=device.client_id, role=device.role):
        if seen.is_off:
            lasted = 0
        elif (rule.rule.pk, device.pk) in fired:
            # Once offline only a report ends it: our own pause since then proves nothing.
            lasted = max(0, span[1] - last_ms)
        else:
            lasted = silence.silent_ms(span, last_ms)
        if lasted < rule.version.threshold * 1000 and (rule.rule.pk, device.pk) not in fired:
            continue
        one = Series(rule, device, "")
        one.samples.append(domain.Sample(span[1], lasted / 1000, span[1]))
        found.append(one)
    return found


def _make_unknown(span: tuple[int, int], *, by: Principal) -> int:
    """Turn the states of series unknown from which nothing has come for three intervals."""
    rules = {one.rule.pk: one for one in rule_selectors.compiled(by, silence=False)}
    if not rules:
        return 0
    shortest_ms = min(one.judged.nodata_after_seconds for one in rules.values()) * 1000
    quiet = list(selectors.states_gone_silent(by, span[1] - shortest_ms, MOST_STATES))
    lock_devices({row.device_id for row in quiet})
    fresh = {
        row.pk: row
        for row in RuleState.objects.visible_to(by)
        .filter(pk__in=[row.pk for row in quiet])
        .select_related("device")
    }
    standing = {
        (alert.rule_id, alert.device_id, alert.instance): alert
        for alert in selectors.open_alerts(by, {row.device_id for row in quiet})
    }
    rows = []
    for row in fresh.values():
        rule = rules.get(row.rule_id)
        if rule is None or row.last_ms is None or row.state == State.NODATA:
            continue
        before = evaluate.state_of(row)
        after, changes = domain.judge_silence(
            rule.judged, before, row.last_ms + silence.silent_ms(span, row.last_ms)
        )
        if after == before:
            continue
        one = Series(rule, row.device, row.instance, group_id=row.last_group_id)
        rows.append(evaluate.row_of(one, after))
        evaluate.follow(
            one, changes, standing.get((row.rule_id, row.device_id, row.instance)), by=by
        )
    evaluate.save_states(rows)
    return len(rows)


@transaction.atomic
def _leave_gone_devices(*, by: Principal) -> None:
    """Close the alerts of devices that were retired or merged away."""
    gone = list(selectors.alerts_of_gone_devices(by))
    alert_services.close_alerts(gone, by=by, why=_("The device is no longer in use."))


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
