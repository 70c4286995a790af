"""The only module that reads the environment.

Every name read here is described in `docs/settings.md` (a test compares the two). A secret may also
come as `NAME_FILE`, the path of a file that holds it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

_env = environ.Env()
#: Names asked for so far, in order; the settings document is checked against it.
asked: dict[str, str] = {}


def text(name: str, default: str = "", *, why: str) -> str:
    """Return a variable as text."""
    asked[name] = why
    return str(_env.str(name, default=default))


def number(name: str, default: int, *, why: str) -> int:
    """Return a variable as an integer.

    Errors: ImproperlyConfigured if it is not a whole number.
    """
    asked[name] = why
    raw = os.environ.get(name, "")
    if not raw:
        return default
    try:
        return int(raw)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {raw!r}.") from None


def flag(name: str, default: bool, *, why: str) -> bool:
    """Return a boolean, written `true` or `false`.

    django-environ reads any other word as false, which would switch protection off by a typing
    error; here it is refused.

    Errors: ImproperlyConfigured for any other word.
    """
    asked[name] = why
    raw = os.environ.get(name, "").strip().lower()
    if not raw:
        return default
    if raw not in ("true", "false"):
        raise ImproperlyConfigured(f"{name} must be true or false, not {raw!r}.")
    return raw == "true"


def words(name: str, default: list[str], *, why: str) -> list[str]:
    """Return a comma-separated list."""
    asked[name] = why
    return [item.strip() for item in _env.list(name, default=default) if item.strip()]


def secret(name: str, default: str = "", *, why: str) -> str:
    """Return a secret from `NAME`, or from the file that `NAME_FILE` names.

    Errors: ImproperlyConfigured if the file cannot be read.
    """
    asked[name] = why
    asked[f"{name}_FILE"] = f"Path of a file that holds {name}."
    path = os.environ.get(f"{name}_FILE", "")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE: {error}.") from None
    return os.environ.get(name, default)


def database(name: str, default: str = "", *, why: str) -> dict[str, Any]:
    """Return a Django database dictionary from a `postgres://` URL, or an empty one.

    Errors: ImproperlyConfigured for anything but PostgreSQL.
    """
    url = secret(name, default, why=why)
    if not url:
        return {}
    config: dict[str, Any] = dict(environ.Env.db_url_config(url))
    if config.get("ENGINE") != "django.db.backends.postgresql":
        raise ImproperlyConfigured(f"{name} must be a postgres:// address; only PostgreSQL works.")
    return config
