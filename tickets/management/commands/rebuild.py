"""Write a projection again from its facts, or only compare: `rebuild clocks --check`."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from msp.core.scope import SystemPrincipal, acting_as
from tickets import services
from tickets.models import Ticket

Work = tuple[Callable[[Ticket], list[str]], Callable[[Ticket], bool]]
#: What can be rebuilt: how to compare a ticket, how to write it again.
PROJECTIONS: dict[str, Work] = {
    "clocks": (services.differences, services.rebuild_clock),
    "queue": (services.queue_differences, services.rebuild_queue_row),
}


class Command(BaseCommand):
    """Each ticket is compared or rebuilt in a transaction of its own."""

    help = "Rebuild a projection from its facts, or compare (--check): exit 1 on any difference."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("projection", choices=sorted(PROJECTIONS))
        parser.add_argument("--check", action="store_true", help="compare only, print differences")
        parser.add_argument("--ticket", type=int, help="this ticket number only")

    def handle(self, *args: Any, **options: Any) -> None:
        compare, write = PROJECTIONS[options["projection"]]
        looked = differing = 0
        with acting_as(SystemPrincipal("rebuild")):
            for ticket in _tickets(options["ticket"]):
                looked += 1
                if not options["check"]:
                    differing += write(ticket)
                    continue
                found = compare(ticket)
                differing += bool(found)
                for line in found:
                    self.stdout.write(line)
        if options["check"] and differing:
            raise CommandError(f"{differing} of {looked} tickets differ.", returncode=1)
        words = "differ" if options["check"] else "rebuilt"
        self.stdout.write(f"{looked} tickets, {differing} {words}.")


def _tickets(number: int | None) -> Iterator[Ticket]:
    rows = Ticket.objects.order_by("pk")
    if number is not None:
        rows = rows.filter(number=number)
    yield from rows.iterator(chunk_size=500)
