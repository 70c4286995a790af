"""WebSocket addresses."""

from django.urls import path, re_path

from msp.core.consumers import LiveConsumer, NoSuchSocket

websocket_urlpatterns = [
    path("ws/live/", LiveConsumer.as_asgi(), name="live"),
    # The router raises for an unknown address, which would be logged as our fault.
    re_path("", NoSuchSocket.as_asgi()),
]
