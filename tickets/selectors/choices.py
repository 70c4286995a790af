"""What a person may pick for a ticket: always rows they see, and of the ticket's client."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

from agents.models import Device
from clients.models import Client, Contact, Site
from msp.core import clock
from msp.core.enums import GrantScope, UserKind
from msp.core.models import Grant, User
from msp.core.scope import Principal


def clients_for(user: Principal) -> QuerySet[Client]:
    """Return the clients a ticket may be opened for, by name; merged ones under their survivor."""
    return Client.objects.visible_to(user).current().order_by(Lower("name"), "pk")  # type: ignore[no-any-return]


def client_by_id(user: Principal, client_id: int) -> Client | None:
    """Return a client that the person sees, by key."""
    found: Client | None = Client.objects.visible_to(user).filter(pk=client_id).first()
    return found


def client_by_public_id(user: Principal, public_id: UUID | str) -> Client | None:
    """Return a client that the person sees, by its public id."""
    found: Client | None = Client.objects.visible_to(user).filter(public_id=public_id).first()
    return found


def sites_for(user: Principal, client_id: int) -> QuerySet[Site]:
    """Return the client's sites in use that the person sees."""
    return Site.objects.visible_to(user).current().filter(client_id=client_id).order_by("name")  # type: ignore[no-any-return]


def contacts_for(user: Principal, client_id: int) -> QuerySet[Contact]:
    """Return the client's contacts that the person sees."""
    return Contact.objects.visible_to(user).current().filter(client_id=client_id).order_by("name")  # type: ignore[no-any-return]


def devices_for(user: Principal, client_id: int) -> QuerySet[Device]:
    """Return the client's devices in use that the person sees."""
    return Device.objects.visible_to(user).current().filter(client_id=client_id).order_by("name")  # type: ignore[no-any-return]


def owners_for(client_id: int) -> list[User]:
    """Return the people who may work tickets of a client, by name, in two questions."""
    grants = Grant.objects.filter(
        Q(ends_at__isnull=True) | Q(ends_at__gt=clock.now()),
        ticket_number__isnull=True,
        user__kind=UserKind.STAFF,
        user__is_active=True,
        role__permissions__contains=["tickets.work"],
    ).select_related("user")
    line = _line_of(client_id)
    found = {
        grant.user_id: grant.user
        for grant in grants
        if grant.scope == GrantScope.ALL
        or (grant.scope == GrantScope.SET and line & set(grant.client_ids))
    }
    return sorted(found.values(), key=lambda user: (user.name.lower(), user.pk))


def _line_of(client_id: int) -> set[int]:
    """Return a client and those it was merged into, one above the other: a grant for any counts."""
    line: set[int] = set()
    key: int | None = client_id
    while key is not None and key not in line:
        line.add(key)
        key = Client.objects.filter(pk=key).values_list("merged_into", flat=True).first()
    return line
