"""Clients, sites and contacts as screens and other apps ask for them."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet
from django.db.models.functions import Lower

from clients.enums import ClientState, ContactRole, ContractState
from clients.models import Client, Contact, Contract, Site
from msp.core.errors import NotVisible
from msp.core.models import User
from msp.core.scope import Principal, expand_family, scope_of


def get_client(user: Principal, public_id: UUID | str) -> Client:
    """Return a client, also one that was merged away (`merged_into` tells).

    Errors: NotVisible.
    """
    found: Client | None = (
        Client.objects.visible_to(user)
        .select_related("merged_into", "priority_matrix")
        .filter(public_id=public_id)
        .first()
    )
    if found is None:
        raise NotVisible
    return found


def survivor_of(user: Principal, client: Client) -> Client:
    """Return the client under which this one is read: itself unless merged into one they see."""
    seen = {client.pk}
    while client.merged_into_id is not None and client.merged_into_id not in seen:
        above = Client.objects.visible_to(user).filter(pk=client.merged_into_id).first()
        if above is None:
            break
        client = above
        seen.add(client.pk)
    return client


def client_list(user: Principal, *, q: str = "", state: str = "") -> QuerySet[Client]:
    """Return the clients a person sees, by name; merged ones are read through their survivor.

    Those that have left are listed only by `state="left"`; `state="any"` lists all.
    """
    rows: QuerySet[Client] = Client.objects.heads_for(user)
    if state in ClientState.values:
        rows = rows.filter(state=state)
    elif state != "any":
        rows = rows.exclude(state=ClientState.LEFT)
    if q:
        rows = rows.filter(Q(name__icontains=q) | Q(email_domains__contains=[q.lower()]))
    merged: QuerySet[Client] = Client.objects.visible_to(user).order_by("name")
    active: QuerySet[Contract] = Contract.objects.visible_to(user).filter(
        state=ContractState.ACTIVE
    )
    return (
        rows.annotate(sort_name=Lower("name"))
        .prefetch_related(
            Prefetch("merged", merged, "merged_seen"),
            Prefetch("contracts", active, "contracts_active"),
        )
        .order_by("sort_name", "pk")
    )


def family_ids(client: Client) -> frozenset[int]:
    """Return the keys of a client and of everything merged into it, however deep."""
    return expand_family(frozenset({client.pk}))


def merged_into(user: Principal, client: Client) -> QuerySet[Client]:
    """Return the clients merged directly into this one."""
    return Client.objects.visible_to(user).filter(merged_into=client).order_by("name")  # type: ignore[no-any-return]


def sites_of(user: Principal, client: Client, *, archived: bool = False) -> QuerySet[Site]:
    """Return a client's sites, its merged family's included; current ones unless asked."""
    rows = Site.objects.visible_to(user).filter(client__in=family_ids(client))
    rows = rows if archived else rows.current()
    return (  # type: ignore[no-any-return]
        rows.select_related("client", "calendar")
        .annotate(sort_name=Lower("name"))
        .order_by("sort_name", "pk")
    )


def contacts_of(user: Principal, client: Client, *, archived: bool = False) -> QuerySet[Contact]:
    """Return a client's contacts, its merged family's included; current ones unless asked."""
    rows = Contact.objects.visible_to(user).filter(client__in=family_ids(client))
    rows = rows if archived else rows.current()
    return (  # type: ignore[no-any-return]
        rows.select_related("client", "site", "user")
        .annotate(sort_name=Lower("name"))
        .order_by("sort_name", "pk")
    )


def get_site(user: Principal, public_id: UUID | str) -> Site:
    """Return a site. Errors: NotVisible."""
    found: Site | None = (
        Site.objects.visible_to(user)
        .select_related("client", "calendar")
        .filter(public_id=public_id)
        .first()
    )
    if found is None:
        raise NotVisible
    return found


def get_contact(user: Principal, public_id: UUID | str) -> Contact:
    """Return a contact. Errors: NotVisible."""
    found: Contact | None = (
        Contact.objects.visible_to(user)
        .select_related("client", "site", "user")
        .filter(public_id=public_id)
        .first()
    )
    if found is None:
        raise NotVisible
    return found


def contact_of_user(user: User) -> Contact | None:
    """Return the contact as whom a portal user acts at the active client, None for others."""
    contact_id = scope_of(user).contact_id
    if contact_id is None:
        return None
    found: Contact | None = (
        Contact.objects.visible_to(user)
        .select_related("client", "site")
        .filter(pk=contact_id)
        .first()
    )
    return found


def vip_contact_ids(user: Principal) -> set[int]:
    """Return the keys of the contacts marked VIP among those a person sees."""
    return set(
        Contact.objects.visible_to(user)
        .current()
        .filter(roles__contains=[ContactRole.VIP])
        .values_list("pk", flat=True)
    )


def contact_by_email(user: Principal, client: Client, email: str) -> Contact | None:
    """Return the current contact of a client (or its family) with this address."""
    found: Contact | None = (
        Contact.objects.visible_to(user)
        .current()
        .filter(client__in=family_ids(client), email__iexact=email)
        .order_by("pk")
        .first()
    )
    return found


def own_contacts(user: User) -> QuerySet[Contact]:
    """Return the contacts a portal user is, one for each client to choose from.

    Asked before a client is chosen, so it goes by the sign-in and not by the active client.
    """
    return (  # type: ignore[no-any-return]
        Contact.objects.filter(user=user)
        .current()
        .select_related("client")
        .order_by(Lower("client__name"), "pk")
    )
