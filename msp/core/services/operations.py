"""Use cases of the operations page."""

from __future__ import annotations

from django.db import transaction

from msp.core import audit, events
from msp.core.errors import NotVisible, Refused
from msp.core.models import Delivery
from msp.core.permissions import require
from msp.core.scope import Principal
from msp.core.selectors.operations import deliveries


@transaction.atomic
def retry_delivery(delivery_id: int, *, by: Principal) -> Delivery:
    """Give a dead letter a fresh set of attempts.

    Errors: NotVisible if absent, or about a client not reached; NotAllowed; Refused if it is not
    dead.
    """
    row = deliveries(by).select_for_update().filter(pk=delivery_id).first()
    if row is None:
        raise NotVisible
    require(by, "core.operations", row.client_id)
    if row.dead_at is None:
        raise Refused("This delivery is not dead; it is tried again by itself.")
    events.retry(row.pk)
    audit.record("delivery.retried", row, by=by, client_id=row.client_id, reason=row.last_error)
    return row
