"""Make and change rules. Figures are never changed: a change adds a version."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from agents.enums import DeviceRole
from clients.models import Client
from monitoring.domain import rules as domain
from monitoring.domain.rules import Side
from monitoring.domain.selection import SILENCE, Selector, free_parts
from monitoring.enums import Severity
from monitoring.models import Rule, RuleVersion
from monitoring.services.alerts import close_alerts_of_rule
from msp.core import audit
from msp.core.errors import BadInput, NotAllowed, NotVisible
from msp.core.models import User
from msp.core.permissions import reach, require
from msp.core.scope import Principal

GIB = 1024**3
MINUTE = 60
DAY = 24 * 60 * MINUTE
#: Three intervals of 60 s without a sample make a state unknown; telemetry.md section 9.
NODATA_AFTER_SECONDS = 3 * MINUTE
_PERMISSION = "monitoring.rules"


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one version, in the unit of the metric (ratios 0-1) and in seconds.

    `free_below_bytes` and `free_clear_bytes` come together or not at all.
    """

    threshold: float
    clear_threshold: float
    side: Side = Side.ABOVE
    free_below_bytes: int | None = None
    free_clear_bytes: int | None = None
    for_seconds: int = 2 * MINUTE
    keep_firing_for_seconds: int = 0
    nodata_after_seconds: int = NODATA_AFTER_SECONDS


@transaction.atomic
def add_rule(
    *,
    by: Principal,
    name: str,
    metric: str,
    figures: Figures,
    severity: str = Severity.WARNING,
    client_id: int | None = None,
    replaces_id: int | None = None,
    roles: Collection[str] = (),
    instance_pattern: str = "",
    is_enabled: bool = True,
    opens_ticket: bool = True,
    key: str = "",
) -> Rule:
    """Make a rule for all clients, or for one, with its first version.

    Errors: NotVisible for a client or a rule not seen; NotAllowed without the right, or for all
    clients by somebody who does not see them all; BadInput for figures that contradict themselves.
    """
    _require(by, client_id)
    if client_id is not None and not Client.objects.visible_to(by).filter(pk=client_id).exists():
        raise NotVisible
    if replaces_id is not None:
        _check_replaces(by, replaces_id, client_id=client_id)
    _check(metric, figures, roles=roles, severity=severity, name=name)
    try:
        with transaction.atomic():
            rule: Rule = Rule.objects.create(
                key=key,
                client_id=client_id,
                replaces_id=replaces_id,
                name=name.strip(),
                metric=metric,
                instance_pattern=instance_pattern.strip(),
                roles=sorted(roles),
                severity=severity,
                is_enabled=is_enabled,
                opens_ticket=opens_ticket,
                created_by=by if isinstance(by, User) else None,
            )
    except IntegrityError as error:
        raise BadInput(
            _("Another rule of this client stands in for that one already."), field="replaces"
        ) from error
    _add_version(rule, 1, figures, by=by)
    if rule.replaces is not None:
        close_alerts_of_rule(rule.replaces, keep=lambda alert: alert.client_id != client_id)
    audit.record(
        "rule.added",
        rule,
        by=by,
        client_id=client_id,
        after={"name": rule.name, "metric": metric, **_plain(figures)},
    )
    return rule


