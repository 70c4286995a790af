"""Give a fresh installation the calendar, SLA policy and priorities used without a contract."""

from __future__ import annotations

from typing import Any

from django.core.management import BaseCommand

from clients.services import ensure_defaults
from msp.core.scope import SystemPrincipal, acting_as


class Command(BaseCommand):
    help = (
        "Make the default calendar, SLA policy and priority matrix where they are missing. Without "
        "them no ticket can open. May run at every start: what people chose is left alone."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        principal = SystemPrincipal("manage.py ensure_defaults")
        with acting_as(principal):
            made = ensure_defaults(by=principal)
        self.stdout.write(
            f"Defaults: calendar {made.calendar.name}, policy {made.policy.name}, "
            f"priorities {made.matrix.name}."
        )
