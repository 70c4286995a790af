"""Portal addresses of `clients`; composed under the namespace `portal`."""

from __future__ import annotations

from django.urls import path

from clients.views import portal

urlpatterns = [
    path("company/", portal.choose_client, name="client-choose"),
    path("people/", portal.people, name="people"),
]