@transaction.atomic
def change_rule(
    public_id: UUID | str,
    *,
    by: Principal,
    figures: Figures | None = None,
    **changes: Any,
) -> Rule:
    """Change a rule's words and filters, and its figures by a new version where they differ.

    `changes`: name, severity, roles, instance_pattern, is_enabled, opens_ticket. Switching a rule
    off, or off for some devices, closes the alerts it no longer stands for.
    Errors: NotVisible; NotAllowed; BadInput.
    """
    rule: Rule | None = (
        Rule.objects.visible_to(by)
        # Not FOR UPDATE: an evaluation that adds an alert of this rule need not wait, or deadlock.
        .select_for_update(of=("self",), no_key=True)
        .filter(public_id=public_id)
        .first()
    )
    if rule is None:
        raise NotVisible
    _require(by, rule.client_id)
    allowed = {"name", "severity", "roles", "instance_pattern", "is_enabled", "opens_ticket"}
    if unknown := set(changes) - allowed:
        raise BadInput(_("A rule has no %(what)s to change.") % {"what": ", ".join(unknown)})
    newest = rule.versions.order_by("-number")[0]
    before = _figures(newest)
    after = figures or before
    if "roles" in changes:
        changes["roles"] = sorted(changes["roles"])
    for text in ("name", "instance_pattern"):
        if text in changes:
            changes[text] = changes[text].strip()
    changed = {key: value for key, value in changes.items() if getattr(rule, key) != value}
    old = {key: getattr(rule, key) for key in changed}
    for key, value in changed.items():
        setattr(rule, key, value)
    _check(rule.metric, after, roles=rule.roles, severity=rule.severity, name=rule.name)
    if changed:
        rule.save(update_fields=sorted(changed))
    if after != before:
        _add_version(rule, newest.number + 1, after, by=by)
        old |= _plain(before)
        changed |= _plain(after)
    if changed:
        audit.record(
            "rule.changed", rule, by=by, client_id=rule.client_id, before=old, after=changed
        )
        _close_what_it_left(rule)
    return rule


def ensure_default_rules(*, by: Principal) -> list[Rule]:
    """Make the rules a fresh installation comes with, where their keys are missing.

    One that was changed or switched off stays as it is. Returns those made now.
    Errors: NotAllowed.
    """
    present = set(Rule.objects.visible_to(by).exclude(key="").values_list("key", flat=True))
    return [add_rule(by=by, **fields) for fields in default_rules() if fields["key"] not in present]


def default_rules() -> list[dict[str, Any]]:
    """Return what a service desk can live with: full volumes and silent servers open tickets."""
    return [
        {
            "key": "volume-nearly-full",
            "name": _("Volume nearly full"),
            "metric": "system.filesystem.utilization",
            # A big volume at 90 % has room for weeks, so the bytes count as well.
            "figures": Figures(
                0.90,
                0.85,
                free_below_bytes=20 * GIB,
                free_clear_bytes=25 * GIB,
                for_seconds=2 * MINUTE,
            ),
            "instance_pattern": "!/boot/efi, !/snap/*, !/run/*, !/sys/*",
        },
        {
            "key": "server-offline",
            "name": _("Server offline"),
            "metric": SILENCE,
            "figures": Figures(5 * MINUTE, 5 * MINUTE, for_seconds=0),
            "severity": Severity.CRITICAL,
            "roles": [DeviceRole.SERVER, DeviceRole.NETWORK],
        },
        {
            "key": "service-down",
            "name": _("Service not running"),
            "metric": "msp.service.up",
            # Two looks: a restart for an update is none of anybody's business.
            "figures": Figures(0.0, 0.0, Side.BELOW, for_seconds=2 * MINUTE),
            "severity": Severity.CRITICAL,
            "roles": [DeviceRole.SERVER],
        },
        {
            "key": "clock-wrong",
            "name": _("Clock wrong"),
            "metric": "msp.clock.offset",
            # Signing in to a domain fails from 300 s on.
            "figures": Figures(60.0, 30.0, for_seconds=15 * MINUTE),
            "roles": [DeviceRole.SERVER],
        },
        {
            "key": "updates-old",
            "name": _("No updates for a month"),
            "metric": "msp.updates.age",
            "figures": Figures(30.0 * DAY, 29.0 * DAY, for_seconds=15 * MINUTE),
            "roles": [DeviceRole.SERVER],
            "opens_ticket": False,
        },
        {
            "key": "cpu-busy",
            "name": _("Processor busy"),
            "metric": "system.cpu.utilization",
            "figures": Figures(
                0.95, 0.85, for_seconds=15 * MINUTE, keep_firing_for_seconds=5 * MINUTE
            ),
            "roles": [DeviceRole.SERVER],
            "opens_ticket": False,
        },
        {
            "key": "memory-short",
            "name": _("Memory short"),
            "metric": "system.memory.utilization",
            "figures": Figures(
                0.95, 0.90, for_seconds=15 * MINUTE, keep_firing_for_seconds=5 * MINUTE
            ),
            "roles": [DeviceRole.SERVER],
            "opens_ticket": False,
        },
    ]


