"""What raw SQL cannot do either."""

from __future__ import annotations

import psycopg2
import pytest
from django.conf import settings
from django.db import IntegrityError, ProgrammingError, connection, transaction

from clients import services
from clients.services.defaults import TARGETS
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories import clients as make

VERSIONS = (
    "clients_calendarversion",
    "clients_slapolicyversion",
    "clients_prioritymatrixversion",
)


@pytest.mark.parametrize("table", VERSIONS)
@pytest.mark.parametrize("statement", ["UPDATE {} SET number = number + 1", "DELETE FROM {}"])
def test_the_applications_login_may_not_touch_a_version(system, table, statement) -> None:
    services.ensure_defaults(by=system)
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(table))


@pytest.mark.django_db(transaction=True)
def test_the_owner_may_not_touch_a_version_either() -> None:
    by = SystemPrincipal("tests")
    with acting_as(by):
        defaults = services.ensure_defaults(by=by)
        services.add_policy_version(defaults.policy.pk, by=by, targets=TARGETS)
    login = settings.DATABASE_OWNER
    owner = psycopg2.connect(
        host=login["HOST"],
        port=login["PORT"],
        user=login["USER"],
        password=login["PASSWORD"],
        dbname=connection.settings_dict["NAME"],
    )
    try:
        for table in VERSIONS:
            for statement in (f"UPDATE {table} SET number = number + 1", f"DELETE FROM {table}"):
                with (
                    pytest.raises(psycopg2.Error, match="rows are only added"),
                    owner,
                    owner.cursor() as cursor,
                ):
                    cursor.execute(statement)
    finally:
        owner.close()


def test_a_contacts_site_cannot_be_another_clients(system) -> None:
    ada = make.contact(make.client("Acme"), email="ada@acme.example")
    foreign = make.site(make.client("Rival"))
    with (
        pytest.raises(IntegrityError, match="same_client"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "UPDATE clients_contact SET site_id = %s WHERE id = %s", [foreign.pk, ada.pk]
        )


def test_a_client_cannot_be_merged_into_itself(system) -> None:
    acme = make.client("Acme")
    with (
        pytest.raises(IntegrityError, match="not_into_itself"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "UPDATE clients_client SET merged_into_id = id, merged_at = now() WHERE id = %s",
            [acme.pk],
        )


def test_there_cannot_be_two_default_calendars(system) -> None:
    services.ensure_defaults(by=system)
    other = services.add_calendar("Other", by=system, always=True)
    with (
        pytest.raises(IntegrityError, match="one_default"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE clients_calendar SET is_default = true WHERE id = %s", [other.pk])
