"""Servers are offline after five minutes of silence that we could have heard; nobody else is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agents.models import Device
from monitoring import services
from monitoring.enums import RuleState as State
from monitoring.models import Alert, AlertTransition, Listening, Rule, RuleState
from msp.core import clock
from msp.core.events import deliver_all
from msp.core.models import User
from msp.core.scope import SystemPrincipal
from tests.factories import agents as agent_factories
from tests.factories import clients as client_factories
from tests.factories import monitoring as factories
from tickets import services as tickets
from tickets.enums import Status
from tickets.models import Ticket

pytestmark = pytest.mark.usefixtures("start", "system")
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _default_rules(start: object, system: SystemPrincipal) -> None:
    services.ensure_default_rules(by=system)


@pytest.fixture
def other(db: None) -> Device:
    """A device that goes on reporting."""
    return agent_factories.device(client_factories.client("Rival"), "SRV-02")


def pass_minutes(count: int, *reporting: Device) -> None:
    """Let minutes pass in which some devices report and the sweep looks."""
    for _minute in range(count):
        clock.advance(MINUTE)
        for device in reporting:
            factories.report(device, 0.1)
        services.sweep_silence()


def hear(*devices: Device) -> None:
    """Let devices report and the sweep look, now."""
    for device in devices:
        factories.report(device, 0.1)
    services.sweep_silence()


def test_a_server_is_offline_after_five_minutes(server: Device, other: Device) -> None:
    hear(server, other)
    pass_minutes(4, other)
    assert not Alert.objects.exists()
    pass_minutes(1, other)
    alert = Alert.objects.get()
    assert (alert.device, alert.summary) == (server, "no report for 5 min")
    assert alert.severity == "critical"
    assert alert.ticket is not None
    assert alert.ticket.subject == "SRV-01: no report for 5 min"


def test_a_report_ends_it_and_closes_the_untouched_ticket(server: Device, other: Device) -> None:
    hear(server, other)
    pass_minutes(6, other)
    pass_minutes(1, server, other)
    assert Alert.objects.get().state == "closed"
    assert Ticket.objects.get().status == Status.RESOLVED


def test_a_server_that_stays_silent_makes_one_alert(server: Device, other: Device) -> None:
    hear(server, other)
    pass_minutes(12, other)
    assert Alert.objects.count() == 1
    assert AlertTransition.objects.count() == 1
    assert Ticket.objects.count() == 1


def test_a_workstation_is_never_offline(workstation: Device, other: Device) -> None:
    hear(workstation, other)
    pass_minutes(30, other)
    assert not Alert.objects.exists()


def test_a_rule_for_all_roles_makes_no_workstation_offline(
    workstation: Device, other: Device, system: SystemPrincipal
) -> None:
    services.change_rule(Rule.objects.get(key="server-offline").public_id, by=system, roles=[])
    hear(workstation, other)
    pass_minutes(10, other)
    assert not Alert.objects.exists()


def test_a_goodbye_is_clean(server: Device, other: Device) -> None:
    hear(server, other)
    factories.checkin(server, at=clock.now(), power="shutdown")
    pass_minutes(10, other)
    assert not Alert.objects.exists()


def test_nobody_is_offline_while_nobody_reports(server: Device, other: Device) -> None:
    """Our ingest is down, or the line to it: that is our incident."""
    hear(server, other)
    pass_minutes(30)
    assert not Alert.objects.exists()


def test_our_own_down_time_makes_nobody_offline(server: Device, other: Device) -> None:
    """After an hour away, agents need up to five minutes to come back."""
    hear(server, other)
    clock.advance(timedelta(hours=1))
    services.sweep_silence()
    pass_minutes(4, other)
    pass_minutes(1, server, other)
    pass_minutes(8, server, other)
    assert not Alert.objects.exists()


def test_who_does_not_come_back_after_our_down_time_is_offline(
    server: Device, other: Device
) -> None:
    hear(server, other)
    clock.advance(timedelta(hours=1))
    pass_minutes(10, other)
    assert not Alert.objects.exists()
    pass_minutes(1, other)
    assert Alert.objects.get().device == server


def test_a_sweep_that_was_away_makes_nobody_offline(server: Device, other: Device) -> None:
    """Reports came in all the time, but the worker that looks was down: nobody knows of gaps."""
    hear(server, other)
    for _minute in range(20):
        clock.advance(MINUTE)
        factories.report(other, 0.1)
    services.sweep_silence()
    assert not Alert.objects.exists()


def test_our_down_time_does_not_clear_who_was_offline(server: Device, other: Device) -> None:
    hear(server, other)
    pass_minutes(6, other)
    clock.advance(timedelta(hours=1))
    pass_minutes(3, other)
    assert Alert.objects.get().state == "open"


def test_a_silent_server_without_a_check_in_is_no_matter(server: Device, other: Device) -> None:
    """It has never reported: it is not lost, it has not arrived yet."""
    hear(other)
    pass_minutes(10, other)
    assert not Alert.objects.exists()


def test_a_series_that_vanished_is_unknown_though_its_device_reports(server: Device) -> None:
    both = factories.volume("/srv", 0.5) | factories.volume("/usb", 0.5)
    services.evaluate_group(factories.report(server, both).pk)
    services.sweep_silence()
    for _minute in range(4):
        clock.advance(MINUTE)
        services.evaluate_group(factories.report(server, 0.5).pk)
        services.sweep_silence()
    states = dict(RuleState.objects.values_list("instance", "state"))
    assert states == {"/srv": State.OK, "/usb": State.NODATA}


def test_an_offline_ticket_resolved_too_early_is_followed_by_another(
    server: Device, other: Device, technician: User
) -> None:
    hear(server, other)
    pass_minutes(6, other)
    first = Ticket.objects.get()
    tickets.resolve_ticket(first.number, by=technician, resolution="Switched it on again.")
    deliver_all()
    pass_minutes(1, other)
    assert Ticket.objects.count() == 2
    assert Alert.objects.get().ticket != first


def test_retiring_a_device_closes_its_alerts(server: Device, other: Device) -> None:
    hear(server, other)
    pass_minutes(6, other)
    Device.objects.filter(pk=server.pk).update(state="retired")
    services.sweep_silence()
    alert = Alert.objects.get()
    assert alert.state == "closed"
    assert "no longer in use" in alert.transitions.order_by("-id")[0].why
    assert Ticket.objects.get().status == Status.RESOLVED


def test_the_span_of_listening_grows_with_each_report(server: Device) -> None:
    hear(server)
    began = clock.now()
    pass_minutes(3, server)
    span = Listening.objects.get()
    assert (span.since, span.until) == (began, clock.now())


def test_being_offline_opens_no_ticket_for_what_was_resolved_before(
    server: Device, other: Device, technician: User
) -> None:
    """The volume's ticket was resolved, then the server fell silent: nothing new on the volume."""
    factories.rule()
    services.evaluate_group(factories.report(server, 0.93).pk)
    hear(other)
    number = Ticket.objects.get().number
    tickets.resolve_ticket(number, by=technician, resolution="Emptied the log folder.")
    pass_minutes(7, other)
    services.evaluate_due()
    opened = Ticket.objects.exclude(number=number)
    assert [ticket.subject for ticket in opened] == ["SRV-01: no report for 5 min"]
