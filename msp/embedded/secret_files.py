"""Secrets made at first start: one file each, readable by the owner only."""

import base64
import os
import secrets
import tempfile
from pathlib import Path

KEY_BYTES = 32
PASSWORDS = ("msp_owner", "msp_app", "msp_ingest", "valkey_broker", "valkey_cache")


def write_private(path: Path, content: str) -> None:
    """Write a file that only its owner may read; it is complete or absent, never half."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(name, path)
    except BaseException:
        os.unlink(name)
        raise


def make_secrets(directory: Path) -> dict[str, str]:
    """Return the secrets in `directory` by file name, making those that are missing.

    `secret_key` signs sessions; `key_encryption_key` is base64 of 32 random bytes; the others
    are passwords that need no quoting in a URL.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found: dict[str, str] = {}
    for name in (*PASSWORDS, "secret_key", "key_encryption_key"):
        path = directory / name
        if not path.exists():
            write_private(path, _new_secret(name))
        found[name] = path.read_text(encoding="utf-8").strip()
    return found


def _new_secret(name: str) -> str:
    if name == "key_encryption_key":
        return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode() + "\n"
    if name == "secret_key":
        return secrets.token_urlsafe(64) + "\n"
    return secrets.token_hex(24) + "\n"
