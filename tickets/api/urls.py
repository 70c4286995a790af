"""API addresses of `tickets`."""

from __future__ import annotations

from django.urls import URLPattern

app_name = "tickets-api"
urlpatterns: list[URLPattern] = []
