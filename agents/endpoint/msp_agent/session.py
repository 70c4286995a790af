"""The key that signs reports: agreed on with the server, at most a day old, never stored.

Each side brings a fresh X25519 key; the device's own key signs the request, so nobody else can
begin a session for it. After a restart the agent simply begins another one.

Source: RFC 7748 (X25519), RFC 5869 (HKDF).
"""

import base64
import hashlib
import json
import uuid

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from msp_agent.clock import Clock
from msp_agent.log import logger
from msp_agent.signing import HmacSigner, Signer
from msp_agent.transport import Answer, Transport

SESSION_PATH = "/api/v1/agent/session"
INFO = b"msp-agent session v1"
SECRET_BYTES = 32
#: Renewed this long before it ends, so that a report never meets an expired key.
RENEW_BEFORE_MS = 3_600_000
CREATED = 201


class NoSession(Exception):
    """The server gave no session key; `answer` is what it said instead."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"no session key: {answer.status}")
        self.answer = answer


class Session:
    """Gives the signer of the next report, agreeing on a new key when there is none in force."""

    def __init__(self, device_signer: Signer, *, transport: Transport, clock: Clock) -> None:
        self._device = device_signer
        self._transport = transport
        self._clock = clock
        self._signer: HmacSigner | None = None
        self._renew_at = 0

    def signer(self) -> Signer:
        """Return what signs the next report.

        Errors: NoAnswer; NoSession.
        """
        if self._signer is None or self._clock.server_ms() >= self._renew_at:
            self._agree()
        assert self._signer is not None
        return self._signer

    def forget(self) -> None:
        """Agree on a new key before the next report: the server does not know this one."""
        self._signer = None

    def _agree(self) -> None:
        own = X25519PrivateKey.generate()
        own_public = own.public_key().public_bytes_raw()
        body = json.dumps({"public_key": base64.b64encode(own_public).decode()}).encode()
        answer = self._transport.post_signed(
            SESSION_PATH,
            body,
            signer=self._device,
            created=self._clock.server_seconds,
            content={"Content-Type": "application/json"},
        )
        if answer.status != CREATED:
            raise NoSession(answer)
        try:
            key_id = uuid.UUID(answer.body["key_id"])
            server_public = base64.b64decode(answer.body["public_key"], validate=True)
            shared = own.exchange(X25519PublicKey.from_public_bytes(server_public))
            expires_at = int(answer.body["expires_at"])
        except (KeyError, TypeError, ValueError) as error:
            logger.error("the server's session key makes no sense: %s", error)
            raise NoSession(answer) from error
        secret = HKDF(
            algorithm=SHA256(),
            length=SECRET_BYTES,
            salt=hashlib.sha256(own_public + server_public).digest(),
            info=INFO + key_id.bytes + uuid.UUID(self._device.key_id).bytes,
        ).derive(shared)
        self._signer = HmacSigner(str(key_id), secret)
        # A lifetime shorter than the margin must not mean a new key for each report.
        left = expires_at - self._clock.server_ms()
        self._renew_at = expires_at - min(RENEW_BEFORE_MS, left // 2)
