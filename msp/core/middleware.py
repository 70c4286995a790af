"""Who is calling, under which id, and whether this address is theirs at all."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import reverse
from django.utils import timezone, translation

from msp.core import correlation
from msp.core.access import Who, routes
from msp.core.accounts import PORTAL_HOME
from msp.core.errors import BadInput
from msp.core.models import User
from msp.core.permissions import can
from msp.core.scope import Plane, Scope, portal_scope, scoped
from msp.core.views.errors import answer_for, forbidden, not_found

GetResponse = Callable[[HttpRequest], HttpResponse]
#: Session key of the client a portal user has chosen; one at a time.
ACTIVE_CLIENT = "active_client_id"
_SAFE_ID = re.compile(r"[A-Za-z0-9-]{8,64}")


class CorrelationMiddleware:
    """Give each request an id, shown in a header only: error pages stay the same bytes."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        offered = request.headers.get("X-Request-Id", "")
        with correlation.correlated(offered if _SAFE_ID.fullmatch(offered) else "") as request_id:
            response = self.get_response(request)
        response.headers["X-Request-Id"] = request_id
        return response


class PrincipalMiddleware:
    """Set the scope of the caller for the time of the request."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if not isinstance(user, User):
            with scoped(Scope.none(Plane.PORTAL)):
                return self.get_response(request)
        user = User.objects.get(pk=user.pk)  # a plain instance: the lazy wrapper hides its scope
        request.user = user
        if user.is_portal_user:
            user.scope = portal_scope(user, request.session.get(ACTIVE_CLIENT))
            request.active_client_name = user.scope.client_name  # type: ignore[attr-defined]
            request.active_client_brand = user.scope.client_brand  # type: ignore[attr-defined]
        with (
            scoped(user.scope),
            translation.override(_language(user)),
            timezone.override(_zone(user)),
        ):
            response = self.get_response(request)
        # What one person sees stays out of every cache, the browser's own included: the next one
        # at this screen presses "back".
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response


class AccessMiddleware:
    """Refuse what the registry does not allow, before any view runs.

    An unlisted route is refused like one that does not exist, for everybody. A page of another
    plane is a 404, so that its existence is not told.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        match = request.resolver_match
        entry = routes().get(match.view_name) if match else None
        if entry is None:
            return not_found(request)
        if "%00" in request.META.get("QUERY_STRING", ""):
            # PostgreSQL takes no zero byte in any text, so no question can have one.
            return answer_for(request, BadInput("An address holds no zero bytes."))
        if Who.ANYONE in entry.who or Who.AGENT in entry.who:
            return None if self._allowed(request, entry.methods) else _not_allowed(entry.methods)
        user = request.user
        if not isinstance(user, User):
            return _sign_in(request)
        if Who(user.kind) not in entry.who:
            return _other_plane(request, user)
        if not self._allowed(request, entry.methods):
            return _not_allowed(entry.methods)
        if user.is_staff_member and entry.permission and not can(user, entry.permission):
            return forbidden(request)
        return None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return answer_for(request, error)

    @staticmethod
    def _allowed(request: HttpRequest, methods: frozenset[str]) -> bool:
        method = "GET" if request.method in ("HEAD", "OPTIONS") else request.method
        return method in methods


def _not_allowed(methods: frozenset[str]) -> HttpResponse:
    return HttpResponseNotAllowed(sorted(methods))


def _sign_in(request: HttpRequest) -> HttpResponse:
    if request.path.startswith("/api/"):
        return answer_for(request, PermissionError()) or not_found(request)
    login = reverse(settings.LOGIN_URL)
    if request.headers.get("HX-Request") == "true":
        # htmx would swap the sign-in page into a fragment; a full navigation is what is meant.
        response = HttpResponse(status=204)
        query = urlencode({"next": _page_of(request)})
        response.headers["HX-Redirect"] = f"{login}?{query}"
        return response
    return redirect_to_login(request.get_full_path(), login)


def _page_of(request: HttpRequest) -> str:
    """Return the path of the page htmx asked from; the host in that header is nobody's word."""
    try:
        here = urlsplit(request.headers.get("HX-Current-URL", ""))
    except ValueError:
        return "/"
    path = "/" + here.path.lstrip("/\\")
    return f"{path}?{here.query}" if here.query else path


def _other_plane(request: HttpRequest, user: User) -> HttpResponse:
    if request.path == "/" and user.is_portal_user:
        response = HttpResponse(status=302)
        response.headers["Location"] = PORTAL_HOME
        return response
    return not_found(request)


def _zone(user: User) -> ZoneInfo:
    try:
        return ZoneInfo(user.zone)
    except (KeyError, ValueError):  # a zone that a tzdata upgrade dropped must not lock anybody out
        return ZoneInfo("UTC")


def _language(user: User) -> str:
    known = {code for code, _ in settings.LANGUAGES}
    return user.language if user.language in known else settings.LANGUAGE_CODE
