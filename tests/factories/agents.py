"""Make devices."""

from __future__ import annotations

from typing import Any

from agents.enums import DeviceRole
from agents.models import Device
from clients.models import Client
from msp.core import clock
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories import clients as client_factories


def device(owner: Client, name: str = "SRV-01", **fields: Any) -> Device:
    """Make an active server at the client's head office."""
    fields.setdefault("site", client_factories.site(owner))
    fields.setdefault("role", DeviceRole.SERVER)
    with acting_as(SystemPrincipal("factory")):
        return Device.objects.create(client=owner, name=name, enrolled_at=clock.now(), **fields)
