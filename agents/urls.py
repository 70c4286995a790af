"""Staff addresses of `agents`."""

from __future__ import annotations

from django.urls import path

from agents.views import devices, enrolment

app_name = "agents"
urlpatterns = [
    path("devices/", devices.device_list, name="list"),
    path("devices/<uuid:public_id>/", devices.detail, name="detail"),
    path("devices/<uuid:public_id>/edit/", devices.edit, name="edit"),
    path("devices/<uuid:public_id>/approve/", devices.approve, name="approve"),
    path("devices/<uuid:public_id>/retire/", devices.retire, name="retire"),
    path("devices/<uuid:public_id>/revoke-key/", devices.revoke_key, name="revoke-key"),
    path("enrolment/", enrolment.token_list, name="enrolment"),
    path("enrolment/new/", enrolment.new_token, name="enrolment-new"),
    path("enrolment/<uuid:public_id>/revoke/", enrolment.revoke_token, name="enrolment-revoke"),
]
