"""API addresses of `agents`."""

from __future__ import annotations

from django.urls import path

from agents.api import views

app_name = "agents-api"
urlpatterns = [
    path("devices/", views.Devices.as_view(), name="devices"),
    path("devices/<uuid:public_id>/", views.DeviceDetail.as_view(), name="device"),
    path("devices/<uuid:public_id>/approve/", views.DeviceApprove.as_view(), name="device-approve"),
    path("devices/<uuid:public_id>/retire/", views.DeviceRetire.as_view(), name="device-retire"),
    path(
        "devices/<uuid:public_id>/revoke-key/",
        views.DeviceRevokeKey.as_view(),
        name="device-revoke-key",
    ),
    path("enrolment-tokens/", views.Tokens.as_view(), name="tokens"),
    path(
        "enrolment-tokens/<uuid:public_id>/revoke/",
        views.TokenRevoke.as_view(),
        name="token-revoke",
    ),
]
