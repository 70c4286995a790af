"""Write the audit row of an act, in the transaction of the act."""

from __future__ import annotations

from typing import Any

from django.db import models, transaction

from msp.core import clock, correlation
from msp.core.models import AuditEntry, User
from msp.core.scope import Principal


def record(
    action: str,
    target: models.Model,
    *,
    by: Principal,
    client_id: int | None = None,
    reason: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    on_behalf_of: str = "",
) -> AuditEntry:
    """Record who did what to which row, and why. Secrets never enter `before` or `after`.

    Errors: RuntimeError outside a transaction: an act whose audit row cannot be written must fail.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("An audit row is written in the transaction of its act.")
    return AuditEntry.objects.create(
        at=clock.now(),
        actor=by if isinstance(by, User) else None,
        actor_label=str(by)[:160],
        on_behalf_of=on_behalf_of,
        action=action,
        target_type=target._meta.label_lower,
        target_id=str(target.pk),
        client_id=client_id if client_id is not None else getattr(target, "client_id", None),
        reason=reason,
        correlation_id=correlation.current(),
        before=before,
        after=after,
    )
