"""Check who sent an HTTP request: RFC 9421 signatures, strictly and fast.

One form is accepted, the one our protocol names: one signature, over all five components, with
`created`, `nonce`, `keyid` and `alg`. Everything else is refused before any cryptography. The
package http-message-signatures (138 µs a check) is the oracle in the tests, never used here.

Source: RFC 9421 (signature base: section 2.5; HMAC: 3.3.3; Ed25519: 3.3.6), RFC 9530 (digest).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

COMPONENTS: Final = frozenset({"@method", "@authority", "@path", "@query", "content-digest"})
PARAMETERS: Final = frozenset({"created", "nonce", "keyid", "alg"})
#: How far `created` may be from the server's time, in seconds. Source: telemetry design, section 3.
MAX_SKEW_SECONDS: Final = 300
MAX_FIELD: Final = 2048
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}

_LABEL: Final = r"[a-z*][a-z0-9_.*-]{0,31}"
_STRING: Final = r'"(?:[ !#-\[\]-~]|\\["\\])*"'
_INPUT: Final = re.compile(
    rf'({_LABEL})=(\(((?:"[@a-z0-9-]+"(?: "[@a-z0-9-]+")*)?)\)'
    rf"((?:;[a-z]+=(?:\d{{1,15}}|{_STRING}))*))"
)
#: What agents send, in one look; whatever else is right is read the long way.
_USUAL: Final = re.compile(
    r'(sig1)=(\("@method" "@authority" "@path" "@query" "content-digest"\)'
    r';created=(\d{1,15});nonce="([A-Za-z0-9_-]{1,64})";keyid="([a-z0-9-]{1,64})"'
    r';alg="([a-z0-9-]{1,32})")'
)
_USUAL_COMPONENTS: Final = ("@method", "@authority", "@path", "@query", "content-digest")
_PARAMETER: Final = re.compile(rf";([a-z]+)=(\d{{1,15}}|{_STRING})")
_SIGNATURE: Final = re.compile(rf"({_LABEL})=:([A-Za-z0-9+/]+={{0,2}}):")
_DIGEST: Final = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")


class SignatureRefused(Exception):
    """The request is not rightly signed. `code` is `bad_signature` or `skewed`.

    The sentence is for the agent's log and never says which check a forger must mend.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class VerifyKey(Protocol):
    """A key that can check: its algorithm is fixed, so a request cannot choose another."""

    algorithm: str

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Return whether the signature is this key's over the data."""
        ...


class Ed25519Key:
    """A device's public key."""

    algorithm = "ed25519"
    __slots__ = ("_key",)

    def __init__(self, public_key: bytes) -> None:
        """Take 32 raw bytes. Errors: ValueError for anything else."""
        self._key = Ed25519PublicKey.from_public_bytes(public_key)

    def verify(self, signature: bytes, data: bytes) -> bool:
        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


class HmacKey:
    """A session key shared with one device."""

    algorithm = "hmac-sha256"
    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def verify(self, signature: bytes, data: bytes) -> bool:
        return hmac.compare_digest(hmac.digest(self._secret, data, "sha256"), signature)


