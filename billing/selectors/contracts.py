"""Contract lines and billing profiles as screens and services ask for them."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from billing.models import BillingProfile, ContractLine
from clients import selectors as client_selectors
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
