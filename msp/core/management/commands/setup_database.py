"""Bring the database to this release: migrations, then rights of the logins."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.db import connection

from msp.core import grants
from msp.core.database import as_owner

MINIMUM_POSTGRESQL = 150000  # multiranges, NULLS NOT DISTINCT


class Command(BaseCommand):
    help = "Migrate as the owner of the tables and give the other logins their rights."
    requires_migrations_checks = False

    def handle(self, *args: Any, **options: Any) -> None:
        # Read before the login changes: the connection shares this dictionary with the settings.
        application = settings.DATABASES["default"].get("USER", "")
        with as_owner():
            with connection.cursor() as cursor:
                cursor.execute("SHOW server_version_num")
                version = int(cursor.fetchone()[0])
            if version < MINIMUM_POSTGRESQL:
                raise CommandError(
                    f"PostgreSQL 15 or newer is needed; this is {version // 10000}. "
                    "Nothing was changed."
                )
            call_command("migrate", interactive=False, verbosity=options["verbosity"])
            grants.apply(
                connection,
                application=application,
                ingest=settings.DATABASE_INGEST.get("USER", ""),
            )
        self.stdout.write("The database is ready.")
