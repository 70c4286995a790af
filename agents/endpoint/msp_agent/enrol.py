"""Become a known device: one token in, one identity out.

The token says which client and site this machine belongs to; nothing that we send does.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from msp_agent import __version__, wire
from msp_agent.clock import Clock
from msp_agent.hardware import host_name, read_hardware, read_system
from msp_agent.identity import (
    Identity,
    load_or_make_key,
    public_key_text,
    save_identity,
)
from msp_agent.signing import Ed25519Signer
from msp_agent.transport import Answer, Transport

ENROLMENT_KEY_ID = "enrol"
# Codes after which the same token will not work however often we ask.
FINAL_CODES = frozenset({"token_unknown", "token_expired", "token_used_up", "bad_request"})


class EnrolmentRefused(Exception):
    """The server said no. `is_final`: asking again with this token is pointless."""

    def __init__(self, code: str, message: str, *, is_final: bool) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.is_final = is_final


def enrol(
    transport: Transport,
    *,
    server: str,
    token: str,
    state_dir: Path,
    role: str,
    clock: Clock,
    name: str | None = None,
) -> tuple[Identity, dict[str, Any]]:
    """Enrol this machine, store its identity, and return it with the server's configuration.

    Errors: NoAnswer; EnrolmentRefused; OSError if the identity cannot be stored.
    """
    key = load_or_make_key(state_dir)
    system = read_system()

    def body_for(nonce: str) -> bytes:
        return json.dumps(
            {
                "token": token,
                "nonce": nonce,
                "public_key": public_key_text(key),
                "name": name or host_name(),
                "role": role,
                "hardware": read_hardware().as_dict(),
                "os": system.as_dict(),
                "agent_version": __version__,
            }
        ).encode()

    answer = _ask(transport, key, clock, body_for)
    if answer.status == 401:
        # Nothing says which: the nonce may have aged, or our clock be wrong. Mend both, once.
        _learn(clock, answer)
        answer = _ask(transport, key, clock, body_for)
    if answer.status != 201:
        raise _refusal(answer)
    _learn(clock, answer)
    try:
        identity = Identity(
            server=server,
            device=str(answer.body["device"]),
            key_id=str(answer.body["key_id"]),
            status=str(answer.body["status"]),
            enrolled_at=clock.server_ms(),
        )
    except KeyError as error:
        raise EnrolmentRefused("bad_answer", f"no {error} in it", is_final=False) from error
    save_identity(state_dir, identity)
    config = answer.body.get("config")
    return identity, config if isinstance(config, dict) else {}


def _ask(
    transport: Transport,
    key: Ed25519PrivateKey,
    clock: Clock,
    body_for: Callable[[str], bytes],
) -> Answer:
    first = transport.post(transport.path(wire.NONCE_PATH), b"", dict)
    nonce = first.body.get("nonce")
    if first.status != 200 or not isinstance(nonce, str):
        raise _refusal(first)
    body = body_for(nonce)
    return transport.post_signed(
        wire.ENROL_PATH,
        body,
        signer=Ed25519Signer(ENROLMENT_KEY_ID, key),
        created=clock.server_seconds,
        content={"Content-Type": "application/json"},
        nonce=nonce,
    )


def _learn(clock: Clock, answer: Answer) -> None:
    server_ms = answer.body.get("time")
    if isinstance(server_ms, int):
        clock.learn(server_ms, answer.round_trip_ms)


def _refusal(answer: Answer) -> EnrolmentRefused:
    code = str(answer.body.get("code") or f"http_{answer.status}")
    message = str(answer.body.get("message") or "")
    return EnrolmentRefused(code, message, is_final=code in FINAL_CODES)
