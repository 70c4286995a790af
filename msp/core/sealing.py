"""Secrets at rest: sealed with the key-encryption key, which the database never sees.

AES-256-GCM under a key derived for one purpose; the row that a secret belongs to is bound to it,
so a sealed value moved to another row opens nothing. A stolen database holds only sealed values.

Source: NIST SP 800-38D (GCM); RFC 5869 (HKDF).
"""

from __future__ import annotations

import base64
import binascii
import os
from functools import lru_cache
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_VERSION: Final = b"\x01"


class NotSealedHere(Exception):
    """A sealed value was changed, moved, or sealed with another key."""


def seal(secret: bytes, *, purpose: str, owner: bytes) -> bytes:
    """Return a secret sealed for a purpose and an owner (the bytes that name its row)."""
    nonce = os.urandom(_NONCE_BYTES)
    box = _box(settings.KEY_ENCRYPTION_KEY_FILE, purpose)
    return _VERSION + nonce + box.encrypt(nonce, secret, owner)


def unseal(sealed: bytes, *, purpose: str, owner: bytes) -> bytes:
    """Return the secret. Errors: NotSealedHere."""
    if sealed[:1] != _VERSION or len(sealed) <= 1 + _NONCE_BYTES:
        raise NotSealedHere("this is no sealed value")
    box = _box(settings.KEY_ENCRYPTION_KEY_FILE, purpose)
    try:
        return box.decrypt(sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :], owner)
    except InvalidTag:
        raise NotSealedHere("changed, moved, or sealed with another key") from None


@lru_cache(maxsize=32)
def _box(path: str, purpose: str) -> AESGCM:
    """Return the cipher of a purpose; the file is read once. Errors: ImproperlyConfigured."""
    advice = "KEY_ENCRYPTION_KEY_FILE must name a file with 32 random bytes in base64."
    try:
        key = base64.b64decode(Path(path).read_text(encoding="ascii").strip(), validate=True)
    except (OSError, ValueError, binascii.Error) as error:
        raise ImproperlyConfigured(f"{advice} It cannot be read: {error}") from error
    if len(key) != KEY_BYTES:
        raise ImproperlyConfigured(f"{advice} It holds {len(key)} bytes.")
    return AESGCM(HKDFExpand(SHA256(), KEY_BYTES, purpose.encode()).derive(key))
