"""API addresses of the ground floor."""

from __future__ import annotations

from django.urls import path

from msp.core.views import people

app_name = "core-api"
urlpatterns = [path("me/", people.MeView.as_view(), name="me")]
