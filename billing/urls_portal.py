"""Portal addresses of `billing`; composed under the namespace `portal`."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
