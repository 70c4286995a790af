"""Make clients, sites, contacts, calendars, policies and contracts."""

from __future__ import annotations

from datetime import date
from typing import Any

from clients.enums import ContractState
from clients.models import (
    Calendar,
    CalendarVersion,
    Client,
    Contact,
    Contract,
    Site,
    SlaPolicy,
    SlaPolicyVersion,
)
from msp.core.enums import UserKind
from msp.core.models import User
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories.core import PASSWORD

OFFICE = {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
TARGETS = {
    "p1": {"response": 15, "update": 60, "resolution": 240, "internal": 240, "hours": "contract"},
    "p2": {"response": 60, "update": 240, "resolution": 480, "internal": 480, "hours": "contract"},
    "p3": {"response": 240, "update": 480, "resolution": 960, "internal": 960, "hours": "contract"},
    "p4": {
        "response": 480,
        "update": None,
        "resolution": 2400,
        "internal": 2400,
        "hours": "contract",
    },
}


def client(name: str = "Acme", **fields: Any) -> Client:
    """Return the client of this name, made if absent."""
    with acting_as(SystemPrincipal("factory")):
        found = Client.objects.filter(name=name).first()
        return found or Client.objects.create(name=name, **fields)


def site(owner: Client, name: str = "Head office", **fields: Any) -> Site:
    with acting_as(SystemPrincipal("factory")):
        found = Site.objects.filter(client=owner, name=name).first()
        return found or Site.objects.create(client=owner, name=name, **fields)


def contact(owner: Client, *, email: str, name: str = "Cora Contact", **fields: Any) -> Contact:
    with acting_as(SystemPrincipal("factory")):
        return Contact.objects.create(client=owner, email=email, name=name, **fields)


def portal_user(client_name: str, *, email: str, name: str, roles: list[str] | None = None) -> User:
    """Make a portal user who is a contact of one client."""
    user = User.objects.create_user(email, PASSWORD, name=name, kind=UserKind.PORTAL)
    contact(client(client_name), email=email, name=name, user=user, roles=roles or ["employee"])
    return user


def calendar(
    name: str = "Office hours",
    *,
    zone: str = "Europe/Dublin",
    windows: dict[str, Any] | None = None,
    **fields: Any,
) -> Calendar:
    found = Calendar.objects.filter(name=name).first()
    if found:
        return found
    made = Calendar.objects.create(name=name)
    CalendarVersion.objects.create(
        calendar=made, number=1, zone=zone, windows=OFFICE if windows is None else windows, **fields
    )
    return made


def policy(name: str = "Standard", **fields: Any) -> SlaPolicy:
    found = SlaPolicy.objects.filter(name=name).first()
    if found:
        return found
    made = SlaPolicy.objects.create(name=name, is_default=fields.pop("is_default", False))
    SlaPolicyVersion.objects.create(
        policy=made, number=1, targets=TARGETS, warnings=[50, 75, 100], **fields
    )
    return made


def contract(owner: Client, *, name: str = "Managed", **fields: Any) -> Contract:
    """Make an active contract in which remote work inside hours is covered."""
    fields.setdefault(
        "coverage",
        [{"work_type": "remote", "hours": "inside", "covered": True, "clause": "3.1 Remote help"}],
    )
    with acting_as(SystemPrincipal("factory")):
        return Contract.objects.create(
            client=owner,
            name=name,
            state=ContractState.ACTIVE,
            starts_on=date(2026, 1, 1),
            policy=fields.pop("policy", None) or policy(),
            calendar=fields.pop("calendar", None) or calendar(),
            **fields,
        )
