"""Addresses of the ground floor."""

from __future__ import annotations

from django.urls import path

from msp.core.views import gallery, operations, people

app_name = "core"
urlpatterns = [
    path("ui/", gallery.gallery, name="gallery"),
    path("notifications/", people.notifications, name="notifications"),
    path("notifications/read/", people.read_notifications, name="notifications-read"),
    path("operations/", operations.operations, name="operations"),
    path("operations/deliveries/<int:pk>/retry/", operations.retry_delivery, name="delivery-retry"),
]
