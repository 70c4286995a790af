"""Contract lines and billing profiles as screens and services ask for them."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from django.db.models import CharField, Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat

from billing.domain.fees import last_day
from billing.enums import LineKind
from billing.models import BillingProfile, ContractLine, DraftLine
from clients import selectors as client_selectors
from clients.enums import ContractState
from clients.models import Client
from msp.core.errors import NotVisible
from msp.core.scope import Principal

#: No chain of merged clients is longer; a longer one is a broken pointer.
LONGEST_CHAIN = 20


def profile_for(client: Client) -> BillingProfile | None:
    """Return how a client is billed: its own profile, else that of the client it joined.

    Asked under the scope in force, of a client that the caller has reached.
    """
    owner: Client | None = client
    for _step in range(LONGEST_CHAIN):
        if owner is None:
            return None
        found: BillingProfile | None = BillingProfile.objects.filter(client=owner).first()
        if found is not None:
            return found
        owner = owner.merged_into
    return None


def own_profile(user: Principal, client: Client) -> BillingProfile | None:
    """Return a client's own billing profile."""
    found: BillingProfile | None = (
        BillingProfile.objects.seen_by(user).filter(client=client).first()
    )
    return found


def clients_without_fees(user: Principal, period: date) -> set[int]:
    """Return the clients of whose monthly fees for a month at least one is not drafted yet.

    Fees are drafted by the worker once the month has ended, or when somebody asks for it.
    """
    end = last_day(period)
    drafted = DraftLine.objects.seen_by(user).filter(
        contract=OuterRef("contract"),
        period=period,
        line_kind=LineKind.FLAT,
        source_ref=Concat(Value("fee:"), Cast(OuterRef("public_id"), CharField())),
    )
    rows = (
        ContractLine.objects.seen_by(user)
        .filter(kind=LineKind.FLAT)
        .between(period, end)
        .exclude(contract__state=ContractState.DRAFT)
        .filter(
            Q(contract__ends_on__isnull=True) | Q(contract__ends_on__gte=F("starts_on")),
            Q(contract__ends_on__isnull=True) | Q(contract__ends_on__gte=period),
            Q(ends_on__isnull=True) | Q(ends_on__gte=F("contract__starts_on")),
            contract__starts_on__lte=end,
        )
        .filter(~Exists(drafted))
    )
    return set(rows.values_list("client_id", flat=True))


def contract_lines_of(user: Principal, client: Client) -> QuerySet[ContractLine]:
    """Return what a client's contracts charge for, its merged family's included."""
    return (  # type: ignore[no-any-return]
        ContractLine.objects.seen_by(user)
        .filter(client__in=client_selectors.family_ids(client), withdrawn_at__isnull=True)
        .select_related("contract")
        .order_by("contract__name", "contract_id", "name", "starts_on")
    )


def get_contract_line(user: Principal, public_id: UUID | str) -> ContractLine:
    """Return a line of a contract. Errors: NotVisible."""
    found: ContractLine | None = (
        ContractLine.objects.seen_by(user)
        .select_related("contract", "client")
        .filter(public_id=public_id)
        .first()
    )
    if found is None:
        raise NotVisible
    return found
