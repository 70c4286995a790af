"""Two workers at once: one alert, one ticket, and nobody waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from agents.models import Device
from monitoring import services
from monitoring.models import Alert, AlertTransition, IngestGroup, RuleState
from monitoring.services import evaluate
from monitoring.services.locks import lock_devices, only_sweep
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories import agents as agent_factories
from tests.factories import clients as client_factories
from tests.factories import monitoring as factories
from tests.factories import tickets as ticket_factories
from tickets.models import Ticket

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("system")]
SYSTEM = SystemPrincipal("tests")
PATIENCE_SECONDS = 30


@pytest.fixture
def server() -> Device:
    ticket_factories.promise()
    return agent_factories.device(client_factories.client("Acme"), "SRV-01")


def at_once(*works: Callable[[], object]) -> list[object]:
    """Run several works in threads with connections of their own; return results or errors."""
    gate = threading.Barrier(len(works))
    results: list[object] = [None] * len(works)

    def run(place: int, work: Callable[[], object]) -> None:
        try:
            with acting_as(SYSTEM):
                gate.wait(PATIENCE_SECONDS)
                results[place] = work()
        except Exception as error:
            results[place] = error
        finally:
            connection.close()

    threads = [
        threading.Thread(target=copy_context().run, args=(run, place, work))
        for place, work in enumerate(works)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert not any(thread.is_alive() for thread in threads), "Two workers wait for each other."
    return results


def test_two_workers_at_one_group_make_one_alert_and_one_ticket(server: Device) -> None:
    factories.rule()
    group = factories.report(server, 0.93)
    work = lambda: services.evaluate_group(group.pk)  # noqa: E731
    assert sorted(at_once(work, work)) == [0, 1]  # type: ignore[type-var]
    assert Alert.objects.count() == 1
    assert AlertTransition.objects.count() == 1
    assert Ticket.objects.count() == 1


def test_a_worker_and_the_sweep_judge_two_groups_of_one_device_in_order(server: Device) -> None:
    factories.rule()
    first = factories.report(server, 0.93, at=datetime.now(UTC).replace(microsecond=0))
    second = factories.report(server, 0.5)
    results = at_once(
        lambda: services.evaluate_group(second.pk),
        services.evaluate_due,
        lambda: services.evaluate_group(first.pk),
    )
    assert sum(results) == 2  # type: ignore[arg-type]
    alert = Alert.objects.get()
    assert alert.state == "closed"
    assert [change.to_state for change in alert.transitions.order_by("id")] == ["firing", "ok"]


def test_workers_at_many_devices_do_not_deadlock() -> None:
    ticket_factories.promise()
    factories.rule()
    acme = client_factories.client("Acme")
    devices = [agent_factories.device(acme, f"SRV-{n:02}") for n in range(6)]
    now = datetime.now(UTC)
    full = factories.volume("/srv", 0.93)
    for second, chosen in enumerate((devices, devices[::-1], devices[1::2], devices[::2])):
        at = now + timedelta(seconds=second)
        factories.reports([(device, full, at) for device in chosen])
    groups = list(IngestGroup.objects.order_by("pk").values_list("pk", flat=True))
    results = at_once(*[lambda pk=pk: services.evaluate_group(pk) for pk in groups])
    assert sum(results) == len(groups)  # type: ignore[arg-type]
    assert Alert.objects.count() == len(devices)
    assert Ticket.objects.count() == len(devices)


def test_the_unique_key_settles_a_race_to_raise_an_alert(server: Device) -> None:
    version = factories.version(factories.rule(opens_ticket=False))

    def work() -> bool:
        _alert, made = services.raise_alert(
            by=SYSTEM,
            version=version,
            device=server,
            instance="/srv",
            value=0.93,
            at=datetime.now(UTC),
        )
        return made

    assert sorted(at_once(work, work)) == [False, True]  # type: ignore[type-var]
    assert Alert.objects.count() == 1


def test_a_device_is_judged_by_one_worker_at_a_time(server: Device) -> None:
    factories.rule()
    group = factories.report(server, 0.93)
    held, let_go = threading.Event(), threading.Event()

    def hold() -> bool:
        with transaction.atomic():
            lock_devices([server.pk])
            held.set()
            return let_go.wait(PATIENCE_SECONDS)

    def judge() -> bool:
        held.wait(PATIENCE_SECONDS)
        timer = threading.Timer(0.2, let_go.set)
        timer.start()
        services.evaluate_group(group.pk)
        return let_go.is_set()

    assert at_once(hold, judge) == [True, True]


def test_only_one_sweep_looks_at_a_time() -> None:
    held, let_go = threading.Event(), threading.Event()

    def hold() -> bool:
        with transaction.atomic():
            got = only_sweep(7)
            held.set()
            let_go.wait(PATIENCE_SECONDS)
            return got

    def second() -> bool:
        held.wait(PATIENCE_SECONDS)
        with transaction.atomic():
            got = only_sweep(7)
        let_go.set()
        return got

    assert at_once(hold, second) == [True, False]


def test_a_worker_that_dies_half_way_leaves_the_group_to_the_sweep(
    server: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.rule()
    group = factories.report(server, 0.93)
    saving = evaluate.save_states

    def dies(rows: list[RuleState]) -> None:
        saving(rows)
        raise SystemExit

    monkeypatch.setattr(evaluate, "save_states", dies)
    with pytest.raises(SystemExit):
        services.evaluate_group(group.pk)
    assert not Alert.objects.exists()
    monkeypatch.undo()
    assert services.evaluate_due() == 1
    assert Ticket.objects.count() == 1
