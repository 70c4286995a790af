"""Add and change clients and their sites."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from clients.enums import ClientState
from clients.models import Calendar, Client, PriorityMatrix, Site
from clients.permissions import require_everywhere
from clients.services.common import Key, apply, checked_zone, known, locked, need, only, unique
from msp.core import audit, clock
from msp.core.errors import BadInput, NotVisible
from msp.core.money import quantum
from msp.core.permissions import require
from msp.core.scope import Principal

CLIENT_FIELDS = frozenset(
    {
        "name", "state", "currency", "country", "zone", "phone", "brand", "email_domains", "notes",
        "priority_matrix_id",
    }
)  # fmt: skip
SITE_FIELDS = frozenset({"name", "address", "zone", "calendar_id"})
_DOMAIN = re.compile(r"(?=.{4,120}$)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_BRAND = re.compile(r"[a-z0-9-]{0,40}")


@transaction.atomic
def add_client(name: str, *, by: Principal, **fields: Any) -> Client:
    """Add a client. `fields` are those of `CLIENT_FIELDS`; the rest keep their defaults.

    Errors: NotAllowed, also for staff who reach listed clients only; BadInput.
    """
    only(CLIENT_FIELDS, fields)
    require_everywhere(by, "clients.change")
    client = Client(**_checked_client({"name": name, **fields}))
    client.save()
    audit.record(
        "client.added", client, by=by, client_id=client.pk, after={"name": client.name, **fields}
    )
    return client


@transaction.atomic
def change_client(client_id: Key, *, by: Principal, **fields: Any) -> Client:
    """Change what is given of `CLIENT_FIELDS`. A client that left is one with the state `left`.

    Errors: NotVisible, NotAllowed, BadInput.
    """
    only(CLIENT_FIELDS, fields)
    client = locked(Client, by, client_id)
    require(by, "clients.change", client.pk)
    before, after = apply(client, _checked_client(fields))
    if after:
        client.save(update_fields=sorted(after))
        audit.record(
            "client.changed", client, by=by, client_id=client.pk, before=before, after=after
        )
    return client


@transaction.atomic
def add_site(
    client_id: Key,
    *,
    by: Principal,
    name: str,
    address: str = "",
    zone: str = "",
    calendar_id: int | None = None,
) -> Site:
    """Add a site to a client; without a zone it has the client's.

    Errors: NotVisible, NotAllowed; BadInput, also for a name the client has already.
    """
    client = locked(Client, by, client_id)
    require(by, "clients.change", client.pk)
    values = _checked_site(
        {"name": name, "address": address, "zone": zone or client.zone, "calendar_id": calendar_id}
    )
    site = Site(client=client, **values)
    with unique(_("This client has a site of this name."), "name"):
        site.save()
    audit.record("site.added", site, by=by, after=values)
    return site


@transaction.atomic
def change_site(site_id: Key, *, by: Principal, **fields: Any) -> Site:
    """Change what is given of `SITE_FIELDS`.

    Errors: NotVisible, NotAllowed, BadInput.
    """
    only(SITE_FIELDS, fields)
    site = locked(Site, by, site_id)
    require(by, "clients.change", site.client_id)
    before, after = apply(site, _checked_site(fields))
    if after:
        with unique(_("This client has a site of this name."), "name"):
            site.save(update_fields=sorted(after))
        audit.record("site.changed", site, by=by, before=before, after=after)
    return site


@transaction.atomic
def archive_site(site_id: Key, *, by: Principal, reason: str = "") -> Site:
    """Take a site out of choice; what happened there stays. Archiving twice changes nothing.

    Errors: NotVisible, NotAllowed.
    """
    return _set_archived(site_id, by=by, archived=True, reason=reason)


@transaction.atomic
def restore_site(site_id: Key, *, by: Principal) -> Site:
    """Undo the archiving of a site.

    Errors: NotVisible, NotAllowed.
    """
    return _set_archived(site_id, by=by, archived=False)


def _set_archived(site_id: Key, *, by: Principal, archived: bool, reason: str = "") -> Site:
    site = locked(Site, by, site_id)
    require(by, "clients.change", site.client_id)
    if archived != (site.archived_at is not None):
        site.archived_at = clock.now() if archived else None
        site.save(update_fields=["archived_at"])
        audit.record("site.archived" if archived else "site.restored", site, by=by, reason=reason)
    return site


def _checked_client(values: dict[str, Any]) -> dict[str, Any]:
    checked = dict(values)
    if "name" in values:
        checked["name"] = need(values["name"], "name", most=160)
    if "state" in values:
        known(values["state"], ClientState.values, "state")
    if "zone" in values:
        checked_zone(values["zone"])
    if "currency" in values:
        try:
            quantum(values["currency"])
        except ValueError as error:
            raise BadInput(_("A currency is three letters, like EUR."), field="currency") from error
    if "country" in values and not _COUNTRY.fullmatch(values["country"]):
        raise BadInput(_("A country is two letters, like IE."), field="country")
    if "brand" in values and not _BRAND.fullmatch(values["brand"]):
        raise BadInput(_("Small letters, digits and hyphens only."), field="brand")
    if "email_domains" in values:
        checked["email_domains"] = _checked_domains(values["email_domains"])
    matrix_id = values.get("priority_matrix_id")
    if matrix_id is not None and not PriorityMatrix.objects.filter(pk=matrix_id).exists():
        raise NotVisible
    return checked


def _checked_domains(domains: Iterable[str]) -> list[str]:
    cleaned = sorted({domain.strip().lower().lstrip("@") for domain in domains} - {""})
    for domain in cleaned:
        if not _DOMAIN.fullmatch(domain):
            raise BadInput(
                _("“%(domain)s” is not a domain.") % {"domain": domain}, field="email_domains"
            )
    return cleaned


def _checked_site(values: dict[str, Any]) -> dict[str, Any]:
    checked = dict(values)
    if "name" in values:
        checked["name"] = need(values["name"], "name", most=120)
    if "zone" in values:
        checked_zone(values["zone"])
    calendar_id = values.get("calendar_id")
    if calendar_id is not None and not Calendar.objects.filter(pk=calendar_id).exists():
        raise NotVisible
    return checked
