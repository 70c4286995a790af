"""Rules are changed by new versions, by people who may, and leave no alert behind."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agents.enums import DeviceRole
from agents.models import Device
from monitoring import services
from monitoring.domain.selection import SILENCE
from monitoring.models import Alert, Rule, RuleState, RuleVersion
from monitoring.services.rules import GIB, Figures, default_rules
from msp.core import clock
from msp.core.enums import GrantScope
from msp.core.errors import BadInput, NotAllowed, NotVisible
from msp.core.models import AuditEntry, User
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories import agents as agent_factories
from tests.factories import clients as client_factories
from tests.factories import core as core_factories
from tests.factories import monitoring as factories
from tickets.enums import Status
from tickets.models import Ticket

pytestmark = pytest.mark.usefixtures("start", "system")
FIGURES = Figures(0.90, 0.85)


def test_other_figures_make_a_new_version(service_manager: User) -> None:
    rule = factories.rule()
    services.change_rule(rule.public_id, by=service_manager, figures=Figures(0.95, 0.90))
    versions = list(RuleVersion.objects.filter(rule=rule).order_by("number"))
    assert [(row.number, row.threshold) for row in versions] == [(1, 0.90), (2, 0.95)]
    assert versions[1].created_by == service_manager


def test_other_words_make_no_new_version(service_manager: User) -> None:
    rule = factories.rule()
    services.change_rule(
        rule.public_id,
        by=service_manager,
        name="Disk full",
        figures=Figures(0.90, 0.85, for_seconds=0),
    )
    assert RuleVersion.objects.filter(rule=rule).count() == 1
    entry = AuditEntry.objects.get(action="rule.changed")
    assert (entry.before, entry.after) == ({"name": "Volume nearly full"}, {"name": "Disk full"})


def test_saving_without_a_change_leaves_no_trace(service_manager: User) -> None:
    rule = factories.rule()
    services.change_rule(rule.public_id, by=service_manager, name=rule.name)
    assert not AuditEntry.objects.filter(action="rule.changed").exists()


def test_a_technician_may_not_make_rules(technician: User) -> None:
    with pytest.raises(NotAllowed):
        services.add_rule(by=technician, name="Mine", metric=factories.USED, figures=FIGURES)


def restricted_manager() -> User:
    """Return a service manager of Acme only."""
    acme = client_factories.client("Acme")
    return core_factories.staff(
        "service_manager", email="mia@msp.example", scope=GrantScope.SET, client_ids=[acme.pk]
    )


def test_who_sees_some_clients_may_not_make_rules_for_all() -> None:
    manager = restricted_manager()
    with acting_as(manager), pytest.raises(NotAllowed, match="all clients"):
        services.add_rule(by=manager, name="All", metric=factories.USED, figures=FIGURES)


def test_who_sees_some_clients_may_not_change_a_rule_for_all() -> None:
    rule, manager = factories.rule(), restricted_manager()
    with acting_as(manager), pytest.raises(NotAllowed, match="all clients"):
        services.change_rule(rule.public_id, by=manager, is_enabled=False)


def test_who_sees_one_client_may_make_rules_for_it() -> None:
    manager = restricted_manager()
    acme = client_factories.client("Acme")
    with acting_as(manager):
        made = services.add_rule(
            by=manager, name="Own", metric=factories.USED, figures=FIGURES, client_id=acme.pk
        )
    assert made.client_id == acme.pk


def test_a_rule_for_a_client_not_seen_is_not_made() -> None:
    manager = restricted_manager()
    rival = client_factories.client("Rival")
    with acting_as(manager), pytest.raises((NotAllowed, NotVisible)):
        services.add_rule(
            by=manager, name="Theirs", metric=factories.USED, figures=FIGURES, client_id=rival.pk
        )


def test_another_clients_rule_is_not_found() -> None:
    rival = client_factories.client("Rival")
    rule = factories.rule("Theirs", client_id=rival.pk)
    manager = restricted_manager()
    with acting_as(manager), pytest.raises(NotVisible):
        services.change_rule(rule.public_id, by=manager, name="Mine")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"figures": Figures(0.90, 0.95)}, "clear_threshold"),
        ({"figures": Figures(0.90, 0.85, free_below_bytes=GIB)}, "free_clear_bytes"),
        (
            {"figures": Figures(0.90, 0.85, free_below_bytes=2 * GIB, free_clear_bytes=GIB)},
            "free_clear_bytes",
        ),
        (
            {
                "figures": Figures(0.9, 0.8, free_below_bytes=GIB, free_clear_bytes=GIB),
                "metric": factories.CPU,
            },
            "free_below_bytes",
        ),
        ({"metric": SILENCE, "figures": Figures(300, 300, for_seconds=60)}, "for_seconds"),
        (
            {
                "metric": SILENCE,
                "figures": Figures(300, 300, for_seconds=0),
                "roles": ["workstation"],
            },
            "roles",
        ),
        ({"roles": ["toaster"]}, "roles"),
        ({"severity": "worst"}, "severity"),
        ({"name": "  "}, "name"),
    ],
)
def test_a_rule_that_could_not_be_right_is_refused(
    service_manager: User, fields: dict, field: str
) -> None:
    words = {"name": "Rule", "metric": factories.USED, "figures": FIGURES} | fields
    with pytest.raises(BadInput) as refusal:
        services.add_rule(by=service_manager, **words)
    assert refusal.value.field == field


def test_workstations_open_no_tickets_but_for_full_volumes() -> None:
    for fields in default_rules():
        is_for_workstations = DeviceRole.WORKSTATION in fields.get("roles", DeviceRole.values)
        if is_for_workstations and fields.get("opens_ticket", True):
            assert fields["key"] == "volume-nearly-full"


def test_a_service_that_stops_is_an_alert_and_one_that_runs_is_none(
    system: SystemPrincipal, server: Device
) -> None:
    services.ensure_default_rules(by=system)
    now = clock.now()

    def look(minutes: int, up: float) -> None:
        at = now - timedelta(minutes=minutes)
        values = {("msp.service.up", "nginx.service"): up}
        services.evaluate_group(factories.reports([(server, values, at)]).pk)

    for minutes, up in ((9, 1.0), (8, 0.0), (7, 1.0), (6, 0.0), (5, 0.0)):
        look(minutes, up)
    assert not Alert.objects.exists()  # a restart, and one that has not lasted yet
    look(4, 0.0)
    (alert,) = Alert.objects.filter(state="open")
    assert (alert.severity, alert.instance) == ("critical", "nginx.service")
    assert "not running" in alert.summary
    look(3, 1.0)
    assert not Alert.objects.open().exists()


def test_the_default_rules_are_made_once(system: SystemPrincipal) -> None:
    assert len(services.ensure_default_rules(by=system)) == 7
    Rule.objects.filter(key="cpu-busy").update(is_enabled=False)
    assert services.ensure_default_rules(by=system) == []
    assert not Rule.objects.get(key="cpu-busy").is_enabled


def test_by_default_processor_and_memory_open_no_tickets(system: SystemPrincipal) -> None:
    services.ensure_default_rules(by=system)
    quiet = Rule.objects.filter(opens_ticket=False)
    assert {rule.metric for rule in quiet} == {
        factories.CPU,
        "system.memory.utilization",
        "msp.updates.age",
    }
    assert all(rule.roles == ["server"] for rule in quiet)


def test_switching_a_rule_off_closes_its_alerts(server: Device, service_manager: User) -> None:
    rule = factories.rule()
    services.evaluate_group(factories.report(server, 0.93).pk)
    services.change_rule(rule.public_id, by=service_manager, is_enabled=False)
    assert Alert.objects.get().state == "closed"
    assert Ticket.objects.get().status == Status.RESOLVED
    assert not RuleState.objects.exists()


def test_leaving_a_volume_out_closes_its_alert_only(server: Device, service_manager: User) -> None:
    rule = factories.rule()
    both = factories.volume("/srv", 0.93) | factories.volume("/data", 0.95)
    services.evaluate_group(factories.report(server, both).pk)
    services.change_rule(rule.public_id, by=service_manager, instance_pattern="!/data")
    assert dict(Alert.objects.values_list("instance", "state")) == {
        "/srv": "open",
        "/data": "closed",
    }


def test_a_switched_off_rule_judges_nothing(server: Device) -> None:
    factories.rule(is_enabled=False)
    services.evaluate_group(factories.report(server, 0.99).pk)
    assert not RuleState.objects.exists()


def test_a_clients_rule_stands_in_for_one_of_all(server: Device) -> None:
    everyone = factories.rule()
    factories.rule(
        "Acme's own",
        client_id=server.client_id,
        replaces_id=everyone.pk,
        figures=Figures(0.97, 0.95, for_seconds=0),
    )
    other = agent_factories.device(client_factories.client("Rival"), "SRV-02")
    services.evaluate_group(factories.report(server, 0.93).pk)
    services.evaluate_group(factories.report(other, 0.93).pk)
    assert [alert.device for alert in Alert.objects.all()] == [other]


def test_standing_in_closes_the_alerts_of_the_rule_replaced(server: Device) -> None:
    everyone = factories.rule()
    services.evaluate_group(factories.report(server, 0.93).pk)
    factories.rule("Acme's own", client_id=server.client_id, replaces_id=everyone.pk)
    assert Alert.objects.get().state == "closed"


def test_a_rule_stands_in_only_once_for_another(server: Device) -> None:
    everyone = factories.rule()
    factories.rule("Acme's own", client_id=server.client_id, replaces_id=everyone.pk)
    with pytest.raises(BadInput, match="already"):
        factories.rule("Acme's second", client_id=server.client_id, replaces_id=everyone.pk)


def test_a_rule_for_servers_leaves_workstations_alone(workstation: Device) -> None:
    factories.rule(roles=["server"])
    services.evaluate_group(factories.report(workstation, 0.99).pk)
    assert not Alert.objects.exists()


def test_a_rule_has_no_other_words_to_change(service_manager: User) -> None:
    rule = factories.rule()
    with pytest.raises(BadInput):
        services.change_rule(rule.public_id, by=service_manager, metric="system.uptime")


def test_only_a_client_stands_in_for_all(service_manager: User) -> None:
    rule = factories.rule()
    with pytest.raises(BadInput) as refusal:
        services.add_rule(
            by=service_manager,
            name="Other",
            metric=factories.USED,
            figures=FIGURES,
            replaces_id=rule.pk,
        )
    assert refusal.value.field == "replaces"


def test_a_rule_that_is_not_there_is_not_replaced(server: Device, service_manager: User) -> None:
    with pytest.raises(NotVisible):
        services.add_rule(
            by=service_manager,
            name="Other",
            metric=factories.USED,
            figures=FIGURES,
            client_id=server.client_id,
            replaces_id=987654321,
        )


def test_a_rule_needs_something_to_measure(service_manager: User) -> None:
    with pytest.raises(BadInput) as refusal:
        services.add_rule(by=service_manager, name="Rule", metric=" ", figures=FIGURES)
    assert refusal.value.field == "metric"