@dataclass(frozen=True, slots=True)
class SignatureInput:
    """A parsed Signature-Input field with one member; `raw` is what the base ends with."""

    label: str
    raw: str
    components: tuple[str, ...]
    parameters: Mapping[str, int | str]


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What of a request is signed. `path` and `query` as sent, the query without `?`."""

    method: str
    authority: str
    path: str
    query: str
    headers: Mapping[str, str]
    given: SignatureInput
    signature: bytes

    @property
    def keyid(self) -> str:
        return str(self.given.parameters["keyid"])

    @property
    def nonce(self) -> str:
        return str(self.given.parameters["nonce"])

    @property
    def algorithm(self) -> str:
        return str(self.given.parameters["alg"])

    def check_time(self, now_seconds: float) -> None:
        """Refuse a signature made too long ago or ahead. Errors: SignatureRefused `skewed`."""
        created = self.given.parameters["created"]
        if abs(now_seconds - int(created)) > MAX_SKEW_SECONDS:
            raise SignatureRefused("skewed", "The clock differs by more than five minutes.")

    def check(self, key: VerifyKey, body: bytes) -> None:
        """Check body and signature. Errors: SignatureRefused `bad_signature`."""
        if self.headers["content-digest"] != content_digest(body):
            raise _bad()
        if self.algorithm != key.algorithm or not key.verify(self.signature, self.base()):
            raise _bad()

    def base(self) -> bytes:
        """Return the bytes that are signed."""
        if self.given.components is _USUAL_COMPONENTS:
            return (
                f'"@method": {self.method}\n"@authority": {self.authority}\n'
                f'"@path": {self.path}\n"@query": ?{self.query}\n'
                f'"content-digest": {self.headers["content-digest"]}\n'
                f'"@signature-params": {self.given.raw}'
            ).encode("latin-1")
        values = {
            "@method": self.method,
            "@authority": self.authority,
            "@path": self.path,
            "@query": f"?{self.query}",
            "content-digest": self.headers["content-digest"],
        }
        return signature_base(
            [(name, values[name]) for name in self.given.components], self.given.raw
        )


def read(
    *,
    method: str,
    authority: str,
    path: str,
    query: str,
    headers: Iterable[tuple[str, str]],
) -> SignedRequest:
    """Read the signature's three fields out of lower-case (name, value) pairs.

    Errors: SignatureRefused `bad_signature` if one is missing, sent twice or not of our form.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        if name in ("signature-input", "signature", "content-digest"):
            if name in found or len(value) > MAX_FIELD:
                raise _bad()
            found[name] = value.strip(" \t")
    if len(found) != 3:
        raise _bad()
    given = parse_input(found["signature-input"])
    if given.components is not _USUAL_COMPONENTS and (
        len(given.components) != len(COMPONENTS)
        or frozenset(given.components) != COMPONENTS
        or given.parameters.keys() != PARAMETERS
        or not isinstance(given.parameters["created"], int)
        or not all(isinstance(given.parameters[name], str) for name in ("nonce", "keyid", "alg"))
    ):
        raise _bad()
    match = _SIGNATURE.fullmatch(found["signature"])
    if match is None or match[1] != given.label or not _DIGEST.fullmatch(found["content-digest"]):
        raise _bad()
    return SignedRequest(
        method=method,
        authority=authority,
        path=path,
        query=query,
        headers=found,
        given=given,
        signature=_decode(match[2]),
    )


def parse_input(value: str) -> SignatureInput:
    """Parse a Signature-Input field with exactly one member.

    Errors: SignatureRefused for several members, component parameters, or a parameter sent twice.
    """
    usual = _USUAL.fullmatch(value)
    if usual is not None:
        label, raw, created, nonce, keyid, alg = usual.groups()
        given = {"created": int(created), "nonce": nonce, "keyid": keyid, "alg": alg}
        return SignatureInput(label, raw, _USUAL_COMPONENTS, given)
    match = _INPUT.fullmatch(value)
    if match is None:
        raise _bad()
    parameters: dict[str, int | str] = {}
    for name, text in _PARAMETER.findall(match[4]):
        if name in parameters:
            raise _bad()
        parameters[name] = int(text) if text[0] != '"' else re.sub(r"\\(.)", r"\1", text[1:-1])
    components = tuple(name[1:-1] for name in match[3].split(" ")) if match[3] else ()
    return SignatureInput(match[1], match[2], components, parameters)


def signature_base(components: Sequence[tuple[str, str]], params: str) -> bytes:
    """Return one line for each component, and the parameters last."""
    lines = [f'"{name}": {value}' for name, value in components]
    lines.append(f'"@signature-params": {params}')
    return "\n".join(lines).encode("latin-1")


def content_digest(body: bytes) -> str:
    """Return the Content-Digest field of a body as sent."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def authority(host: str, scheme: str) -> str:
    """Return the host as it is signed: lower case, without the scheme's default port."""
    return host.lower().removesuffix(_DEFAULT_PORTS.get(scheme, ""))


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise _bad() from None


def _bad() -> SignatureRefused:
    return SignatureRefused("bad_signature", "The signature is missing or does not fit.")
