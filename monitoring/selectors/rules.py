"""Rules as screens and the evaluation ask for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from agents.enums import DeviceState
from agents.models import Device
from monitoring.domain import rules as domain
from monitoring.domain.selection import SILENCE, Selector, for_device
from monitoring.enums import AlertState
from monitoring.models import Rule, RuleState, RuleVersion
from msp.core.errors import NotVisible
from msp.core.scope import Principal


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule as the evaluation uses it: who it is for, and how the domain judges it."""

    rule: Rule
    version: RuleVersion
    selector: Selector
    judged: domain.Rule


def compiled(by: Principal, *, silence: bool) -> list[CompiledRule]:
    """Return the rules that are switched on, each with its newest version, in a fixed order.

    `silence` chooses between those on the silence of devices and those on samples.
    """
    versions = (
        RuleVersion.objects.filter(rule__in=Rule.objects.visible_to(by).enabled())
        .filter(Q(rule__metric=SILENCE) if silence else ~Q(rule__metric=SILENCE))
        .select_related("rule")
        .order_by("rule_id", "-number")
        .distinct("rule_id")
    )
    return [
        CompiledRule(version.rule, version, selector_of(version.rule), judged_by(version))
        for version in versions
    ]


def selector_of(rule: Rule) -> Selector:
    """Return what a rule is for, as the domain has it."""
    return Selector(
        rule_id=rule.pk or 0,
        metric=rule.metric,
        client_id=rule.client_id,
        replaces_id=rule.replaces_id,
        roles=frozenset(rule.roles),
        instance_pattern=rule.instance_pattern,
    )


def judged_by(version: RuleVersion) -> domain.Rule:
    """Return the figures of a version as the domain has them."""
    also = None
    if version.free_below_bytes is not None and version.free_clear_bytes is not None:
        also = domain.Condition(
            float(version.free_below_bytes), float(version.free_clear_bytes), domain.Side.BELOW
        )
    return domain.Rule(
        condition=domain.Condition(
            version.threshold, version.clear_threshold, domain.Side(version.side)
        ),
        also=also,
        for_seconds=version.for_seconds,
        keep_firing_for_seconds=version.keep_firing_for_seconds,
        nodata_after_seconds=version.nodata_after_seconds,
    )


def rules_for(rules: Iterable[CompiledRule], *, client_id: int, role: str) -> list[CompiledRule]:
    """Return the rules that are for a device of this client and role."""
    by_id = {one.rule.pk: one for one in rules}
    selectors = [one.selector for one in by_id.values()]
    return [by_id[one.rule_id] for one in for_device(selectors, client_id=client_id, role=role)]


def rule_list(user: Principal) -> QuerySet[Rule]:
    """Return all rules a person sees: switched-on first, those for all clients first, by name.

    Each carries `latest` figures (version number), and how many alerts are open.
    """
    newest = RuleVersion.objects.filter(rule=OuterRef("pk")).order_by("-number")
    return (  # type: ignore[no-any-return]
        Rule.objects.visible_to(user)
        .select_related("client", "replaces")
        .annotate(
            version_id=Subquery(newest.values("pk")[:1]),
            open_count=Count("alerts", filter=~Q(alerts__state=AlertState.CLOSED)),
        )
        .order_by("-is_enabled", "client__name", "name", "pk")
    )


def with_versions(rules: Iterable[Rule]) -> list[tuple[Rule, RuleVersion]]:
    """Pair rules of `rule_list` with their newest versions, in one query."""
    rows = list(rules)
    versions = RuleVersion.objects.in_bulk([row.version_id for row in rows])  # type: ignore[attr-defined]
    return [(row, versions[row.version_id]) for row in rows]  # type: ignore[attr-defined]


def get_rule(user: Principal, public_id: UUID | str) -> Rule:
    """Return a rule. Errors: NotVisible."""
    found: Rule | None = (
        Rule.objects.visible_to(user)
        .select_related("client", "replaces")
        .filter(public_id=public_id)
        .first()
    )
    if found is None:
        raise NotVisible
    return found


def versions_of(rule: Rule) -> QuerySet[RuleVersion]:
    """Return the versions of a rule, newest first."""
    return rule.versions.select_related("created_by").order_by("-number")


def replaceable(user: Principal) -> QuerySet[Rule]:
    """Return the rules for all clients, which a client's rule may stand in for."""
    return Rule.objects.visible_to(user).filter(client__isnull=True).order_by("name", "pk")  # type: ignore[no-any-return]


def watched_devices(user: Principal) -> QuerySet[Device]:
    """Return the devices that rules look at, among those a person sees."""
    return Device.objects.visible_to(user).current().filter(state=DeviceState.ACTIVE)  # type: ignore[no-any-return]


def matching_devices(
    user: Principal, *, metric: str, roles: Collection[str], client_id: int | None
) -> int:
    """Return how many devices, among those a person sees, a rule would be for."""
    selector = Selector(0, metric, client_id=client_id, roles=frozenset(roles))
    counts = (
        watched_devices(user).order_by().values_list("client_id", "role").annotate(n=Count("pk"))
    )
    return sum(n for owner, role, n in counts if selector.fits_device(owner, role))


def states_of_devices(by: Principal, device_ids: Collection[int]) -> QuerySet[RuleState]:
    """Return what rules know of the series of some devices."""
    return RuleState.objects.visible_to(by).filter(device_id__in=device_ids)  # type: ignore[no-any-return]
