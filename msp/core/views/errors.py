"""Error answers. The 404 is one static body: absent and not-yours are the same bytes."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils import translation

from msp.core.errors import ServiceError

_NOT_FOUND_JSON = {"code": "not_found", "message": "Not found."}


def _wants_json(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


@lru_cache(maxsize=16)
def _static_page(template: str, language: str) -> str:
    with translation.override(language):
        return render_to_string(template, {"msp_name": settings.MSP_NAME})


def _page(request: HttpRequest, template: str, status: int) -> HttpResponse:
    return HttpResponse(_static_page(template, translation.get_language() or "en"), status=status)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 404, without token, id or name; the request id is in a header."""
    if _wants_json(request):
        return JsonResponse(_NOT_FOUND_JSON, status=404)
    return _page(request, "404.html", 404)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 403: you see it but may not do this."""
    if _wants_json(request):
        message = getattr(exception, "message", "Your role does not allow this.")
        return JsonResponse({"code": "not_allowed", "message": message}, status=403)
    return _page(request, "403.html", 403)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500 with words; the request id is in a header and in the log."""
    if _wants_json(request):
        return JsonResponse(
            {"code": "server_error", "message": "Something failed here; it is logged."}, status=500
        )
    return _page(request, "500.html", 500)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a missing or stale form token: reload and send again; drafts are kept."""
    if _wants_json(request):
        return JsonResponse(
            {"code": "csrf", "message": "The form token is missing or stale; reload."}, status=403
        )
    return _page(request, "403.html", 403)


def answer_for(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """Translate an error a view let through, or return None for one that is a real fault."""
    if isinstance(error, PermissionError) and _wants_json(request):
        return JsonResponse(
            {"code": "not_signed_in", "message": "Sign in, or send a token."}, status=401
        )
    if not isinstance(error, ServiceError):
        return None
    if error.status == 404:
        return not_found(request)
    if error.status == 403:
        return forbidden(request, error)
    if _wants_json(request):
        return JsonResponse({"code": error.code, "message": error.message}, status=error.status)
    return HttpResponse(
        render_to_string("core/refused.html", {"error": error}, request), status=error.status
    )
