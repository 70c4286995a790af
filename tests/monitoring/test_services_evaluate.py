"""Committed samples become alerts and tickets: once, in order, and only what is still true."""

from __future__ import annotations

from datetime import timedelta
from unittest import mock

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from agents.models import Device
from monitoring import services
from monitoring.models import Alert, AlertTransition, IngestGroup, RuleState
from monitoring.services import evaluate
from monitoring.services.rules import GIB, Figures
from msp.core import clock
from msp.core.events import deliver_all
from msp.core.models import User
from msp.core.scope import SystemPrincipal
from tests.factories import agents as agent_factories
from tests.factories import clients as client_factories
from tests.factories import monitoring as factories
from tickets import services as tickets
from tickets.enums import ClockTarget, MessageKind, Source, Status
from tickets.models import Clock, Message, Ticket

MINUTE = timedelta(minutes=1)
pytestmark = pytest.mark.usefixtures("start", "system")


def minutes_later(device: Device, used: float, minutes: float = 1) -> int:
    """Let time pass, store a report, and evaluate it."""
    clock.advance(timedelta(minutes=minutes))
    return services.evaluate_group(factories.report(device, used).pk)


def test_a_full_volume_becomes_an_alert_and_a_ticket_in_words(server: Device) -> None:
    factories.rule()
    services.evaluate_group(factories.report(server, 0.93).pk)
    alert = Alert.objects.get()
    assert alert.summary == "volume /srv is 93 % full, 7.0 GB free"
    assert alert.opened_at == clock.now()
    assert alert.ticket is not None
    assert alert.ticket.subject == "SRV-01: volume /srv is 93 % full, 7.0 GB free"
    assert (alert.ticket.source, alert.ticket.device_id) == (Source.ALERT, server.pk)
    body = Message.objects.get(ticket=alert.ticket).body
    assert "93 %" in body
    assert "90 % or more" in body
    assert "below 85 %" in body


def test_an_alert_ticket_has_internal_targets_only(server: Device) -> None:
    factories.rule()
    services.evaluate_group(factories.report(server, 0.93).pk)
    targets = set(Clock.objects.values_list("target", flat=True))
    assert targets == {ClockTarget.INTERNAL}


def test_a_volume_below_the_threshold_is_no_alert(server: Device) -> None:
    factories.rule()
    services.evaluate_group(factories.report(server, 0.89).pk)
    assert not Alert.objects.exists()
    assert RuleState.objects.get().state == "ok"


def test_a_big_volume_with_room_left_is_no_alert(server: Device) -> None:
    factories.rule(
        figures=Figures(
            0.90, 0.85, free_below_bytes=20 * GIB, free_clear_bytes=25 * GIB, for_seconds=0
        )
    )
    big = factories.volume("/archive", 0.93, size=4000 * GIB)
    services.evaluate_group(factories.report(server, big).pk)
    assert not Alert.objects.exists()


def test_free_bytes_that_were_not_measured_fire_nothing(server: Device) -> None:
    factories.rule(
        figures=Figures(
            0.90, 0.85, free_below_bytes=20 * GIB, free_clear_bytes=25 * GIB, for_seconds=0
        )
    )
    services.evaluate_group(factories.report(server, {(factories.USED, "/srv"): 0.99}).pk)
    assert not Alert.objects.exists()


def test_a_rule_waits_for_its_time_before_it_fires(server: Device) -> None:
    factories.rule(figures=Figures(0.90, 0.85, for_seconds=120))
    services.evaluate_group(factories.report(server, 0.93).pk)
    minutes_later(server, 0.93)
    assert not Alert.objects.exists()
    minutes_later(server, 0.93)
    assert Alert.objects.get().opened_at == clock.now()


def test_between_the_thresholds_an_open_alert_stays(server: Device) -> None:
    factories.rule()
    services.evaluate_group(factories.report(server, 0.93).pk)
    minutes_later(server, 0.87)
    assert Alert.objects.get().state == "open"
    minutes_later(server, 0.84)
    assert Alert.objects.get().state == "closed"
    minutes_later(server, 0.87)
    assert Alert.objects.count() == 1


def test_a_rule_waits_before_it_clears(server: Device) -> None:
    factories.rule(figures=Figures(0.90, 0.85, for_seconds=0, keep_firing_for_seconds=120))
    services.evaluate_group(factories.report(server, 0.93).pk)
    minutes_later(server, 0.5)
    minutes_later(server, 0.5)
    assert Alert.objects.get().state == "open"
    minutes_later(server, 0.5)
    states = list(AlertTransition.objects.values_list("from_state", "to_state"))
    assert states == [("ok", "firing"), ("firing", "recovering"), ("recovering", "ok")]
    assert Alert.objects.get().state == "closed"


