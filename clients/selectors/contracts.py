"""Contracts, calendars, SLA policies and priority matrices as screens ask for them."""

from __future__ import annotations

from uuid import UUID

from django.db.models import F, OuterRef, QuerySet, Subquery

from clients.models import (
    Calendar,
    CalendarVersion,
    Client,
    Contract,
    PriorityMatrix,
    PriorityMatrixVersion,
    SlaPolicy,
    SlaPolicyVersion,
)
from clients.selectors.clients import family_ids
from msp.core.errors import NotVisible
from msp.core.scope import Principal


def contract_list(user: Principal, *, state: str = "") -> QuerySet[Contract]:
    """Return the contracts a person sees, those that start last first."""
    rows = Contract.objects.visible_to(user)
    if state:
        rows = rows.filter(state=state)
    return rows.select_related("client", "policy", "calendar").order_by("-starts_on", "-pk")  # type: ignore[no-any-return]


def contracts_of(user: Principal, client: Client) -> QuerySet[Contract]:
    """Return a client's contracts, its merged family's included."""
    return contract_list(user).filter(client__in=family_ids(client))


def get_contract(user: Principal, public_id: UUID | str) -> Contract:
    """Return a contract. Errors: NotVisible."""
    found = contract_list(user).filter(public_id=public_id).first()
    if found is None:
        raise NotVisible
    return found


def calendars(*, archived: bool = False) -> QuerySet[Calendar]:
    """Return the MSP's calendars with the number of the newest version as `newest`."""
    rows = Calendar.objects.annotate(newest=_newest(CalendarVersion, "calendar")).order_by("name")
    return rows if archived else rows.filter(archived_at__isnull=True)


def get_calendar(public_id: UUID | str) -> Calendar:
    """Return a calendar. Errors: NotVisible."""
    found = calendars(archived=True).filter(public_id=public_id).first()
    if found is None:
        raise NotVisible
    return found


def calendar_versions(calendar: Calendar) -> QuerySet[CalendarVersion]:
    """Return a calendar's versions, newest first."""
    return calendar.versions.select_related("created_by").order_by("-number")


def policies(*, archived: bool = False) -> QuerySet[SlaPolicy]:
    """Return the MSP's SLA policies with the number of the newest version as `newest`."""
    rows = SlaPolicy.objects.annotate(newest=_newest(SlaPolicyVersion, "policy")).order_by("name")
    return rows if archived else rows.filter(archived_at__isnull=True)


def get_policy(public_id: UUID | str) -> SlaPolicy:
    """Return an SLA policy. Errors: NotVisible."""
    found = policies(archived=True).filter(public_id=public_id).first()
    if found is None:
        raise NotVisible
    return found


def policy_versions(policy: SlaPolicy) -> QuerySet[SlaPolicyVersion]:
    """Return a policy's versions, newest first."""
    return policy.versions.select_related("created_by").order_by("-number")


def matrices() -> QuerySet[PriorityMatrix]:
    """Return the MSP's priority matrices, the default first."""
    return PriorityMatrix.objects.order_by(F("is_default").desc(), "name")


def matrices_with_newest() -> list[tuple[PriorityMatrix, PriorityMatrixVersion | None]]:
    """Return each matrix with its newest version, in two queries."""
    newest = {
        version.matrix_id: version
        for version in PriorityMatrixVersion.objects.order_by("matrix", "-number").distinct(
            "matrix"
        )
    }
    return [(matrix, newest.get(matrix.pk)) for matrix in matrices()]


def get_matrix(public_id: UUID | str) -> PriorityMatrix:
    """Return a priority matrix. Errors: NotVisible."""
    found = matrices().filter(public_id=public_id).first()
    if found is None:
        raise NotVisible
    return found


def matrix_versions(matrix: PriorityMatrix) -> QuerySet[PriorityMatrixVersion]:
    """Return a matrix's versions, newest first."""
    return matrix.versions.select_related("created_by").order_by("-number")


def _newest(versions: type[CalendarVersion] | type[SlaPolicyVersion], owner: str) -> Subquery:
    newest = versions.objects.filter(**{owner: OuterRef("pk")}).order_by("-number")
    return Subquery(newest.values("number")[:1])
