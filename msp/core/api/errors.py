"""Errors of the API: always `{"code", "message"}`, and `fields` for bad input."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from rest_framework import status
from rest_framework.exceptions import APIException, NotAuthenticated, NotFound, PermissionDenied
from rest_framework.exceptions import ValidationError as DrfValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from msp.core.errors import BadInput, ServiceError


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Translate errors into `{"code", "message"}`; absent and not-yours are the same bytes."""
    if isinstance(error, BadInput):
        body: dict[str, Any] = {"code": error.code, "message": error.message}
        if error.field:
            body["fields"] = {error.field: [error.message]}
        return Response(body, status=error.status)
    if isinstance(error, ServiceError) and error.status != status.HTTP_404_NOT_FOUND:
        return Response({"code": error.code, "message": error.message}, status=error.status)
    if isinstance(error, ServiceError | Http404 | NotFound):
        return Response({"code": "not_found", "message": "Not found."}, status=404)
    if isinstance(error, DrfValidationError):
        return Response(
            {"code": "bad_input", "message": "Some fields are wrong.", "fields": error.detail},
            status=422,
        )
    if isinstance(error, NotAuthenticated):
        return Response(
            {"code": "not_signed_in", "message": "Sign in, or send a token."}, status=401
        )
    if isinstance(error, PermissionDenied):
        return Response({"code": "not_allowed", "message": str(error.detail)}, status=403)
    response = drf_exception_handler(error, context)
    if response is not None and isinstance(error, APIException):
        response.data = {"code": str(error.default_code), "message": str(error.detail)}
    return response
