"""A standing clock in November, and Acme with a promise, a contract and a billing profile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from billing.models import BillingProfile
from clients.models import Client, Contract
from msp.core import clock
from msp.core.models import User
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories import billing as make
from tests.factories import clients as client_factories
from tests.factories import tickets as ticket_factories

#: The last day of November, noon.
MONTH_END = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


@pytest.fixture
def month_end() -> Iterator[datetime]:
    """Stand the clock at the end of November."""
    with clock.at(MONTH_END):
        yield MONTH_END


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
def profile(acme: Client) -> BillingProfile:
    return make.profile(acme)


@pytest.fixture
def as_system(db: None) -> Iterator[SystemPrincipal]:
    principal = SystemPrincipal("tests")
    with acting_as(principal):
        yield principal


@pytest.fixture
def bookkeeper(acme: Client) -> User:
    """A contact of Acme who pays the bills."""
    return client_factories.portal_user(
        "Acme", email="bea@acme.example", name="Bea Books", roles=["billing"]
    )
