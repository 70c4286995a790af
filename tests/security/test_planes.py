"""Each address space serves alone, with its own doors and no others."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

#: Asked of a process of its own: settings choose the plane once, at start-up.
ASK = """
import json, asyncio, django
django.setup()
from channels.routing import URLRouter
from django.urls import get_resolver
from msp import asgi
from msp.core.consumers import LiveConsumer
live = any(getattr(r.callback, "consumer_class", None) is LiveConsumer for r in asgi.sockets)
print(json.dumps({
    "telemetry": asgi.telemetry is not None,
    "live": live,
    "namespaces": sorted(get_resolver().namespace_dict),
}))
"""


def _doors(plane: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env=os.environ | {"PLANE": plane},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("plane", "telemetry", "live"),
    [("all", True, True), ("staff", False, True), ("portal", False, False), ("agent", True, False)],
)
def test_a_plane_has_its_own_doors_alone(plane: str, telemetry: bool, live: bool) -> None:
    doors = _doors(plane)
    assert (doors["telemetry"], doors["live"]) == (telemetry, live)


def test_the_portal_and_the_agents_plane_know_no_page_of_the_staff() -> None:
    assert _doors("portal")["namespaces"] == ["portal"]
    assert _doors("agent")["namespaces"] == ["agent"]
