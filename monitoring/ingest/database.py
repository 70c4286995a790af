"""Connections of the telemetry door: its own login, and only databases that keep what they say."""

from __future__ import annotations

from typing import Any

import psycopg2
from django.conf import settings

#: Classes of SQLSTATE in which the database, and not the data, is at fault: try again later.
#: 08 connection, 25 read-only, 40 rolled back, 42 rights or schema, 53 resources, 55 locks,
#: 57 operator, 58 system, F0 and XX internal.
TRANSIENT_CLASSES = frozenset({"08", "25", "28", "40", "42", "53", "55", "57", "58", "F0", "XX"})
CONNECT_SECONDS = 3


class NotDurable(RuntimeError):
    """The database does not wait for its disk, so a 200 would promise what may be lost."""


def connect(application_name: str) -> Any:
    """Open a connection with the ingest's login, or the application's where there is no other.

    Errors: psycopg2.OperationalError.
    """
    config: dict[str, Any] = settings.DATABASE_INGEST or settings.DATABASES["default"]
    return psycopg2.connect(
        dbname=config["NAME"],
        user=config.get("USER") or None,
        password=config.get("PASSWORD") or None,
        host=config.get("HOST") or None,
        port=config.get("PORT") or None,
        connect_timeout=CONNECT_SECONDS,
        application_name=application_name,
        # A database that vanished is noticed in seconds, not when TCP gives up.
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=15_000,
        options="-c timezone=UTC -c statement_timeout=20000 -c lock_timeout=5000",
        **{key: value for key, value in config.get("OPTIONS", {}).items() if key != "pool"},
    )


def require_durable(connection: Any) -> None:
    """Refuse a database that acknowledges before its disk has the data.

    Errors: NotDurable.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('fsync'), current_setting('synchronous_commit')")
        fsync, synchronous_commit = cursor.fetchone()
    connection.rollback()
    if fsync != "on" or synchronous_commit not in ("on", "remote_apply"):
        raise NotDurable(
            f"Telemetry refuses to start: fsync is {fsync}, synchronous_commit is "
            f"{synchronous_commit}; both must be on, or an acknowledged report may be lost."
        )


def is_transient(error: BaseException) -> bool:
    """Return whether an error is the database's, so that the same data may be sent again later."""
    if isinstance(error, psycopg2.Error):
        if error.pgcode:
            return error.pgcode[:2] in TRANSIENT_CLASSES
        return isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
    return False