def test_each_volume_has_its_own_alert_and_they_share_one_ticket(server: Device) -> None:
    factories.rule()
    both = factories.volume("/srv", 0.93) | factories.volume("/data", 0.95)
    services.evaluate_group(factories.report(server, both).pk)
    assert set(Alert.objects.values_list("instance", flat=True)) == {"/srv", "/data"}
    assert Alert.objects.values("ticket").distinct().count() == 1
    assert Ticket.objects.count() == 1


def test_a_later_alert_of_the_same_thing_joins_the_open_ticket(server: Device) -> None:
    factories.rule()
    services.evaluate_group(factories.report(server, 0.93).pk)
    clock.advance(MINUTE)
    both = factories.volume("/srv", 0.93) | factories.volume("/data", 0.95)
    services.evaluate_group(factories.report(server, both).pk)
    ticket = Ticket.objects.get()
    assert Alert.objects.filter(ticket=ticket).count() == 2
    assert "/data" in Message.objects.filter(ticket=ticket).order_by("-id")[0].body


def test_an_alert_about_another_thing_opens_its_own_ticket(server: Device) -> None:
    factories.rule()
    factories.rule("Processor busy", metric=factories.CPU, figures=Figures(0.9, 0.8, for_seconds=0))
    values = factories.volume("/srv", 0.93) | {(factories.CPU, ""): 0.99}
    services.evaluate_group(factories.report(server, values).pk)
    assert Ticket.objects.count() == 2


def test_a_rule_without_tickets_opens_none(server: Device) -> None:
    factories.rule(opens_ticket=False)
    services.evaluate_group(factories.report(server, 0.93).pk)
    assert Alert.objects.get().ticket is None
    assert not Ticket.objects.exists()


def test_a_sample_that_came_late_never_fires(server: Device) -> None:
    factories.rule()
    old = clock.now() - timedelta(minutes=11)
    services.evaluate_group(factories.reports([(server, factories.volume("/srv", 0.99), old)]).pk)
    assert not Alert.objects.exists()
    assert RuleState.objects.get().last_value == pytest.approx(0.99)


def test_evaluating_late_is_no_back_fill(server: Device) -> None:
    """The worker was away for an hour; the samples had come in time."""
    factories.rule()
    group = factories.report(server, 0.99)
    clock.advance(timedelta(hours=1))
    services.evaluate_group(group.pk)
    assert Alert.objects.get().ticket is not None


def test_catching_up_records_all_and_opens_no_ticket_for_what_is_over(server: Device) -> None:
    factories.rule()
    for used in (0.93, 0.95, 0.5):
        factories.report(server, used)
        clock.advance(MINUTE)
    assert services.evaluate_due() == 3
    alert = Alert.objects.get()
    assert (alert.state, alert.ticket) == ("closed", None)
    assert AlertTransition.objects.filter(alert=alert).count() == 2


def test_catching_up_in_small_batches_opens_no_ticket_for_what_is_over(
    server: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "BATCH", 1)
    factories.rule()
    for used in (0.93, 0.95, 0.5):
        factories.report(server, used)
        clock.advance(MINUTE)
    services.evaluate_due()
    assert Alert.objects.get().state == "closed"
    assert not Ticket.objects.exists()


def test_catching_up_opens_a_ticket_for_what_is_still_true(
    server: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "BATCH", 1)
    factories.rule()
    for used in (0.93, 0.95, 0.94):
        factories.report(server, used)
        clock.advance(MINUTE)
    services.evaluate_due()
    assert Alert.objects.get().ticket is not None
    assert Ticket.objects.count() == 1


def test_a_group_is_evaluated_once(server: Device) -> None:
    factories.rule()
    group = factories.report(server, 0.93)
    assert services.evaluate_group(group.pk) == 1
    assert services.evaluate_group(group.pk) == 0
    assert services.evaluate_due() == 0
    assert AlertTransition.objects.count() == 1


def test_the_sweep_finds_a_lost_hand_off(server: Device) -> None:
    factories.rule()
    group = factories.report(server, 0.93)
    assert services.evaluate_due() == 1
    group.refresh_from_db()
    assert group.evaluated_at == clock.now()
    assert Ticket.objects.count() == 1


def test_an_earlier_group_of_the_same_device_is_judged_first(server: Device) -> None:
    """The message about the first group was lost; the second's must not hide its sample."""
    factories.rule()
    factories.report(server, 0.93)
    clock.advance(MINUTE)
    second = factories.report(server, 0.5)
    assert services.evaluate_group(second.pk) == 2
    assert Alert.objects.get().state == "closed"


