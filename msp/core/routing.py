"""WebSocket addresses."""

from django.urls import path, re_path

from msp.core.consumers import LiveConsumer, NoSuchSocket

# The router raises for an unknown address, which would be logged as our fault.
no_sockets = [re_path("", NoSuchSocket.as_asgi())]
websocket_urlpatterns = [path("ws/live/", LiveConsumer.as_asgi(), name="live"), *no_sockets]
