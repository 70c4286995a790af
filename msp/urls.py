"""The three address spaces composed into one process (PLANE=all)."""

from __future__ import annotations

from msp import urls_agent, urls_portal, urls_staff
from msp.core.views.errors import forbidden, not_found, server_error

handler403, handler404, handler500 = forbidden, not_found, server_error

_seen: set[str] = set()
urlpatterns = []
for _entry in [*urls_agent.urlpatterns, *urls_portal.urlpatterns, *urls_staff.urlpatterns]:
    _key = str(_entry.pattern)
    # Health and sign-in stand in more than one space; `""` and `api/v1/` are many includes.
    if _key in _seen and _key not in ("", "api/v1/"):
        continue
    _seen.add(_key)
    urlpatterns.append(_entry)
