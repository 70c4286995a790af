"""Who is calling: keys of devices, read with the caller's own database login.

The telemetry door asks here outside Django's request path, so these functions take a cursor of its
connection. Client and device always come from the key, never from what a request says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agents.enums import DeviceState, KeyState
from agents.services.signature import Ed25519Key, VerifyKey

_READ = """
SELECT k.key_id, k.device_id, k.client_id, k.public_key, k.state, d.state
FROM agents_devicekey k JOIN agents_device d ON d.id = k.device_id
WHERE k.key_id = ANY(%s::uuid[])
"""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key, whose it is, and why it may not report (`""` if it may)."""

    key_id: UUID
    device_id: int
    client_id: int
    key: VerifyKey
    #: `revoked`, `quarantined`, `pending` or "".
    refused: str


def read_keys(cursor: Any, key_ids: Iterable[UUID]) -> dict[UUID, KnownKey]:
    """Return what is known of these keys; unknown ones are absent.

    A second kind of key (session keys) is a second query here; callers do not change.
    """
    cursor.execute(_READ, [[str(key_id) for key_id in key_ids]])
    found = {}
    for key_id, device_id, client_id, public_key, key_state, device_state in cursor.fetchall():
        name = UUID(str(key_id))
        found[name] = KnownKey(
            key_id=name,
            device_id=device_id,
            client_id=client_id,
            key=Ed25519Key(bytes(public_key)),
            refused=_refused(key_state, device_state),
        )
    return found


def _refused(key_state: str, device_state: str) -> str:
    if key_state != KeyState.ACTIVE or device_state == DeviceState.RETIRED:
        return "revoked"
    return "" if device_state == DeviceState.ACTIVE else device_state
