"""Session keys: a day's secret for reports, agreed on with a request the device's own key signed.

Both sides bring a fresh X25519 key and derive the same secret, which never travels. Checking it
(hmac-sha256, some 2 µs) instead of Ed25519 (99 µs) is what makes a signature on each report cheap.

Source: RFC 7748 (X25519), RFC 5869 (HKDF); telemetry design, section 3.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.db import IntegrityError, transaction

from agents.models import DeviceKey, RequestNonce, SessionKey
from agents.services.credentials import SESSION_PURPOSE, refusal_of
from agents.services.signature import MAX_SKEW_SECONDS
from msp.core import clock, sealing
from msp.core.errors import Refused
from msp.core.scope import Principal

LIFETIME: Final = timedelta(hours=24)
#: An agent that restarts begins a new session; the one that an old process still uses goes on.
KEPT: Final = 3
_INFO: Final = b"msp-agent session v1"
_SECRET_BYTES: Final = 32


class SessionRefused(Refused):
    """No session key is given: `revoked`, `quarantined`, `pending`, `nonce_used`, `bad_key`."""


@dataclass(frozen=True, slots=True)
class Session:
    """What the device gets to derive the same secret."""

    row: SessionKey
    public_key: bytes


def derive(
    shared: bytes, *, device_public: bytes, server_public: bytes, key_id: UUID, device_key_id: UUID
) -> bytes:
    """Return the 32-byte secret of a session; bound to both public keys and both key ids."""
    return HKDF(
        algorithm=SHA256(),
        length=_SECRET_BYTES,
        salt=hashlib.sha256(device_public + server_public).digest(),
        info=_INFO + key_id.bytes + device_key_id.bytes,
    ).derive(shared)


def device_key(key_id: UUID, *, by: Principal) -> DeviceKey | None:
    """Return a device's key by its id, whatever its state."""
    row: DeviceKey | None = (
        DeviceKey.objects.visible_to(by).select_related("device").filter(key_id=key_id).first()
    )
    return row


@transaction.atomic
def begin_session(
    key_id: UUID, *, device_public: bytes, signed_nonce: str, by: Principal
) -> Session:
    """Agree on a secret with a device whose signature has been checked.

    `signed_nonce` is that of the request's signature: a recorded request begins nothing again.
    Errors: SessionRefused.
    """
    key: DeviceKey | None = (
        DeviceKey.objects.visible_to(by)
        .select_for_update(of=("self",))
        .select_related("device")
        .filter(key_id=key_id)
        .first()
    )
    refused = "revoked" if key is None else refusal_of(key.state, key.device.state)
    if key is None or refused:
        raise SessionRefused("This device may not report.", code=refused)
    now = clock.now()
    nonce = hashlib.sha256(f"{key_id}\0{signed_nonce}".encode()).hexdigest()
    try:
        with transaction.atomic():
            # Both sides of the allowed skew: as long as the signature could pass again.
            expires_at = now + timedelta(seconds=2 * MAX_SKEW_SECONDS)
            RequestNonce.objects.create(nonce=nonce, expires_at=expires_at, used_at=now)
    except IntegrityError:
        raise SessionRefused("This request has been used already.", code="nonce_used") from None
    own = X25519PrivateKey.generate()
    try:
        shared = own.exchange(X25519PublicKey.from_public_bytes(device_public))
    except ValueError:  # not 32 bytes, or a point that gives everybody the same secret
        raise SessionRefused("public_key is not an X25519 key.", code="bad_key") from None
    session_id, public = uuid4(), own.public_key().public_bytes_raw()
    secret = derive(
        shared,
        device_public=device_public,
        server_public=public,
        key_id=session_id,
        device_key_id=key_id,
    )
    row = SessionKey.objects.create(
        key_id=session_id,
        client_id=key.client_id,
        device=key.device,
        device_key=key,
        sealed_secret=sealing.seal(secret, purpose=SESSION_PURPOSE, owner=session_id.bytes),
        created_at=now,
        expires_at=now + LIFETIME,
    )
    sessions = SessionKey.objects.visible_to(by).filter(device=key.device)
    newest = sessions.order_by("-created_at", "-pk").values_list("pk", flat=True)[:KEPT]
    sessions.exclude(pk__in=list(newest)).delete()
    return Session(row, public)


def drop_old_sessions(*, by: Principal) -> int:
    """Delete session keys that have expired; return how many."""
    deleted, _ = SessionKey.objects.visible_to(by).filter(expires_at__lt=clock.now()).delete()
    return deleted
