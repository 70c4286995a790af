"""Addresses of the client portal. Served alone with PLANE=portal."""

from __future__ import annotations

from django.urls import include, path

from msp.core.views.errors import forbidden, not_found, server_error
from msp.core.views.health import healthz
from msp.urls_staff import sign_in

handler403, handler404, handler500 = forbidden, not_found, server_error

#: Each app brings its own portal pages, all under one namespace.
portal = (
    [
        path("", include("tickets.urls_portal")),
        path("", include("clients.urls_portal")),
        path("", include("billing.urls_portal")),
    ],
    "portal",
)

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    *sign_in,
    path("portal/", include(portal)),
]
