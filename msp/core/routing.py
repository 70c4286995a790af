"""WebSocket addresses."""

from django.urls import path

from msp.core.consumers import LiveConsumer

websocket_urlpatterns = [path("ws/live/", LiveConsumer.as_asgi(), name="live")]
