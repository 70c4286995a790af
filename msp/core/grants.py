"""Rights of the three database logins.

The owner (`DATABASE_OWNER_URL`) owns the tables and migrates. The application's login owns nothing;
it may read and write rows, but not change audit rows, whatever the code does. The ingest's login
may add samples and move check-ins, but not read a sample. So row-level security can be added later
without changing who connects as what.
"""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg2 import sql

#: Tables the application may only add to and read (triggers refuse more, for everybody).
APPEND_ONLY = (
    "core_auditentry",
    "core_blob",
    "clients_calendarversion",
    "clients_slapolicyversion",
    "clients_prioritymatrixversion",
    "tickets_message",
    "tickets_clockevent",
    "billing_invoiceline",
    "billing_creditnoteline",
    "monitoring_ruleversion",
    "monitoring_alerttransition",
    # Partitions are dropped by a function, rows never (no triggers: they would cost every COPY).
    "monitoring_sample",
    "monitoring_deviceevent",
)
#: What the telemetry writer may do: table to rights.
INGEST: dict[str, str] = {
    "agents_device": "SELECT (id, client_id, public_id, state)",
    "agents_devicekey": "SELECT",
    "agents_sessionkey": "SELECT",
    "agents_devicecheckin": "SELECT, INSERT, UPDATE",
    "agents_inventorysection": "SELECT, INSERT, UPDATE",
    "agents_inventorychange": "INSERT",
    "monitoring_layout": "SELECT, INSERT",
    "monitoring_sample": "INSERT",
    "monitoring_ingestgroup": "SELECT, INSERT",
    "monitoring_deviceevent": "INSERT",
}
#: Functions that run with the owner's rights, and which of the two logins may call them.
FUNCTIONS: dict[str, tuple[str, ...]] = {
    "monitoring_make_partition(text, timestamptz)": ("application", "ingest"),
    "monitoring_drop_partitions(text, timestamptz)": ("application",),
}


def apply(connection: BaseDatabaseWrapper, *, application: str, ingest: str) -> None:
    """Give the logins exactly their rights; called by the owner after migrations.

    A login that is the owner itself (one URL for everything) is left alone.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        owner = cursor.fetchone()[0]
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = {row[0] for row in cursor.fetchall()}
        if application and application != owner:
            _application(cursor, application, tables)
        if ingest and ingest not in (owner, application):
            _ingest(cursor, ingest, tables)
        _functions(cursor, {"application": application, "ingest": ingest})


def _application(cursor, login: str, tables: set[str]) -> None:  # type: ignore[no-untyped-def]
    role = sql.Identifier(login)
    run = cursor.execute
    run(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role))
    run(
        sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}").format(
            role
        )
    )
    run(sql.SQL("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {}").format(role))
    run(sql.SQL("REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM {}").format(role))
    for table in APPEND_ONLY:
        if table in tables:
            run(sql.SQL("REVOKE UPDATE, DELETE ON {} FROM {}").format(sql.Identifier(table), role))
    # Partitions are reached through their parent: rights of their own would go past its.
    run(
        "SELECT relname FROM pg_class "
        "WHERE relispartition AND relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
    )
    for (partition,) in cursor.fetchall():
        run(sql.SQL("REVOKE ALL ON {} FROM {}").format(sql.Identifier(partition), role))


def _ingest(cursor, login: str, tables: set[str]) -> None:  # type: ignore[no-untyped-def]
    role = sql.Identifier(login)
    run = cursor.execute
    run(sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}").format(role))
    run(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role))
    run(sql.SQL("REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {}").format(role))
    for table, rights in INGEST.items():
        if table not in tables:
            continue
        run(sql.SQL("GRANT {} ON {} TO {}").format(sql.SQL(rights), sql.Identifier(table), role))
        if "INSERT" in rights:
            _grant_numbers(cursor, role, table)


def _grant_numbers(cursor, role: sql.Identifier, table: str) -> None:  # type: ignore[no-untyped-def]
    """Let a login take new ids of one table, and of no other."""
    cursor.execute(
        "SELECT seq.relname FROM pg_depend JOIN pg_class seq ON seq.oid = objid AND relkind = 'S' "
        "WHERE refobjid = %s::regclass AND deptype IN ('a', 'i')",
        [f"public.{table}"],
    )
    for (sequence,) in cursor.fetchall():
        cursor.execute(
            sql.SQL("GRANT USAGE ON SEQUENCE {} TO {}").format(sql.Identifier(sequence), role)
        )


def _functions(cursor, logins: dict[str, str]) -> None:  # type: ignore[no-untyped-def]
    for function, callers in FUNCTIONS.items():
        cursor.execute("SELECT to_regprocedure(%s) IS NOT NULL", [function])
        if not cursor.fetchone()[0]:
            continue
        for caller in callers:
            if logins[caller]:
                cursor.execute(
                    sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(
                        sql.SQL(function), sql.Identifier(logins[caller])
                    )
                )
