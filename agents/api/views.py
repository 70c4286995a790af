"""The management API of `agents`: reads through selectors, commands through services."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from agents import selectors, services
from agents.api import serializers
from agents.models import Device
from clients.selectors import get_site
from msp.core.api.pages import CursorPages
from msp.core.errors import BadInput, NotVisible
from msp.core.models import User

Out = type[Serializer[Any]]


class AgentsView(APIView):
    """What the views here share."""

    def person(self, request: Request) -> User:
        """Return who calls; the permission class has let nobody else pass."""
        return cast(User, request.user)

    def given(self, kind: Out, request: Request, *, partial: bool = False) -> dict[str, Any]:
        """Return the checked body. Errors: DRF's ValidationError, answered 422."""
        serializer = kind(data=request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def site_key(self, request: Request, values: dict[str, Any]) -> dict[str, Any]:
        """Turn the public id of a site into its key; absent and not-theirs are the same words."""
        if "site" in values:
            try:
                values["site_id"] = get_site(self.person(request), values.pop("site")).pk
            except NotVisible as error:
                raise BadInput("There is no such site.", field="site") from error
        return values

    def paged(self, rows: QuerySet[Any], kind: Out, request: Request) -> Response:
        """Return one page by cursor, newest first."""
        pages = CursorPages()
        found = pages.paginate_queryset(rows, request, view=self)
        return pages.get_paginated_response(kind(found, many=True).data)

    def device(self, request: Request, device: Device) -> Response:
        """Return a device as it is now."""
        fresh = selectors.get_device(self.person(request), device.public_id)
        return Response(serializers.DeviceOut(fresh).data)


class Devices(AgentsView):
    @extend_schema(responses=serializers.DeviceOut(many=True))
    def get(self, request: Request) -> Response:
        """List devices; `q`, `role` and `state` narrow (`state=retired` lists retired ones)."""
        words = {name: request.query_params.get(name, "") for name in ("q", "role", "state")}
        rows = selectors.device_list(self.person(request), **words)
        return self.paged(rows, serializers.DeviceOut, request)


class DeviceDetail(AgentsView):
    @extend_schema(responses=serializers.DeviceOut)
    def get(self, request: Request, public_id: UUID) -> Response:
        """Return a device."""
        device = selectors.get_device(self.person(request), public_id)
        return Response(serializers.DeviceOut(device).data)

    @extend_schema(request=serializers.DeviceIn(partial=True), responses=serializers.DeviceOut)
    def patch(self, request: Request, public_id: UUID) -> Response:
        """Change what is given."""
        device = selectors.get_device(self.person(request), public_id)
        values = self.site_key(request, self.given(serializers.DeviceIn, request, partial=True))
        known = {
            "name": device.name,
            "role": device.role,
            "site_id": device.site_id,
            "notes": device.notes,
        }
        changed = services.change_device(
            public_id, by=self.person(request), **cast(Any, known | values)
        )
        return self.device(request, changed)


class DeviceApprove(AgentsView):
    @extend_schema(request=None, responses=serializers.DeviceOut)
    def post(self, request: Request, public_id: UUID) -> Response:
        """Let a device report that waits for a person."""
        return self.device(request, services.approve_device(public_id, by=self.person(request)))


class DeviceRetire(AgentsView):
    @extend_schema(request=serializers.DeviceReasonIn, responses=serializers.DeviceOut)
    def post(self, request: Request, public_id: UUID) -> Response:
        """Take a device out of use."""
        selectors.get_device(self.person(request), public_id)
        values = self.given(serializers.DeviceReasonIn, request)
        return self.device(
            request, services.retire_device(public_id, by=self.person(request), **values)
        )


class DeviceRevokeKey(AgentsView):
    @extend_schema(request=serializers.DeviceReasonIn, responses=serializers.DeviceOut)
    def post(self, request: Request, public_id: UUID) -> Response:
        """End a device's key."""
        selectors.get_device(self.person(request), public_id)
        values = self.given(serializers.DeviceReasonIn, request)
        return self.device(
            request, services.revoke_key(public_id, by=self.person(request), **values)
        )


class Tokens(AgentsView):
    @extend_schema(responses=serializers.TokenOut(many=True))
    def get(self, request: Request) -> Response:
        """List enrolment tokens, newest first."""
        return self.paged(selectors.token_list(self.person(request)), serializers.TokenOut, request)

    @extend_schema(request=serializers.TokenIn, responses={201: serializers.TokenMadeOut})
    def post(self, request: Request) -> Response:
        """Make a token; it is in the answer, this once."""
        values = self.site_key(request, self.given(serializers.TokenIn, request))
        token, secret = services.make_enrolment_token(by=self.person(request), **values)
        body = {**serializers.TokenOut(token).data, "token": secret}
        return Response(body, status=201, headers={"Cache-Control": "no-store"})


class TokenRevoke(AgentsView):
    @extend_schema(request=None, responses=serializers.TokenOut)
    def post(self, request: Request, public_id: UUID) -> Response:
        """End a token; devices that joined by it stay."""
        token = services.revoke_enrolment_token(public_id, by=self.person(request))
        return Response(serializers.TokenOut(token).data)
