"""What every page's frame needs: the `shell` of the templates."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext, pgettext

from msp.core import clock, nav
from msp.core.models import User

#: The phone's dock holds this many areas; the others are behind "More".
DOCK_AREAS = 4


@dataclass(frozen=True)
class ShellArea:
    """An area as the frame draws it."""

    key: str
    label: str
    icon: str
    url: str
    section: str
    count: int | None
    is_hot: bool
    shortcut: str
    current: bool


class Shell:
    """The frame around a page. Each part is worked out when a template asks for it, once."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @cached_property
    def user(self) -> User | None:
        """The person signed in, or None."""
        user = getattr(self._request, "user", None)
        return user if isinstance(user, User) else None

    @property
    def msp_name(self) -> str:
        return str(settings.MSP_NAME)

    @property
    def msp_phone(self) -> str:
        return str(settings.MSP_PHONE)

    @property
    def is_staff(self) -> bool:
        """Whether the staff frame is drawn with its live mark and areas."""
        return bool(self.user and self.user.is_staff_member)

    @property
    def server_ms(self) -> int:
        """Milliseconds since the epoch on the server, for counting in the browser."""
        return int(clock.now().timestamp() * 1000)

    @cached_property
    def areas(self) -> list[ShellArea]:
        """The areas of the person signed in; empty for portal users and strangers."""
        return self._drawn(nav.areas_for(self.user)) if self.user else []

    @cached_property
    def actions(self) -> list[ShellArea]:
        """What can be created from anywhere."""
        return self._drawn(nav.actions_for(self.user)) if self.user else []

    @cached_property
    def portal_areas(self) -> list[ShellArea]:
        """The areas of the portal for a client's contact."""
        return self._drawn(nav.portal_areas_for(self.user)) if self.user else []

    @property
    def dock(self) -> list[ShellArea]:
        return self.areas[:DOCK_AREAS]

    @property
    def beyond_dock(self) -> list[ShellArea]:
        return self.areas[DOCK_AREAS:]

    @property
    def client_name(self) -> str:
        """The active client of a portal session, as the middleware of the portal names it."""
        return str(getattr(self._request, "active_client_name", "") or "")

    @property
    def words_json(self) -> str:
        """The few words that scripts write themselves, in the reader's language."""
        return json.dumps(_script_words(), ensure_ascii=False)

    def _drawn(self, areas: list[nav.Area]) -> list[ShellArea]:
        urls: dict[str, str] = {}
        for area in areas:
            try:
                urls[area.key] = reverse(area.url_name)
            except NoReverseMatch:  # an address of another plane, or a mistake a test finds
                continue
        current = _current_key(urls, self._request.path)
        return [
            ShellArea(
                key=area.key,
                label=str(area.label),
                icon=area.icon,
                url=urls[area.key],
                section=str(area.section),
                count=nav.count_for(area, self.user) if self.user else None,
                is_hot=area.is_hot,
                shortcut=area.shortcut,
                current=area.key == current,
            )
            for area in areas
            if area.key in urls
        ]


def _current_key(urls: dict[str, str], path: str) -> str:
    """Return the key whose address is the longest beginning of the path."""
    fitting = [
        (len(url), key)
        for key, url in urls.items()
        if path == url or (url != "/" and path.startswith(url if url.endswith("/") else f"{url}/"))
    ]
    return max(fitting)[1] if fitting else ""


def _script_words() -> dict[str, str]:
    return {
        "min": gettext("min"),
        "h": pgettext("hours, short", "h"),
        "d": pgettext("days, short", "d"),
        "left": gettext("%(time)s left") % {"time": "{time}"},
        "over": gettext("%(time)s over") % {"time": "{time}"},
        "justNow": gettext("just now"),
        "ago": gettext("%(n)s %(unit)s ago") % {"n": "{n}", "unit": "{unit}"},
        "inTime": gettext("in %(n)s %(unit)s") % {"n": "{n}", "unit": "{unit}"},
        "live": gettext("Live"),
        "reconnecting": gettext("Reconnecting"),
        "offline": gettext("Offline"),
        "newRows": gettext("%(n)s new") % {"n": "{n}"},
        "copied": gettext("Copied"),
        "notCopied": gettext("Not copied; select the text instead"),
        "close": gettext("Close"),
        "draftSaved": gettext("Draft kept"),
        "refused": gettext("The server refused this."),
        "unreachable": gettext("The server cannot be reached. Nothing was saved."),
        "requestId": gettext("Request %(id)s") % {"id": "{id}"},
        "keysOn": gettext("Single keys are on"),
        "keysOff": gettext("Single keys are off"),
    }


def shell(request: HttpRequest) -> dict[str, Any]:
    """Give templates `shell`."""
    return {"shell": Shell(request)}
