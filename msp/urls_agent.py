"""Addresses agents call through Django; telemetry itself never reaches Django."""

from __future__ import annotations

from django.urls import include, path

from msp.core.views.errors import forbidden, not_found, server_error
from msp.core.views.health import healthz

handler403, handler404, handler500 = forbidden, not_found, server_error

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("api/v1/agent/", include("agents.urls_agent")),
]
