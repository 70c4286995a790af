"""Fill an installation with the demo."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.db import transaction

from msp.core.scope import acting_as
from msp.demo.machine import hand_out_token
from msp.demo.seed import BY, is_empty, make_demo
from msp.embedded.secret_files import write_private


class Command(BaseCommand):
    help = "Make demo clients, devices, tickets and an invoice, and sign-ins to look at them with."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--if-empty", action="store_true", help="do nothing where there are clients already"
        )
        parser.add_argument("--seed", type=int, default=7, help="for everything that is diced")
        parser.add_argument("--signins", type=Path, help="file for e-mail addresses and passwords")
        parser.add_argument(
            "--agent-token-file", type=Path, help="file for a token for this machine's own agent"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # The files are written before the commit: if this is cut off between the two, the next run
        # finds no client and writes them again.
        with transaction.atomic():
            if is_empty():
                made = make_demo(options["seed"])
                if options["signins"]:
                    rows = [asdict(row) for row in made.sign_ins]
                    write_private(options["signins"], f"{json.dumps(rows, indent=2)}\n")
                else:
                    for row in made.sign_ins:
                        self.stdout.write(f"{row.who}: {row.email} {row.password}")
                self.stdout.write(
                    f"{made.clients} clients, {made.devices} devices, {made.tickets} tickets."
                )
            elif not options["if_empty"]:
                raise CommandError("There are clients already; the demo needs an empty database.")
            if options["agent_token_file"]:
                with acting_as(BY):
                    if hand_out_token(options["agent_token_file"], by=BY):
                        self.stdout.write("A token for this machine's agent was made.")
