"""Publish a fact to whoever subscribed: the transactional outbox.

An event is a frozen dataclass named as a past fact, with keys and JSON types only. `publish` writes
one `Delivery` per handler in the transaction of the fact; after commit each is run in a transaction
of its own, so that its database effects happen exactly once even if a worker is killed half-way or
the broker loses every message.
"""

from __future__ import annotations

import dataclasses
import logging
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils.module_loading import import_string

from msp.core import clock, correlation, queue
from msp.core.models import Delivery
from msp.core.scope import SystemPrincipal, acting_as

log = logging.getLogger(__name__)

#: Waits after the first to the fourth failure; the fifth makes a dead letter (house design, 5).
RETRY_DELAYS = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
)
MAX_ATTEMPTS = len(RETRY_DELAYS) + 1
#: How long a claimed delivery is left to its worker before the sweep takes it again. A handler that
#: runs longer still holds its row lock, which the next claim skips, so it never runs twice at once;
#: a killed worker's lock is gone at once, so recovery takes this lease plus one sweep.
LEASE = timedelta(seconds=15)
KEEP_DONE = timedelta(days=30)
BATCH = 50


class Event:
    """Base of all events; subclasses are frozen dataclasses of JSON values."""

    #: Set by events about a client, so that operations can tell whose delivery waits.
    client_id: int | None = None


def name_of(event: type[Event]) -> str:
    """Return the name an event has in wiring and table: `tickets.events.TicketOpened`."""
    return f"{event.__module__}.{event.__qualname__}"


@lru_cache(maxsize=1)
def subscriptions() -> Mapping[str, tuple[str, ...]]:
    """Return the wiring: event name to handler names."""
    table: Mapping[str, tuple[str, ...]] = import_string(settings.OUTBOX_SUBSCRIPTIONS)
    return table


def publish(event: Event) -> None:
    """Write one delivery per handler of this event, and wake a worker after commit.

    Errors: RuntimeError outside a transaction; TypeError if the event holds more than JSON types.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("Events are published in the transaction of the fact.")
    name = name_of(type(event))
    handlers = subscriptions().get(name, ())
    if not handlers:
        return
    event_id = uuid.uuid4()
    payload = dataclasses.asdict(event)  # type: ignore[call-overload]
    now = clock.now()
    Delivery.objects.bulk_create(
        Delivery(
            event_id=event_id,
            event=name,
            handler=handler,
            payload=payload,
            client_id=event.client_id,
            correlation_id=correlation.current(),
            created_at=now,
            next_try_at=now,
        )
        for handler in handlers
    )
    # One wake-up for the whole transaction, without a row id: whatever is due is taken.
    queue.enqueue("core.deliver", once=True)


def deliver_due(limit: int = BATCH) -> int:
    """Run what is due; return how many deliveries were tried.

    Each is claimed (attempt counted and committed, so a crash counts), then locked, run and marked
    done in one transaction.
    """
    tried = 0
    while tried < limit:
        delivery_id = _claim()
        if delivery_id is None:
            break
        tried += 1
        _run(delivery_id)
    return tried


def deliver_all(limit: int = 1000) -> int:
    """Run deliveries until none is due; for tests and commands."""
    total = 0
    while total < limit:
        tried = deliver_due()
        if not tried:
            return total
        total += tried
    raise RuntimeError("Deliveries keep appearing; two handlers answer each other.")


def retry(delivery_id: int) -> None:
    """Give a dead letter a fresh set of attempts."""
    Delivery.objects.filter(pk=delivery_id, done_at__isnull=True).update(
        attempts=0, dead_at=None, next_try_at=clock.now()
    )
    queue.enqueue("core.deliver", once=True)


def drop_done() -> int:
    """Delete deliveries done more than 30 days ago."""
    deleted, _ = Delivery.objects.filter(done_at__lt=clock.now() - KEEP_DONE).delete()
    return deleted


def _claim() -> int | None:
    now = clock.now()
    with transaction.atomic():
        row = (
            Delivery.objects.select_for_update(skip_locked=True)
            .filter(done_at__isnull=True, dead_at__isnull=True, next_try_at__lte=now)
            .order_by("next_try_at", "id")
            .first()
        )
        if row is None:
            return None
        if row.attempts >= MAX_ATTEMPTS:
            # Its last attempt ended with the worker's death, not with an error it could keep.
            row.dead_at = now
            row.last_error = row.last_error or "The worker died while this was running."
            row.save(update_fields=["dead_at", "last_error"])
            return row.pk
        row.attempts += 1
        row.next_try_at = now + LEASE
        row.save(update_fields=["attempts", "next_try_at"])
        return row.pk


def _run(delivery_id: int) -> None:
    try:
        with transaction.atomic():
            # It waits: a claim that saw this row a moment too late locks it until that commits.
            # Skipping here would put the delivery off by a whole lease.
            row = (
                Delivery.objects.select_for_update()
                .filter(pk=delivery_id, done_at__isnull=True, dead_at__isnull=True)
                .first()
            )
            if row is None:  # done by another worker, or just declared dead
                return
            with (
                correlation.correlated(row.correlation_id),
                acting_as(SystemPrincipal(row.handler)),
            ):
                _handler(row.handler)(_event(row))
            row.done_at = clock.now()
            row.last_error = ""
            row.save(update_fields=["done_at", "last_error"])
    except Exception as error:
        log.exception("Delivery %s failed", delivery_id)
        _failed(delivery_id, error)


def _failed(delivery_id: int, error: Exception) -> None:
    try:
        with transaction.atomic():
            row = Delivery.objects.select_for_update().get(pk=delivery_id)
            row.last_error = f"{type(error).__name__}: {error}"[:2000]
            if row.attempts >= MAX_ATTEMPTS:
                row.dead_at = clock.now()
            else:
                row.next_try_at = clock.now() + RETRY_DELAYS[row.attempts - 1]
            row.save(update_fields=["last_error", "dead_at", "next_try_at"])
    except DatabaseError:
        # The database is away: the lease runs out and the sweep tries again.
        log.exception("Could not note the failure of delivery %s", delivery_id)


def _handler(name: str) -> Callable[[Event], None]:
    handler: Callable[[Event], None] = import_string(name)
    return handler


def _event(row: Delivery) -> Event:
    kind: type[Event] = import_string(row.event)
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    values: dict[str, Any] = {key: value for key, value in row.payload.items() if key in known}
    return kind(**values)
