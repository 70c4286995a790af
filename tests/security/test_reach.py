"""A permission opens the clients of the grants that hold it, not of a person's other grants."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.test import Client as Browser
from django.urls import reverse

from agents import services as agent_services
from agents.models import Device, EnrolmentToken
from clients.models import Client
from clients.permissions import reaches_all
from monitoring.models import Alert, Rule
from monitoring.permissions import can_make_rules_for_all
from monitoring.services import Figures, add_rule
from msp.core import clock
from msp.core.errors import NotAllowed, NotVisible
from msp.core.models import Delivery, Grant, User
from msp.core.permissions import reach
from msp.core.scope import SystemPrincipal, acting_as
from msp.core.selectors.operations import deliveries
from tests.factories import agents as make_device
from tests.factories import clients as make
from tests.factories import core as make_staff
from tests.factories import monitoring as make_alert
from tests.factories import tickets as make_ticket
from tickets.models import Ticket
from tickets.selectors import owners_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme(system: SystemPrincipal) -> Client:
    return make.client("Acme")


@pytest.fixture
def rival(system: SystemPrincipal) -> Client:
    return make.client("Rival")


@pytest.fixture
def mixed(acme: Client) -> User:
    """Bills every client, and administers Acme alone."""
    user = make_staff.staff("billing_clerk", email="both@msp.example")
    Grant.objects.create(
        user=user, role=make_staff.role("administrator"), scope="set", client_ids=[acme.pk]
    )
    return User.objects.get(pk=user.pk)


def test_each_permission_reaches_its_own_clients(mixed: User, acme: Client) -> None:
    assert reach(mixed, "billing.view") is None
    assert reach(mixed, "agents.view") == {acme.pk}


def test_devices_and_alerts_of_a_client_one_only_bills_are_not_visible(
    mixed: User, acme: Client, rival: Client
) -> None:
    ours, theirs = make_device.device(acme, "A-1"), make_device.device(rival, "R-1")
    rule = make_alert.rule()
    for device in (ours, theirs):
        make_alert.alert(device, rule)
    with acting_as(mixed):
        assert list(Device.objects.visible_to(mixed)) == [ours]
        assert [row.device for row in Alert.objects.visible_to(mixed)] == [ours]
    browser = Browser()
    browser.force_login(mixed)
    here = browser.get(reverse("agents:detail", args=[ours.public_id]))
    there = browser.get(reverse("agents:detail", args=[theirs.public_id]))
    absent = browser.get(reverse("agents:detail", args=[UUID(int=4)]))
    assert (here.status_code, there.status_code) == (200, 404)
    assert there.content == absent.content


def test_what_both_roles_show_is_shown_for_all(mixed: User, acme: Client, rival: Client) -> None:
    with acting_as(mixed):
        assert set(Client.objects.visible_to(mixed)) == {acme, rival}
        assert set(Client.objects.heads_for(mixed)) == {acme, rival}


def test_tokens_are_shown_to_those_who_may_make_them(
    mixed: User, acme: Client, rival: Client, system: SystemPrincipal
) -> None:
    for owner in (acme, rival):
        agent_services.make_enrolment_token(
            by=system, site_id=make.site(owner).pk, label=owner.name
        )
    with acting_as(mixed):
        assert [row.label for row in EnrolmentToken.objects.visible_to(mixed)] == ["Acme"]


def test_what_touches_all_clients_takes_the_permission_for_all(mixed: User) -> None:
    assert not reaches_all(mixed, "clients.contracts")
    assert not can_make_rules_for_all(mixed)
    with acting_as(mixed), pytest.raises(NotAllowed):
        add_rule(by=mixed, name="Mine", metric="system.cpu.utilization", figures=Figures(0.9, 0.8))
    assert not Rule.objects.filter(name="Mine").exists()


def test_deliveries_are_shown_for_the_clients_one_operates(
    mixed: User, acme: Client, rival: Client
) -> None:
    for client_id in (acme.pk, rival.pk, None):
        Delivery.objects.create(
            event="x", handler="y", payload={}, client_id=client_id, correlation_id="z"
        )
    assert [row.client_id for row in deliveries(mixed)] == [acme.pk]


def test_a_grant_for_one_ticket_does_not_open_its_client(acme: Client) -> None:
    make_ticket.promise()
    ticket = make_ticket.ticket(acme)
    helper = make_staff.staff(
        "technician", email="helper@msp.example", scope="set", client_ids=[acme.pk]
    )
    Grant.objects.filter(user=helper).update(ticket_number=ticket.number)
    helper = User.objects.get(pk=helper.pk)
    with acting_as(helper):
        assert not Client.objects.visible_to(helper).exists()
        assert not Ticket.objects.visible_to(helper).exists()
    assert helper not in owners_for(acme.pk)


def test_a_grant_that_has_ended_opens_nothing(acme: Client) -> None:
    person = make_staff.staff(
        "technician", email="left@msp.example", scope="set", client_ids=[acme.pk]
    )
    device = make_device.device(acme, "A-1")
    Grant.objects.filter(user=person).update(ends_at=clock.now() - timedelta(seconds=1))
    person = User.objects.get(pk=person.pk)
    with acting_as(person), pytest.raises(NotVisible):
        agent_services.retire_device(device.public_id, by=person)