def _require(by: Principal, client_id: int | None) -> None:
    """Ask for the right; a rule for all clients needs somebody who may see them all."""
    require(by, _PERMISSION, client_id)
    if client_id is None and reach(by, _PERMISSION) is not None:
        raise NotAllowed(_("Rules for all clients are for people who see all clients."))


def _check_replaces(by: Principal, replaces_id: int, *, client_id: int | None) -> None:
    replaced = Rule.objects.visible_to(by).filter(pk=replaces_id).first()
    if replaced is None:
        raise NotVisible
    if client_id is None or replaced.client_id is not None:
        raise BadInput(
            _("Only a client's rule may stand in for one of all clients."), field="replaces"
        )


def _check(
    metric: str, figures: Figures, *, roles: Iterable[str], severity: str, name: str
) -> None:
    """Refuse what could never fire rightly.

    Errors: BadInput.
    """
    if not name.strip():
        raise BadInput(_("Give the rule a name in words."), field="name")
    if not metric.strip():
        raise BadInput(_("Say what is measured."), field="metric")
    if severity not in Severity.values:
        raise BadInput(_("This is not one of the choices."), field="severity")
    roles = set(roles)
    if roles - set(DeviceRole.values):
        raise BadInput(_("This is not one of the choices."), field="roles")
    if metric == SILENCE and roles == {DeviceRole.WORKSTATION.value}:
        raise BadInput(
            _("Workstations are switched off by people; they are never offline."), field="roles"
        )
    if metric == SILENCE and figures.for_seconds:
        raise BadInput(_("Silence waits by its threshold already."), field="for_seconds")
    if (figures.free_below_bytes is None) != (figures.free_clear_bytes is None):
        raise BadInput(
            _("Give both sizes, the one that fires and the one that clears, or none."),
            field="free_clear_bytes" if figures.free_clear_bytes is None else "free_below_bytes",
        )
    if figures.free_below_bytes is not None and free_parts(metric) is None:
        raise BadInput(_("This metric has no free bytes."), field="free_below_bytes")
    try:
        domain.Condition(figures.threshold, figures.clear_threshold, figures.side)
    except ValueError as error:
        raise BadInput(
            _("It must clear on the good side of the threshold that fires."),
            field="clear_threshold",
        ) from error
    try:
        _as_judged(figures)
    except ValueError as error:
        raise BadInput(
            _("The volume must clear at more free bytes than it fires at, and times count upward."),
            field="free_clear_bytes",
        ) from error


def _as_judged(figures: Figures) -> domain.Rule:
    also = None
    if figures.free_below_bytes is not None and figures.free_clear_bytes is not None:
        also = domain.Condition(
            float(figures.free_below_bytes), float(figures.free_clear_bytes), Side.BELOW
        )
    return domain.Rule(
        domain.Condition(figures.threshold, figures.clear_threshold, figures.side),
        also,
        figures.for_seconds,
        figures.keep_firing_for_seconds,
        nodata_after_seconds=figures.nodata_after_seconds,
    )


def _add_version(rule: Rule, number: int, figures: Figures, *, by: Principal) -> RuleVersion:
    return RuleVersion.objects.create(
        rule=rule,
        number=number,
        created_by=by if isinstance(by, User) else None,
        **asdict(figures),
    )


def _figures(version: RuleVersion) -> Figures:
    return Figures(
        version.threshold,
        version.clear_threshold,
        Side(version.side),
        version.free_below_bytes,
        version.free_clear_bytes,
        version.for_seconds,
        version.keep_firing_for_seconds,
        version.nodata_after_seconds,
    )


def _plain(figures: Figures) -> dict[str, Any]:
    return {key: str(value) if key == "side" else value for key, value in asdict(figures).items()}


def _close_what_it_left(rule: Rule) -> None:
    """Close open alerts of series that the rule is no longer for."""
    selector = Selector(
        rule.pk,
        rule.metric,
        client_id=rule.client_id,
        roles=frozenset(rule.roles),
        instance_pattern=rule.instance_pattern,
    )
    close_alerts_of_rule(
        rule,
        keep=lambda alert: (
            rule.is_enabled
            and selector.fits_device(alert.client_id, alert.device.role)
            and selector.fits_instance(alert.instance)
        ),
    )
