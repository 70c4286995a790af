"""A standing clock on a Tuesday morning, and a ticket of Acme."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from clients.models import Client, Contract
from msp.core import clock
from msp.core.models import User
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories import clients as client_factories
from tests.factories import core as core_factories
from tests.factories import tickets as ticket_factories

#: A Tuesday, 09:00 in Dublin.
TUESDAY = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture
def tuesday() -> Iterator[datetime]:
    """Stand the clock at Tuesday 09:00; `clock.advance` moves it."""
    with clock.at(TUESDAY):
        yield TUESDAY


@pytest.fixture
def acme(db: None) -> Client:
    """Acme, with a promise for everybody."""
    ticket_factories.promise()
    return client_factories.client("Acme")


@pytest.fixture
def managed(acme: Client) -> Contract:
    """A contract of Acme that covers remote work inside office hours."""
    return client_factories.contract(acme)


@pytest.fixture
def colleague(acme: Client) -> User:
    """Another contact of Acme, an employee who sees their own tickets."""
    return client_factories.portal_user("Acme", email="carl@acme.example", name="Carl Acme")


@pytest.fixture
def restricted(acme: Client) -> User:
    """A technician who may work for Rival only."""
    rival = client_factories.client("Rival")
    return core_factories.staff(
        "technician", email="rita@msp.example", name="Rita", scope="set", client_ids=[rival.pk]
    )


@pytest.fixture
def as_system(db: None) -> Iterator[SystemPrincipal]:
    principal = SystemPrincipal("tests")
    with acting_as(principal):
        yield principal
