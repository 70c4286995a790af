"""What an enrolment may look like, and what is refused before it costs anything."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from agents.services import Machine

MAX_BODY = 64 << 10
PUBLIC_KEY_BYTES = 32

Line = Annotated[str, Meta(max_length=200)]


class BadRequest(Exception):
    """Not an enrolment; the message says where."""


class _Hardware(Struct):
    serial: Line | None = ""
    board_uuid: Line | None = ""
    macs: Annotated[list[Line], Meta(max_length=64)] = []


class _System(Struct):
    family: Line | None = ""
    name: Line | None = ""
    version: Line | None = ""


class Enrolment(Struct):
    """The body of an enrolment; unknown fields are left for later versions."""

    token: Annotated[str, Meta(min_length=1, max_length=200)]
    nonce: Annotated[str, Meta(min_length=1, max_length=200)]
    public_key: Annotated[str, Meta(max_length=100)]
    name: Line
    role: Line = ""
    hardware: _Hardware = msgspec.field(default_factory=_Hardware)
    os: _System = msgspec.field(default_factory=_System)
    agent_version: Line = ""

    def machine(self) -> Machine:
        """Return what the machine says of itself."""
        return Machine(
            name=self.name,
            role=self.role,
            serial=self.hardware.serial or "",
            board_uuid=self.hardware.board_uuid or "",
            macs=tuple(self.hardware.macs),
            os_family=self.os.family or "",
            os_name=self.os.name or "",
            os_version=self.os.version or "",
            agent_version=self.agent_version,
        )

    def key(self) -> bytes:
        """Return the raw public key. Errors: BadRequest unless it is 32 bytes in base64."""
        return _public_key(self.public_key)


class SessionRequest(Struct):
    """The body of a request for a session key; unknown fields are left for later versions."""

    public_key: Annotated[str, Meta(max_length=100)]

    def key(self) -> bytes:
        """Return the raw X25519 public key. Errors: BadRequest unless it is 32 bytes in base64."""
        return _public_key(self.public_key)


_decode: Any = msgspec.json.Decoder(Enrolment).decode
_decode_session: Any = msgspec.json.Decoder(SessionRequest).decode


def _public_key(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest("public_key is not base64") from None
    if len(raw) != PUBLIC_KEY_BYTES:
        raise BadRequest("public_key is not 32 bytes")
    return raw


def read(body: bytes) -> Enrolment:
    """Read an enrolment. Errors: BadRequest."""
    found: Enrolment = _read(_decode, body)
    return found


def read_session(body: bytes) -> SessionRequest:
    """Read a request for a session key. Errors: BadRequest."""
    found: SessionRequest = _read(_decode_session, body)
    return found


def _read(decode: Any, body: bytes) -> Any:
    if len(body) > MAX_BODY:
        raise BadRequest("larger than 64 KiB")
    try:
        return decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise BadRequest(str(error)[:200]) from None
