"""One process, three doors: telemetry before Django, live sockets, and everything else."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "msp.settings.dev")

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings
from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

import msp.celery  # noqa: E402, F401 - without it this process would queue to nowhere
from monitoring.ingest.app import TelemetryApp  # noqa: E402
from monitoring.ingest.database import NotDurable  # noqa: E402
from msp.core.routing import no_sockets, websocket_urlpatterns  # noqa: E402

#: Each address space has its own doors: a portal process needs no login that writes samples.
telemetry = TelemetryApp() if settings.PLANE in ("all", "agent") else None
sockets = websocket_urlpatterns if settings.PLANE in ("all", "staff") else no_sockets


async def http(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Send telemetry to its own application; Django is not asked."""
    if telemetry is not None and telemetry.serves(scope["path"]):
        await telemetry(scope, receive, send)
    else:
        await django_application(scope, receive, send)


async def lifespan(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Open and close the telemetry writer with the process."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                if telemetry is not None:
                    await telemetry.start()
            except NotDurable as error:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            if telemetry is not None:
                await telemetry.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return


application = ProtocolTypeRouter(
    {
        "http": http,
        "lifespan": lifespan,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(sockets))),
    }
)
