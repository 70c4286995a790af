"""Use cases of the operations page."""

from __future__ import annotations

from django.db import transaction

from msp.core import audit, events
from msp.core.errors import NotVisible, Refused
from msp.core.models import Delivery
from msp.core.permissions import require
from msp.core.scope import Principal


@transaction.atomic
def retry_delivery(delivery_id: int, *, by: Principal) -> Delivery:
    """Give a dead letter a fresh set of attempts.

    Errors: NotVisible if absent; NotAllowed; Refused if it is not dead.
    """
    require(by, "core.operations")
    row = Delivery.objects.select_for_update().filter(pk=delivery_id).first()
    if row is None:
        raise NotVisible
    if row.dead_at is None:
        raise Refused("This delivery is not dead; it is tried again by itself.")
    events.retry(row.pk)
    audit.record("delivery.retried", row, by=by, client_id=row.client_id, reason=row.last_error)
    return row
