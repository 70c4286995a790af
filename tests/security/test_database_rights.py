"""What somebody can do who holds a database login of the application or of the ingest."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.db import connection

from msp.core import clock, grants
from msp.core.database import as_owner

pytestmark = pytest.mark.django_db(transaction=True)

RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


@pytest.fixture
def ingest() -> str:
    login: str = settings.DATABASE_INGEST["USER"]
    return login


@pytest.fixture
def application() -> str:
    login: str = connection.settings_dict["USER"]
    return login


def _query(statement: str, parameters: list[object] | None = None) -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or [])
        return [tuple(row) for row in cursor.fetchall()]


def _apply(application: str, ingest: str) -> None:
    with as_owner():
        grants.apply(connection, application=application, ingest=ingest)


def test_a_partition_gives_no_right_that_its_parent_refuses(application: str, ingest: str) -> None:
    with connection.cursor() as cursor:
        for table in ("monitoring_sample", "monitoring_deviceevent"):
            cursor.execute("SELECT monitoring_make_partition(%s, %s)", [table, clock.now()])
    _apply(application, ingest)  # as at every upgrade
    held = _query(
        "SELECT relname, priv FROM pg_class, unnest(%s) priv "
        "WHERE relispartition AND relkind = 'r' AND priv <> 'TRUNCATE' "
        "AND (has_table_privilege(%s, oid, priv) OR has_table_privilege(%s, oid, priv))",
        [list(RIGHTS), application, ingest],
    )
    assert held == []
    partitions = _query("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'")
    assert len(partitions) >= 2


def test_the_application_changes_no_row_of_a_table_that_is_only_added_to(application: str) -> None:
    held = _query(
        "SELECT t, priv FROM unnest(%s) t, unnest(ARRAY['UPDATE', 'DELETE']) priv "
        "WHERE has_table_privilege(%s, t, priv)",
        [list(grants.APPEND_ONLY), application],
    )
    assert held == []


def test_every_table_with_a_trigger_against_change_is_refused_by_rights_too() -> None:
    guarded = _query(
        "SELECT tgrelid::regclass::text, encode(tgargs, 'escape') FROM pg_trigger "
        "JOIN pg_proc ON pg_proc.oid = tgfoid WHERE proname = 'msp_refuse_change'"
    )
    # `{}` names no column that may change; tables with some keep the right to UPDATE.
    whole = {table for table, frozen in guarded if frozen.startswith("{}")}
    assert whole <= set(grants.APPEND_ONLY)
    assert whole


def test_the_ingest_login_holds_what_is_listed_and_nothing_else(ingest: str) -> None:
    held = _query(
        "SELECT c.relname, string_agg(priv, ', ' ORDER BY array_position(%s, priv)) "
        "FROM pg_class c, unnest(%s) priv WHERE relkind IN ('r', 'p', 'v', 'm') "
        "AND relnamespace = 'public'::regnamespace AND has_table_privilege(%s, c.oid, priv) "
        "GROUP BY 1",
        [list(RIGHTS), list(RIGHTS), ingest],
    )
    whole_tables = {table: rights for table, rights in grants.INGEST.items() if "(" not in rights}
    assert dict(held) == whole_tables  # type: ignore[comparison-overlap]


def test_the_ingest_login_takes_ids_only_of_tables_it_adds_to(ingest: str) -> None:
    held = {
        name
        for (name,) in _query(
            "SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' "
            "AND has_sequence_privilege(%s, quote_ident(sequencename), 'USAGE, SELECT, UPDATE')",
            [ingest],
        )
    }
    tables = {table for table, rights in grants.INGEST.items() if "INSERT" in rights}
    assert held
    assert {name.removesuffix("_id_seq") for name in held} <= tables


@pytest.mark.parametrize("kind", ["application", "ingest"])
def test_a_login_owns_nothing_and_has_no_power_over_others(
    kind: str, request: pytest.FixtureRequest
) -> None:
    login = request.getfixturevalue(kind)
    [powers] = _query(
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication, "
        "pg_has_role(rolname, %s, 'MEMBER'), has_schema_privilege(rolname, 'public', 'CREATE') "
        "FROM pg_roles WHERE rolname = %s",
        [settings.DATABASE_OWNER["USER"], login],
    )
    assert not any(powers)
    assert _query("SELECT relname FROM pg_class WHERE relowner = %s::regrole", [login]) == []
