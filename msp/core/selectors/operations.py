"""What the operations page asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q, QuerySet

from msp.core import clock
from msp.core.models import Delivery, User
from msp.core.permissions import reach
from msp.core.scope import Principal


@dataclass(frozen=True)
class OutboxState:
    """How the outbox stands: rows waiting, the oldest due one, dead letters."""

    waiting: int
    oldest_due_at: datetime | None
    dead: int

    @property
    def is_late(self) -> bool:
        """Whether something has been due for over a minute: no worker, or it cannot keep up."""
        if self.oldest_due_at is None:
            return False
        return (clock.now() - self.oldest_due_at).total_seconds() > 60


def deliveries(user: Principal) -> QuerySet[Delivery]:
    """Return the deliveries about clients that a person reaches; about no client, to all-seers."""
    ids = reach(user, "core.operations")
    return Delivery.objects.all() if ids is None else Delivery.objects.filter(client_id__in=ids)


def outbox_state(user: Principal) -> OutboxState:
    """Count what waits and what died, of what the person sees."""
    waiting = Q(done_at__isnull=True, dead_at__isnull=True)
    row = deliveries(user).aggregate(
        waiting=Count("id", filter=waiting),
        oldest=Min("next_try_at", filter=waiting & Q(next_try_at__lte=clock.now())),
        dead=Count("id", filter=Q(dead_at__isnull=False)),
    )
    return OutboxState(row["waiting"], row["oldest"], row["dead"])


def dead_letters(user: Principal, limit: int = 200) -> QuerySet[Delivery]:
    """Return the newest dead letters that the person sees."""
    return deliveries(user).filter(dead_at__isnull=False).order_by("-dead_at")[:limit]


def dead_count(user: User) -> int | None:
    """Count dead letters for the menu; nothing is shown while there are none."""
    return deliveries(user).filter(dead_at__isnull=False).count() or None
