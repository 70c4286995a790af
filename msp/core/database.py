"""Change the login of the default connection for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection


@contextmanager
def as_owner() -> Iterator[None]:
    """Sign in as the owner of the tables while the block runs, where an owner is configured."""
    if not settings.DATABASE_OWNER:
        yield
        return
    login = {key: connection.settings_dict[key] for key in ("USER", "PASSWORD")}
    owner = {key: settings.DATABASE_OWNER.get(key, "") for key in ("USER", "PASSWORD")}
    connection.close()
    connection.settings_dict.update(owner)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(login)
