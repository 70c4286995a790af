"""Publish numbered events until standard input speaks; print each committed number.

Run as `python -m tests.faults.publish FIRST`.
"""

from __future__ import annotations

import select
import sys
from itertools import count

import django

django.setup()

from django.db import transaction  # noqa: E402

from msp.core import events  # noqa: E402
from tests.faults.outbox import Counted  # noqa: E402

PAUSE_SECONDS = 0.015

for number in count(int(sys.argv[1])):
    with transaction.atomic():
        events.publish(Counted(number))
    print(number, flush=True)
    if select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
        break
