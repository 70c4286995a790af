"""People acknowledge alerts; that is neither an end nor an answer."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agents.events import DeviceEnrolled
from agents.models import Device
from monitoring import handlers, services
from monitoring.models import Alert, AlertTransition, Rule
from monitoring.services.rules import default_rules
from msp.core import clock
from msp.core.enums import GrantScope
from msp.core.errors import NotVisible, Refused
from msp.core.models import AuditEntry, User
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories import clients as client_factories
from tests.factories import core as core_factories
from tests.factories import monitoring as factories
from tickets.events import TicketResolved
from tickets.models import Clock, Message, Ticket

pytestmark = pytest.mark.usefixtures("start", "system")


def test_acknowledging_names_the_person_and_leaves_the_alert_open(
    server: Device, technician: User
) -> None:
    alert = factories.alert(server, factories.rule())
    services.acknowledge_alert(alert.public_id, by=technician)
    alert.refresh_from_db()
    assert (alert.state, alert.acknowledged_by, alert.is_open) == (
        "acknowledged",
        technician,
        True,
    )
    assert AuditEntry.objects.filter(action="alert.acknowledged", actor=technician).count() == 1
    assert AlertTransition.objects.get().to_state == "acknowledged"


def test_acknowledging_is_never_a_response(server: Device, technician: User) -> None:
    factories.rule()
    services.evaluate_group(factories.report(server, 0.93).pk)
    before = list(Clock.objects.values())
    tickets = list(Ticket.objects.values())
    services.acknowledge_alert(Alert.objects.get().public_id, by=technician)
    assert list(Clock.objects.values()) == before
    assert list(Ticket.objects.values()) == tickets
    assert not Message.objects.filter(author_kind="staff").exists()


def test_the_first_to_acknowledge_stays_named(
    server: Device, technician: User, service_manager: User
) -> None:
    alert = factories.alert(server, factories.rule())
    services.acknowledge_alert(alert.public_id, by=technician)
    services.acknowledge_alert(alert.public_id, by=service_manager)
    alert.refresh_from_db()
    assert alert.acknowledged_by == technician
    assert AlertTransition.objects.count() == 1


def test_what_is_over_is_not_acknowledged(server: Device, technician: User) -> None:
    alert = factories.alert(server, factories.rule())
    services.clear_alert(alert, by=SystemPrincipal("tests"), at=clock.now())
    with pytest.raises(Refused) as refusal:
        services.acknowledge_alert(alert.public_id, by=technician)
    assert refusal.value.code == "alert_closed"


def test_who_bills_does_not_acknowledge(server: Device, billing_clerk: User) -> None:
    alert = factories.alert(server, factories.rule())
    with pytest.raises(NotVisible):
        services.acknowledge_alert(alert.public_id, by=billing_clerk)


def test_a_contact_finds_no_alert_to_acknowledge(server: Device, contact: User) -> None:
    alert = factories.alert(server, factories.rule())
    with acting_as(contact), pytest.raises(NotVisible):
        services.acknowledge_alert(alert.public_id, by=contact)


def test_staff_of_another_client_find_no_alert_to_acknowledge(server: Device) -> None:
    alert = factories.alert(server, factories.rule())
    rival = client_factories.client("Rival")
    tom = core_factories.staff(
        "technician", email="tom@msp.example", scope=GrantScope.SET, client_ids=[rival.pk]
    )
    with acting_as(tom), pytest.raises(NotVisible):
        services.acknowledge_alert(alert.public_id, by=tom)


def test_a_group_is_acknowledged_at_once(server: Device, technician: User) -> None:
    rule = factories.rule()
    for instance in ("/srv", "/data"):
        factories.alert(server, rule, instance=instance)
    done = services.acknowledge_group(rule.public_id, server.client.public_id, by=technician)
    assert len(done) == 2
    assert set(Alert.objects.values_list("state", flat=True)) == {"acknowledged"}


def test_clearing_twice_changes_nothing(server: Device, system: SystemPrincipal) -> None:
    alert = factories.alert(server, factories.rule())
    assert services.clear_alert(alert, by=system, at=clock.now())
    assert not services.clear_alert(alert, by=system, at=clock.now())
    assert AlertTransition.objects.count() == 1


def test_an_acknowledged_alert_clears_like_any_other(server: Device, technician: User) -> None:
    factories.rule()
    services.evaluate_group(factories.report(server, 0.93).pk)
    services.acknowledge_alert(Alert.objects.get().public_id, by=technician)
    clock.advance(timedelta(minutes=1))
    services.evaluate_group(factories.report(server, 0.5).pk)
    assert Alert.objects.get().state == "closed"


def test_raising_an_alert_opens_its_ticket_in_the_same_transaction(
    server: Device, system: SystemPrincipal
) -> None:
    alert, made = services.raise_alert(
        by=system,
        version=factories.version(factories.rule(severity="critical")),
        device=server,
        instance="/srv",
        value=0.99,
        at=clock.now(),
    )
    assert made
    assert alert.ticket is not None
    assert alert.ticket.priority == "p2"


def test_a_resolved_ticket_without_open_alerts_opens_nothing(
    server: Device, system: SystemPrincipal
) -> None:
    factories.rule()
    services.evaluate_group(factories.report(server, 0.93).pk)
    ticket = Ticket.objects.get()
    clock.advance(timedelta(minutes=1))
    services.evaluate_group(factories.report(server, 0.5).pk)
    handlers.reopen_if_still_true(
        TicketResolved(ticket_id=ticket.pk, number=ticket.number, client_id=ticket.client_id)
    )
    assert Ticket.objects.count() == 1


def test_the_first_device_brings_the_default_rules(server: Device) -> None:
    event = DeviceEnrolled(device_id=server.pk, client_id=server.client_id)
    handlers.watch_device(event)
    handlers.watch_device(event)
    assert Rule.objects.exclude(key="").count() == len(default_rules())
