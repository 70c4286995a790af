"""Devices as screens and other apps ask for them."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Lower

from agents.domain.identifiers import clean_mac
from agents.enums import DeviceRole, DeviceState, IdentifierKind
from agents.models import Device, Identifier, InventoryChange, InventorySection
from clients.models import Client
from clients.selectors import family_ids
from msp.core.errors import NotVisible
from msp.core.scope import Principal

#: As many changes as the device page shows.
RECENT_CHANGES = 50


def get_device(user: Principal, public_id: UUID | str) -> Device:
    """Return a device with its client, site and check-in.

    Errors: NotVisible.
    """
    found: Device | None = (
        _related(Device.objects.visible_to(user)).filter(public_id=public_id).first()
    )
    if found is None:
        raise NotVisible
    return found


def device_list(
    user: Principal, *, q: str = "", state: str = "", role: str = ""
) -> QuerySet[Device]:
    """Return the devices a person sees, by name; retired and merged ones only by their state.

    `q` is part of a name, serial number or MAC address (in any notation).
    """
    rows = Device.objects.visible_to(user).filter(merged_into__isnull=True)
    if state in DeviceState.values:
        rows = rows.filter(state=state)
    else:
        rows = rows.exclude(state=DeviceState.RETIRED)
    if role in DeviceRole.values:
        rows = rows.filter(role=role)
    if words := q.strip():
        facts = Q(value__icontains=words)
        if mac := clean_mac(words):
            facts |= Q(kind=IdentifierKind.MAC, value=mac)
        found = Identifier.objects.visible_to(user).filter(facts, device=OuterRef("pk"))
        rows = rows.filter(Q(name__icontains=words) | Exists(found))
    return _related(rows).annotate(sort_name=Lower("name")).order_by("sort_name", "pk")


def devices_of(user: Principal, client: Client) -> QuerySet[Device]:
    """Return the devices in use at a client and its merged family, by name."""
    rows = Device.objects.visible_to(user).filter(client__in=family_ids(client)).current()
    return _related(rows).order_by(Lower("name"), "pk")


def devices_by_id(user: Principal, ids: Iterable[int]) -> dict[int, Device]:
    """Return devices by key, those that the principal sees."""
    return {
        row.pk: row for row in _related(Device.objects.visible_to(user)).filter(pk__in=list(ids))
    }


def page_of(
    rows: QuerySet[Device], *, after: Device | None = None, before: Device | None = None, size: int
) -> tuple[list[Device], bool, bool]:
    """Return one page of `device_list`, and whether there is more before and after it."""
    if before is not None:
        key = before.name.lower()
        rows = rows.filter(Q(sort_name__lt=key) | Q(sort_name=key, pk__lt=before.pk))
        found = list(rows.order_by(F("sort_name").desc(), "-pk")[: size + 1])
        return found[:size][::-1], len(found) > size, True
    if after is not None:
        key = after.name.lower()
        rows = rows.filter(Q(sort_name__gt=key) | Q(sort_name=key, pk__gt=after.pk))
    found = list(rows[: size + 1])
    return found[:size], after is not None, len(found) > size


def identifiers_of(user: Principal, device: Device) -> QuerySet[Identifier]:
    """Return what tells this machine from others."""
    return Identifier.objects.visible_to(user).filter(device=device).order_by("kind", "value")  # type: ignore[no-any-return]


def sections_of(user: Principal, device: Device) -> QuerySet[InventorySection]:
    """Return the present inventory of a device, by section."""
    return InventorySection.objects.visible_to(user).filter(device=device).order_by("section")  # type: ignore[no-any-return]


def changes_of(user: Principal, device: Device) -> list[InventoryChange]:
    """Return the latest changes of a device's inventory, newest first."""
    rows = InventoryChange.objects.visible_to(user).filter(device=device)
    return list(rows.order_by("-at", "-pk")[:RECENT_CHANGES])


def _related(rows: QuerySet[Device]) -> QuerySet[Device]:
    return rows.select_related("client", "site", "checkin", "merged_into")
