"""Who this device is: its Ed25519 key, and the names the server gave it at enrolment."""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from msp_agent.files import private_dir, write_atomic
from msp_agent.signing import Ed25519Signer

KEY_FILE = "device.key"
IDENTITY_FILE = "identity.json"


class IdentityUnreadable(Exception):
    """The state directory holds a key or identity that cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What enrolment gave: the device, the id of its key, and where to report."""

    server: str
    device: str
    key_id: str
    status: str
    enrolled_at: int  # ms UTC, server time


def load_identity(state_dir: Path) -> Identity | None:
    """Return the stored identity, or None before enrolment.

    Errors: IdentityUnreadable.
    """
    path = state_dir / IDENTITY_FILE
    try:
        stored: Mapping[str, Any] = json.loads(path.read_text())
        return Identity(**{name: stored[name] for name in Identity.__dataclass_fields__})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IdentityUnreadable(f"{path}: {error}") from error


def save_identity(state_dir: Path, identity: Identity) -> None:
    """Store the identity atomically, readable by the owner only."""
    write_atomic(state_dir / IDENTITY_FILE, json.dumps(asdict(identity), indent=1).encode())


def with_status(identity: Identity, status: str) -> Identity:
    """Return the identity with another status (active, pending)."""
    return replace(identity, status=status)


def load_or_make_key(state_dir: Path) -> Ed25519PrivateKey:
    """Return the device's private key, making it on first use; it never leaves the device.

    The key is stored before it is used, so an enrolment whose answer got lost is repeated with
    the same key.

    Errors: IdentityUnreadable if there is a key file that is no Ed25519 key.
    """
    path = private_dir(state_dir) / KEY_FILE
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except FileNotFoundError:
        new = Ed25519PrivateKey.generate()
        pem = new.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_atomic(path, pem)
        return new
    except (OSError, ValueError, TypeError) as error:
        raise IdentityUnreadable(f"{path}: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise IdentityUnreadable(f"{path}: not an Ed25519 key")
    return key


def public_key_text(key: Ed25519PrivateKey) -> str:
    """Return the raw 32-byte public key in base64."""
    return base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def signer_for(identity: Identity, key: Ed25519PrivateKey) -> Ed25519Signer:
    """Return what signs this device's requests."""
    return Ed25519Signer(identity.key_id, key)
