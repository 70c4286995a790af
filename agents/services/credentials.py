"""Who is calling: keys of devices, read with the caller's own database login.

The telemetry door asks here outside Django's request path, so these functions take a cursor of its
connection. Client and device always come from the key, never from what a request says.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from agents.enums import DeviceState, KeyState
from agents.services.signature import Ed25519Key, HmacKey, VerifyKey
from msp.core import sealing

log = logging.getLogger(__name__)

SESSION_PURPOSE: Final = "agents.session"

_READ = """
SELECT k.key_id, k.device_id, k.client_id, k.public_key, k.state, d.state
FROM agents_devicekey k JOIN agents_device d ON d.id = k.device_id
WHERE k.key_id = ANY(%s::uuid[])
"""

_READ_SESSIONS = """
SELECT s.key_id, s.device_id, s.client_id, s.sealed_secret, k.state, d.state,
       extract(epoch FROM s.expires_at)::float8
FROM agents_sessionkey s
JOIN agents_devicekey k ON k.id = s.device_key_id
JOIN agents_device d ON d.id = s.device_id
WHERE s.key_id = ANY(%s::uuid[])
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
    #: Seconds since 1970 after which a session key signs nothing; None for a device's own key.
    valid_until: float | None = None


def read_keys(cursor: Any, key_ids: Iterable[UUID]) -> dict[UUID, KnownKey]:
    """Return what is known of these keys, devices' own and sessions'; unknown ones are absent."""
    wanted = [str(key_id) for key_id in key_ids]
    cursor.execute(_READ_SESSIONS, [wanted])
    found = {}
    for key_id, device_id, client_id, sealed, key_state, device_state, until in cursor.fetchall():
        name = UUID(str(key_id))
        try:
            secret = sealing.unseal(bytes(sealed), purpose=SESSION_PURPOSE, owner=name.bytes)
        except sealing.NotSealedHere as error:
            # The key-encryption key was replaced, or somebody wrote here: the device agrees anew.
            log.error("Session %s cannot be opened: %s", name, error)
            continue
        refused = refusal_of(key_state, device_state)
        found[name] = KnownKey(name, device_id, client_id, HmacKey(secret), refused, until)
    missing = [key_id for key_id in wanted if UUID(key_id) not in found]
    if not missing:
        return found
    cursor.execute(_READ, [missing])
    for key_id, device_id, client_id, public_key, key_state, device_state in cursor.fetchall():
        name = UUID(str(key_id))
        found[name] = KnownKey(
            key_id=name,
            device_id=device_id,
            client_id=client_id,
            key=Ed25519Key(bytes(public_key)),
            refused=refusal_of(key_state, device_state),
        )
    return found


def refusal_of(key_state: str, device_state: str) -> str:
    """Return why a device with such a key may not report: `revoked`, `quarantined`, `pending`."""
    if key_state != KeyState.ACTIVE or device_state == DeviceState.RETIRED:
        return "revoked"
    return "" if device_state == DeviceState.ACTIVE else device_state
