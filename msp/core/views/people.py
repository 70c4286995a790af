"""A person's own things: notifications, and who the API thinks they are."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from msp.core.pages import render_page
from msp.core.selectors import people as selectors
from msp.core.services import people as services


def notifications(request: HttpRequest) -> HttpResponse:
    """Show what this person was told, newest first."""
    context = {"notifications": selectors.notifications_of(request.user)}  # type: ignore[arg-type]
    return render_page(request, "core/notifications.html", context, part="rows")


@require_POST
def read_notifications(request: HttpRequest) -> HttpResponse:
    """Mark all of one's own notifications read."""
    services.mark_all_read(by=request.user)  # type: ignore[arg-type]
    return redirect("core:notifications")


class MeSerializer(serializers.Serializer):  # type: ignore[type-arg]
    id = serializers.UUIDField(source="public_id")
    name = serializers.CharField()
    email = serializers.EmailField()
    kind = serializers.CharField()
    zone = serializers.CharField()


class MeView(APIView):
    @extend_schema(responses=MeSerializer)
    def get(self, request: Request) -> Response:
        """Return the person who calls."""
        return Response(MeSerializer(request.user).data)