def test_a_group_that_cannot_be_judged_holds_up_no_other(server: Device) -> None:
    factories.rule()
    broken = factories.report(server, 0.93)
    other = agent_factories.device(client_factories.client("Rival"), "SRV-02")
    factories.report(other, 0.93)
    rows_of_group = evaluate.TimeSeriesStore.rows_of_group

    def fails(self: object, group: IngestGroup) -> object:
        if group.pk == broken.pk:
            raise ValueError("no such layout")
        return rows_of_group(self, group)  # type: ignore[arg-type]

    with mock.patch.object(evaluate.TimeSeriesStore, "rows_of_group", fails):
        assert services.evaluate_due() == 1
    assert Alert.objects.get().device == other
    broken.refresh_from_db()
    assert broken.evaluated_at is None


def test_whatever_fails_leaves_nothing_half_done(server: Device) -> None:
    """A group is evaluated and its ticket opened together, or neither."""
    factories.rule()
    group = factories.report(server, 0.93)
    with (
        mock.patch.object(tickets, "open_ticket", side_effect=RuntimeError("gone")),
        pytest.raises(RuntimeError),
    ):
        services.evaluate_group(group.pk)
    group.refresh_from_db()
    assert group.evaluated_at is None
    assert not Alert.objects.exists()
    assert not RuleState.objects.exists()


def test_a_cleared_alert_closes_its_untouched_ticket(server: Device) -> None:
    factories.rule()
    services.evaluate_group(factories.report(server, 0.93).pk)
    minutes_later(server, 0.5)
    assert Ticket.objects.get().status == Status.RESOLVED
    assert "Alert over" in Message.objects.filter(kind=MessageKind.NOTE).order_by("-id")[0].body


def test_a_cleared_alert_leaves_a_ticket_that_somebody_has_begun(
    server: Device, technician: User
) -> None:
    factories.rule()
    services.evaluate_group(factories.report(server, 0.93).pk)
    number = Ticket.objects.get().number
    tickets.add_message(number, by=technician, kind=MessageKind.NOTE, body="Looking at the logs.")
    minutes_later(server, 0.5)
    assert Alert.objects.get().state == "closed"
    ticket = Ticket.objects.get()
    assert ticket.is_open
    assert Message.objects.filter(ticket=ticket, body__contains="Alert over").exists()


def test_a_ticket_stays_open_while_one_of_its_alerts_is(server: Device) -> None:
    factories.rule()
    both = factories.volume("/srv", 0.93) | factories.volume("/data", 0.95)
    services.evaluate_group(factories.report(server, both).pk)
    clock.advance(MINUTE)
    one = factories.volume("/srv", 0.5) | factories.volume("/data", 0.95)
    services.evaluate_group(factories.report(server, one).pk)
    assert Ticket.objects.get().is_open
    clock.advance(MINUTE)
    none = factories.volume("/srv", 0.5) | factories.volume("/data", 0.5)
    services.evaluate_group(factories.report(server, none).pk)
    assert Ticket.objects.get().status == Status.RESOLVED


def resolve(technician: User) -> int:
    """Resolve the one ticket, as a person does, and deliver what follows."""
    number = Ticket.objects.get().number
    clock.advance(timedelta(seconds=20))
    tickets.resolve_ticket(number, by=technician, resolution="Emptied the log folder.")
    deliver_all()
    return number


def test_a_ticket_resolved_between_two_reports_is_not_opened_again_at_once(
    server: Device, technician: User
) -> None:
    """What was measured before the resolution proves nothing about the time after it."""
    factories.rule()
    services.evaluate_group(factories.report(server, 0.93).pk)
    resolve(technician)
    assert Ticket.objects.count() == 1
    minutes_later(server, 0.5)
    assert Alert.objects.get().state == "closed"
    assert Ticket.objects.count() == 1


def test_an_alert_still_true_after_the_resolution_opens_a_new_ticket(
    server: Device, technician: User
) -> None:
    factories.rule()
    services.evaluate_group(factories.report(server, 0.93).pk)
    number = resolve(technician)
    minutes_later(server, 0.94)
    alert = Alert.objects.get()
    assert alert.state == "open"
    assert alert.ticket is not None
    assert alert.ticket.number != number
    assert str(number) in Message.objects.filter(ticket=alert.ticket).order_by("id")[0].body
    old = Message.objects.filter(ticket__number=number).order_by("-id")[0]
    assert str(alert.ticket.number) in old.body


def test_the_resolution_is_followed_at_once_where_a_later_sample_was_judged(
    server: Device, technician: User
) -> None:
    """The event comes late: by then a report has shown that it is still true."""
    factories.rule()
    services.evaluate_group(factories.report(server, 0.93).pk)
    number = Ticket.objects.get().number
    clock.advance(timedelta(seconds=20))
    tickets.resolve_ticket(number, by=technician, resolution="Emptied the log folder.")
    state = RuleState.objects.get()
    clock.advance(MINUTE)
    RuleState.objects.filter(pk=state.pk).update(last_ms=int(clock.now().timestamp() * 1000))
    deliver_all()
    assert Ticket.objects.count() == 2


