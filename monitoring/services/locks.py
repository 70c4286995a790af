"""Who judges what at a time: PostgreSQL's advisory locks, held until the transaction ends.

A killed worker's locks are gone with its connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.db import connection

#: First halves of two-part keys: they keep our locks apart from those of others.
_DEVICE: Final = 0x6D6F6E01
_SWEEP: Final = 0x6D6F6E02


def lock_devices(device_ids: Iterable[int]) -> None:
    """Wait until nobody else judges these devices. Always in the same order, so nobody deadlocks.

    Keys fold device ids to 32 bits: two devices far apart may share a lock, which only waits.
    """
    ids = sorted({device_id % 2**31 for device_id in device_ids})
    if not ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, one) FROM unnest(%s::int[]) WITH ORDINALITY "
            "AS wanted (one, place) ORDER BY place",
            [_DEVICE, ids],
        )


def only_sweep(number: int) -> bool:
    """Return whether this transaction is the only one at the sweep of this number; never waits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_SWEEP, number])
        return bool(cursor.fetchone()[0])
