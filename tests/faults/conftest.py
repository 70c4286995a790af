"""Real processes on servers of their own, to be killed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stage import Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Return servers and a migrated database."""
    made = Stage("tests.faults.settings")
    try:
        made.manage("setup_database", "-v0")
        yield made
    finally:
        made.close()
