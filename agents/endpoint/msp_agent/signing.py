"""HTTP message signatures as the server wants them.

Source: RFC 9421 (signature base, section 2.5; HMAC, 3.3.3; Ed25519, 3.3.6), RFC 9530
(Content-Digest). Nothing but the two signers knows which algorithm signs.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import SplitResult

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

COVERED = ("@method", "@authority", "@path", "@query", "content-digest")
NONCE_BYTES = 16
DEFAULT_PORTS = {"http": 80, "https": 443}


class Signer(Protocol):
    """A key that can sign: `key_id` and `algorithm` travel in the signature's parameters."""

    key_id: str
    algorithm: str

    def sign(self, data: bytes) -> bytes:
        """Return the raw signature over `data`."""
        ...


class Ed25519Signer:
    """Sign with the device's own key."""

    algorithm = "ed25519"

    def __init__(self, key_id: str, key: Ed25519PrivateKey) -> None:
        self.key_id = key_id
        self._key = key

    def sign(self, data: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature over `data`."""
        return self._key.sign(data)


class HmacSigner:
    """Sign with a session key: cheap to check, so each report can be signed."""

    algorithm = "hmac-sha256"

    def __init__(self, key_id: str, secret: bytes) -> None:
        self.key_id = key_id
        self._secret = secret

    def sign(self, data: bytes) -> bytes:
        """Return the 32-byte HMAC over `data`."""
        return hmac.digest(self._secret, data, "sha256")


def authority(url: SplitResult) -> str:
    """Return host and port as signed and as sent in Host: lower case, no default port.

    Errors: ValueError if the URL has no host or a port that is no number.
    """
    host = (url.hostname or "").lower()
    if not host:
        raise ValueError("the server's URL names no host")
    if ":" in host:
        host = f"[{host}]"
    if url.port is None or url.port == DEFAULT_PORTS.get(url.scheme):
        return host
    return f"{host}:{url.port}"


def content_digest(body: bytes) -> str:
    """Return the Content-Digest field of the body as sent (after compression)."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def signature_params(covered: Sequence[str], **parameters: int | str) -> str:
    """Write the covered components and parameters, in the order given, as a structured field."""
    names = " ".join(f'"{name}"' for name in covered)
    tail = "".join(
        f";{name}={value}" if isinstance(value, int) else f";{name}={_quoted(value)}"
        for name, value in parameters.items()
    )
    return f"({names}){tail}"


def signature_base(components: Sequence[tuple[str, str]], params: str) -> bytes:
    """Return the bytes to sign: one line per component, the parameters last."""
    lines = [f'"{name}": {value}' for name, value in components]
    lines.append(f'"@signature-params": {params}')
    return "\n".join(lines).encode("ascii")


def signed_headers(
    signer: Signer,
    *,
    method: str,
    authority: str,
    path: str,
    body: bytes,
    created: int,
    query: str = "",
    nonce: str | None = None,
) -> dict[str, str]:
    """Return the three header fields that authenticate one request.

    `created` is in seconds of the server's time. The query is given without its question mark.
    """
    digest = content_digest(body)
    params = signature_params(
        COVERED,
        created=created,
        nonce=secrets.token_urlsafe(NONCE_BYTES) if nonce is None else nonce,
        keyid=signer.key_id,
        alg=signer.algorithm,
    )
    values = (method, authority, path, f"?{query}", digest)
    signature = signer.sign(signature_base(list(zip(COVERED, values, strict=True)), params))
    return {
        "Content-Digest": digest,
        "Signature-Input": f"sig1={params}",
        "Signature": f"sig1=:{base64.b64encode(signature).decode()}:",
    }


def _quoted(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise ValueError("a structured field string is printable ASCII")
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
