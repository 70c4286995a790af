"""Addresses of staff and of sign-in. Served alone with PLANE=staff."""

from __future__ import annotations

from allauth.account import views as account
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView

from msp.core.views.errors import forbidden, not_found, server_error
from msp.core.views.health import healthz

handler403, handler404, handler500 = forbidden, not_found, server_error

#: Sign-in is shared with the portal; signing up does not exist.
sign_in = [
    path("accounts/login/", account.login, name="account_login"),
    path("accounts/logout/", account.logout, name="account_logout"),
    path("accounts/inactive/", account.account_inactive, name="account_inactive"),
    path("accounts/reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("accounts/password/change/", account.password_change, name="account_change_password"),
    path("accounts/password/reset/", account.password_reset, name="account_reset_password"),
    path(
        "accounts/password/reset/done/",
        account.password_reset_done,
        name="account_reset_password_done",
    ),
    # The key holds dashes too, so the person ends at the first one.
    re_path(
        r"^accounts/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "accounts/password/reset/key/done/",
        account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
]

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    *sign_in,
    path("", include("msp.core.urls")),
    path("", include("tickets.urls")),
    path("", include("clients.urls")),
    path("", include("agents.urls")),
    path("", include("monitoring.urls")),
    path("", include("billing.urls")),
    path("api/v1/", include("msp.core.api_urls")),
    path("api/v1/", include("clients.api.urls")),
    path("api/v1/", include("agents.api.urls")),
    path("api/v1/", include("tickets.api.urls")),
    path("api/v1/", include("monitoring.api.urls")),
    path("api/v1/", include("billing.api.urls")),
    path("api/v1/schema/", SpectacularAPIView.as_view(), name="api-schema"),
]
