"""A client with a promise, a server, a workstation, and a clock that stands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from agents.enums import DeviceRole
from agents.models import Device
from msp.core import clock
from tests.factories import agents as agent_factories
from tests.factories import clients as client_factories
from tests.factories import tickets as ticket_factories

#: Partitions of samples exist only near the real present, so the story begins there.
START = datetime.now(UTC).replace(second=0, microsecond=0)


@pytest.fixture
def start() -> Iterator[datetime]:
    """Stand the clock; `clock.advance` moves it."""
    with clock.at(START):
        yield START


@pytest.fixture
def server(db: None) -> Device:
    """Acme's server."""
    ticket_factories.promise()
    return agent_factories.device(client_factories.client("Acme"), "SRV-01")


@pytest.fixture
def workstation(db: None) -> Device:
    """A workstation at Acme."""
    ticket_factories.promise()
    return agent_factories.device(
        client_factories.client("Acme"), "WS-01", role=DeviceRole.WORKSTATION
    )
