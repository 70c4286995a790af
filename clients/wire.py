"""Fill the slots of the ground floor: what a merged family is, what a contact may reach."""

from __future__ import annotations

from clients.models import Client, Contact
from clients.querysets import COMPANY_ROLES
from msp.core import scope
from msp.core.models import User
from msp.core.scope import Plane, Scope, ScopeKind


def connect() -> None:
    """Tell core how clients work; called once at start-up."""
    scope.fill_slots(expand_family=expand_family, portal_scope=portal_scope)


def expand_family(client_ids: frozenset[int]) -> frozenset[int]:
    """Return the ids with those of every client merged into one of them, however deep.

    Merging is a pointer, so reading A also reads what was B's; undoing the merge undoes this.
    """
    found, frontier = set(client_ids), set(client_ids)
    while frontier:
        frontier = (
            set(
                Client.objects.unscoped()
                .filter(merged_into__in=frontier)
                .values_list("pk", flat=True)
            )
            - found
        )
        found |= frontier
    return frozenset(found)


def portal_scope(user: User, active_client_id: int | None) -> Scope:
    """Return the scope of a contact at the active client, or at the only one there is.

    A person who is a contact of several clients acts for one at a time; without a choice among
    several, nothing is reached.
    """
    contacts = {
        contact.client_id: contact
        for contact in Contact.objects.unscoped()
        .filter(user_id=user.pk, archived_at__isnull=True)
        .select_related("client")
        .order_by("client_id")
    }
    if active_client_id is None and len(contacts) == 1:
        active_client_id = next(iter(contacts))
    contact = contacts.get(active_client_id or 0)
    if contact is None:
        return Scope.none(Plane.PORTAL)
    return Scope(
        ScopeKind.SET,
        Plane.PORTAL,
        expand_family(frozenset({contact.client_id})),
        client_id=contact.client_id,
        contact_id=contact.pk,
        contact_roles=frozenset(contact.roles),
        client_name=contact.client.name,
        client_brand=contact.client.brand,
    )


def manages_a_company(user: User) -> bool:
    """Return whether a contact sees the whole company they act for."""
    return bool(user.scope.contact_roles & COMPANY_ROLES)


def has_several_companies(user: User) -> bool:
    """Return whether a person may choose among companies to act for."""
    return Contact.objects.unscoped().filter(user_id=user.pk, archived_at__isnull=True).count() > 1
