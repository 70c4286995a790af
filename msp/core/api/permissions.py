"""Who may call the management API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from msp.core.models import User

if TYPE_CHECKING:  # importing it for real would be a circle: DRF loads this module from settings
    from rest_framework.views import APIView


class IsKnownPrincipal(BasePermission):
    """A signed-in person; which routes and rows are theirs is decided elsewhere."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, User) and request.user.is_active