def test_silence_makes_a_firing_series_unknown_and_closes_nothing(server: Device) -> None:
    factories.rule()
    services.evaluate_group(factories.report(server, 0.93).pk)
    services.sweep_silence()
    other = agent_factories.device(client_factories.client("Rival"), "SRV-02")
    for _minute in range(5):
        clock.advance(MINUTE)
        factories.report(other, 0.1)
        services.sweep_silence()
    assert RuleState.objects.get(device=server).state == "nodata"
    alert = Alert.objects.get(device=server)
    assert alert.state == "open"
    assert AlertTransition.objects.filter(alert=alert, to_state="nodata").count() == 1


def test_the_database_refuses_a_second_open_alert_of_one_series(server: Device) -> None:
    rule = factories.rule()
    factories.alert(server, rule)
    with pytest.raises(IntegrityError, match="monitoring_alert_one_open"), transaction.atomic():
        copy_alert("public_id = gen_random_uuid()")


def test_the_database_allows_another_alert_once_the_first_is_over(server: Device) -> None:
    rule = factories.rule()
    first = factories.alert(server, rule)
    services.clear_alert(first, by=SystemPrincipal("tests"), at=clock.now())
    factories.alert(server, rule)
    assert Alert.objects.count() == 2


def test_an_alert_cannot_hang_on_the_device_of_another_client(server: Device) -> None:
    rival = client_factories.client("Rival")
    factories.alert(server, factories.rule())
    with pytest.raises(IntegrityError, match="same_client"), transaction.atomic():
        copy_alert(f"client_id = {rival.pk}")


def test_the_history_of_an_alert_is_only_added_to(server: Device) -> None:
    factories.rule()
    services.evaluate_group(factories.report(server, 0.93).pk)
    for statement in (
        "UPDATE monitoring_alerttransition SET why = 'x'",
        "DELETE FROM monitoring_alerttransition",
        "UPDATE monitoring_ruleversion SET threshold = 0",
    ):
        with (
            pytest.raises(DatabaseError),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


def test_whoever_raises_second_gets_the_alert_that_is_open(server: Device) -> None:
    rule = factories.rule(opens_ticket=False)
    first = factories.alert(server, rule)
    again, made = services.raise_alert(
        by=SystemPrincipal("tests"),
        version=factories.version(rule),
        device=server,
        instance="/srv",
        value=0.95,
        at=clock.now(),
    )
    assert (again.pk, made) == (first.pk, False)


def test_a_retired_device_is_not_judged(server: Device) -> None:
    factories.rule()
    Device.objects.filter(pk=server.pk).update(state="retired")
    services.evaluate_group(factories.report(server, 0.93).pk)
    assert not Alert.objects.exists()


def copy_alert(change: str) -> None:
    """Insert a copy of the one alert by SQL, with one column changed."""
    column, value = change.split(" = ")
    columns = [
        field.column
        for field in Alert._meta.concrete_fields
        if field.column not in ("id", "public_id")
    ]
    chosen = [value if name == column else name for name in columns]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO monitoring_alert (public_id, {', '.join(columns)}) "
            f"SELECT gen_random_uuid(), {', '.join(chosen)} FROM monitoring_alert"
        )


def test_what_is_recovering_is_not_opened_again(server: Device, technician: User) -> None:
    factories.rule(figures=Figures(0.90, 0.85, for_seconds=0, keep_firing_for_seconds=600))
    services.evaluate_group(factories.report(server, 0.93).pk)
    resolve(technician)
    minutes_later(server, 0.5)
    assert Alert.objects.get().state == "open"
    assert Ticket.objects.count() == 1


def test_a_group_that_cannot_be_judged_keeps_no_later_alert_from_its_ticket(
    server: Device,
) -> None:
    factories.rule()
    broken = factories.report(server, 0.1)
    clock.advance(MINUTE)
    factories.report(server, 0.93)
    rows_of_group = evaluate.TimeSeriesStore.rows_of_group

    def fails(self: object, group: IngestGroup) -> object:
        if group.pk == broken.pk:
            raise ValueError("no such layout")
        return rows_of_group(self, group)  # type: ignore[arg-type]

    with mock.patch.object(evaluate.TimeSeriesStore, "rows_of_group", fails):
        services.evaluate_due()
    assert Alert.objects.get().ticket is not None


def test_a_group_without_reports_is_done_at_once(server: Device) -> None:
    """An idle node commits one to show that it listens."""
    factories.rule()
    group = factories.reports([])
    assert services.evaluate_group(group.pk) == 1
    assert not RuleState.objects.exists()
