"""The transactional outbox: effects happen exactly once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from msp.core import clock, events
from msp.core.models import Delivery, Notification
from msp.core.scope import ScopeKind
from tests.core import events_for_tests as story
from tests.core.events_for_tests import ThingHappened

MODULE = "tests.core.events_for_tests"


@pytest.fixture(autouse=True)
def _wiring(settings: Any) -> Iterator[None]:
    settings.OUTBOX_SUBSCRIPTIONS = f"{MODULE}.SUBSCRIPTIONS"
    events.subscriptions.cache_clear()
    story.calls.clear()
    yield
    events.subscriptions.cache_clear()


@pytest.fixture
def _failing(settings: Any) -> None:
    settings.OUTBOX_SUBSCRIPTIONS = f"{MODULE}.FAILING"
    events.subscriptions.cache_clear()


@pytest.mark.django_db(transaction=True)
def test_publishing_outside_a_transaction_is_refused() -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        events.publish(ThingHappened(1))


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_fact_is_never_delivered() -> None:
    with transaction.atomic():
        events.publish(ThingHappened(1))
        transaction.set_rollback(True)
    assert events.deliver_all() == 0


@pytest.mark.django_db
def test_a_delivery_runs_its_handler_once_under_the_system_scope() -> None:
    events.publish(ThingHappened(1, client_id=7))
    assert events.deliver_all() == 1
    assert events.deliver_all() == 0
    (event, atomic, scope), *rest = story.calls
    assert rest == []
    assert (event, atomic, scope.kind) == (ThingHappened(1, client_id=7), True, ScopeKind.ALL)
    row = Delivery.objects.get()
    assert row.done_at is not None
    assert row.client_id == 7


@pytest.mark.django_db
def test_an_old_row_without_a_new_field_still_loads() -> None:
    events.publish(ThingHappened(1))
    Delivery.objects.update(payload={"thing_id": 1, "dropped_field": True})
    events.deliver_all()
    assert story.calls[0][0] == ThingHappened(1)


@pytest.mark.django_db
@pytest.mark.usefixtures("_failing")
def test_a_failing_handler_leaves_nothing_and_waits_longer_each_time() -> None:
    start = clock.now()
    with clock.at(start):
        events.publish(ThingHappened(1))
        waits = []
        for _ in range(events.MAX_ATTEMPTS):
            assert events.deliver_due() == 1
            row = Delivery.objects.get()
            waits.append(row.next_try_at - clock.now())
            clock.advance(timedelta(hours=2))
        assert events.deliver_due() == 0
    assert waits[:4] == list(events.RETRY_DELAYS)
    assert Notification.objects.count() == 0
    row.refresh_from_db()
    assert row.dead_at is not None
    assert row.last_error == "ValueError: handler broke"


@pytest.mark.django_db
@pytest.mark.usefixtures("_failing")
def test_a_dead_letter_is_tried_again_by_hand(settings: Any) -> None:
    events.publish(ThingHappened(1))
    Delivery.objects.update(dead_at=clock.now(), attempts=events.MAX_ATTEMPTS)
    settings.OUTBOX_SUBSCRIPTIONS = f"{MODULE}.SUBSCRIPTIONS"
    Delivery.objects.update(handler=f"{MODULE}.note_it")
    events.retry(Delivery.objects.get().pk)
    assert events.deliver_all() == 1
    assert Notification.objects.count() == 1


@pytest.mark.django_db
def test_a_worker_that_died_five_times_ends_as_a_dead_letter() -> None:
    events.publish(ThingHappened(1))
    Delivery.objects.update(attempts=events.MAX_ATTEMPTS)  # counted before each run, then killed
    events.deliver_due()
    row = Delivery.objects.get()
    assert row.dead_at is not None
    assert "worker died" in row.last_error


@pytest.mark.django_db(transaction=True)
def test_ten_workers_at_once_deliver_each_event_once() -> None:
    with transaction.atomic():
        for number in range(20):
            events.publish(ThingHappened(number))

    def work() -> None:
        try:
            events.deliver_due()
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(10)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(event.thing_id for event, _, _ in story.calls) == list(range(20))
    assert Notification.objects.count() == 20


@pytest.mark.django_db(transaction=True)
def test_a_row_another_claim_looks_at_is_delivered_now_and_not_a_lease_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # PostgreSQL keeps the lock on a row whose recheck failed until that claim commits.
    with transaction.atomic():
        events.publish(ThingHappened(1))
    claim, held, others = events._claim, threading.Event(), []

    def look(delivery_id: int) -> None:
        try:
            with transaction.atomic():
                Delivery.objects.select_for_update().get(pk=delivery_id)
                held.set()
                time.sleep(0.2)
        finally:
            connection.close()

    def claim_beside_another() -> int | None:
        delivery_id = claim()
        if delivery_id is not None:
            others.append(threading.Thread(target=look, args=[delivery_id]))
            others[-1].start()
            assert held.wait(10)
        return delivery_id

    monkeypatch.setattr(events, "_claim", claim_beside_another)
    assert events.deliver_due() == 1
    others[0].join()
    assert [event.thing_id for event, _, _ in story.calls] == [1]


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_away_fails_no_request(settings: Any, monkeypatch: Any) -> None:
    from msp.core import queue

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("broker is away")

    monkeypatch.setattr(queue.current_app, "send_task", refuse)
    with transaction.atomic():
        events.publish(ThingHappened(1))
    assert events.deliver_all() == 1


@pytest.mark.django_db
def test_done_rows_go_after_thirty_days() -> None:
    events.publish(ThingHappened(1))
    events.deliver_all()
    assert events.drop_done() == 0
    with clock.at(clock.now() + events.KEEP_DONE + timedelta(minutes=1)):
        assert events.drop_done() == 1
