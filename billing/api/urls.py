"""API addresses of `billing`."""

from __future__ import annotations

from django.urls import URLPattern

app_name = "billing-api"
urlpatterns: list[URLPattern] = []
