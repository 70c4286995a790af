"""What waits to be invoiced, as screens ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, Count, Exists, F, OuterRef, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, Lower

from billing.enums import DraftLineState
from billing.models import BillingProfile, DraftLine
from clients import selectors as client_selectors
from clients.models import Client
from msp.core.errors import NotVisible
from msp.core.scope import Principal


@dataclass(frozen=True)
class ReadyGroup:
    """What waits for one client, month and currency; lines on a draft invoice are not in it."""

    client_id: int
    client_name: str
    client_public_id: UUID
    period: date
    currency: str
    lines: int
    exceptions: int
    amount: Decimal
    has_profile: bool

    @property
    def is_stuck(self) -> bool:
        """Whether something must be mended before it can be invoiced."""
        return bool(self.exceptions) or not self.has_profile


def ready(user: Principal) -> list[ReadyGroup]:
    """Return what waits to be invoiced, what is stuck first, then by client and month."""
    own = BillingProfile.objects.seen_by(user).filter(client=OuterRef("client"))
    joined = BillingProfile.objects.seen_by(user).filter(client=OuterRef("client__merged_into"))
    rows = (
        DraftLine.objects.seen_by(user)
        .loose()
        .values("client_id", "period", "currency")
        .annotate(
            name=F("client__name"),
            public_id=F("client__public_id"),
            sort_name=Lower("client__name"),
            lines=Count("pk"),
            exceptions=Count("pk", filter=~Q(exception="")),
            amount=Coalesce(Sum("amount"), Value(Decimal(0))),
            has_profile=Exists(own, output_field=BooleanField()) | Exists(joined),
        )
        .order_by("sort_name", "client_id", "period", "currency")
    )
    groups = [
        ReadyGroup(
            client_id=row["client_id"],
            client_name=row["name"],
            client_public_id=row["public_id"],
            period=row["period"],
            currency=row["currency"],
            lines=row["lines"],
            exceptions=row["exceptions"],
            amount=row["amount"],
            has_profile=row["has_profile"],
        )
        for row in rows
    ]
    return sorted(groups, key=lambda group: not group.is_stuck)


def ready_count(user: Principal) -> int:
    """Return how many draft lines cannot be invoiced before somebody mends them."""
    return DraftLine.objects.seen_by(user).exceptions().count()


def lines_of_period(user: Principal, client: Client, period: date) -> list[DraftLine]:
    """Return a client's lines of a month that are on no invoice: exceptions, ready, left out."""
    rows = (
        DraftLine.objects.seen_by(user)
        .filter(client=client, period=period, invoice__isnull=True)
        .exclude(state=DraftLineState.INVOICED)
        .select_related("contract", "client")
        .order_by("first_day", "pk")
    )
    return sorted(rows, key=lambda line: (line.state == DraftLineState.DROPPED, not line.exception))


def draft_lines(user: Principal) -> QuerySet[DraftLine]:
    """Return the lines that wait, newest first."""
    return (  # type: ignore[no-any-return]
        DraftLine.objects.seen_by(user)
        .waiting()
        .select_related("client", "contract", "invoice")
        .order_by("-pk")
    )


def get_draft_line(user: Principal, public_id: UUID | str) -> DraftLine:
    """Return a draft line. Errors: NotVisible."""
    found: DraftLine | None = (
        DraftLine.objects.seen_by(user)
        .select_related("client", "contract", "invoice")
        .filter(public_id=public_id)
        .first()
    )
    if found is None:
        raise NotVisible
    return found


def waiting_of(user: Principal, client: Client) -> list[dict[str, Any]]:
    """Return what waits for a client and its merged family, by month and currency."""
    rows = (
        DraftLine.objects.seen_by(user)
        .waiting()
        .filter(client__in=client_selectors.family_ids(client))
        .values("client__public_id", "period", "currency")
        .annotate(
            lines=Count("pk"),
            exceptions=Count("pk", filter=~Q(exception="")),
            amount=Coalesce(Sum("amount"), Value(Decimal(0))),
        )
        .order_by("period", "currency")
    )
    return [dict(row) for row in rows]
