"""What every test has: a database whose login is the application's, and the cast."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test.utils import setup_databases, teardown_databases

from msp.core import grants
from msp.core.database import as_owner
from msp.core.models import User
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories import clients as client_factories
from tests.factories import core as core_factories

# The same examples on every run, and no deadline on a machine that others share.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_blocker: Any, django_db_modify_db_settings: None
) -> Iterator[None]:
    """Make the test database as the owner; then tests run as the application's login."""
    application = connection.settings_dict["USER"]
    with django_db_blocker.unblock():
        with as_owner():
            made = setup_databases(verbosity=0, interactive=False, serialized_aliases=[])
            name = connection.settings_dict["NAME"]
            grants.apply(
                connection,
                application=application,
                ingest=settings.DATABASE_INGEST.get("USER", ""),
            )
            with connection.cursor() as cursor:
                _let_tests_truncate(cursor)
                cursor.execute(f'GRANT TRUNCATE ON ALL TABLES IN SCHEMA public TO "{application}"')
        for login in (settings.DATABASE_OWNER, settings.DATABASE_INGEST):
            login["NAME"] = name
    yield
    with django_db_blocker.unblock(), as_owner():
        teardown_databases(made, verbosity=0)


def _let_tests_truncate(cursor: Any) -> None:
    """Drop the triggers that refuse TRUNCATE: transactional tests flush by it. The one switch."""
    cursor.execute(
        "SELECT tgname, tgrelid::regclass::text FROM pg_trigger "
        "WHERE tgname LIKE '%\\_no\\_truncate'"
    )
    for trigger, table in cursor.fetchall():
        cursor.execute(f'DROP TRIGGER "{trigger}" ON {table}')


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """Begin with nothing cached: what a page asks must not depend on the test before."""
    cache.clear()


@pytest.fixture(autouse=True)
def _no_outside_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections to anything but this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if host and not (host.startswith("127.") or host in ("localhost", "::1")):
            raise AssertionError(f"A test tried to reach {address}.")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def system(db: None) -> Iterator[SystemPrincipal]:
    """Act as the system: for building rows and for services that need no person."""
    principal = SystemPrincipal("tests")
    with acting_as(principal):
        yield principal


@pytest.fixture
def technician(db: None) -> User:
    """Works tickets for every client."""
    return core_factories.staff("technician", email="tess@msp.example", name="Tess Technician")


@pytest.fixture
def service_manager(db: None) -> User:
    """Keeps promises: contracts, approval of time, posting."""
    return core_factories.staff("service_manager", email="mona@msp.example", name="Mona Manager")


@pytest.fixture
def billing_clerk(db: None) -> User:
    """Bills, and does not work tickets."""
    return core_factories.staff("billing_clerk", email="bill@msp.example", name="Bill Clerk")


@pytest.fixture
def contact(db: None) -> User:
    """A contact of Acme with a portal sign-in, who sees their own things."""
    return client_factories.portal_user("Acme", email="ada@acme.example", name="Ada Acme")


@pytest.fixture
def stranger(db: None) -> User:
    """A manager at a rival client: sees all of the rival's things and must see none of Acme's."""
    return client_factories.portal_user(
        "Rival", email="rick@rival.example", name="Rick Rival", roles=["manager", "billing"]
    )
