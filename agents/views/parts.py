"""What the pages of `agents` share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from agents import selectors
from agents.domain.presence import Presence, presence
from agents.models import Device, DeviceCheckin
from msp.core import clock
from msp.core.errors import BadInput, NotVisible, ServiceError
from msp.core.models import User

ROWS = 50

#: What a page says of a device's presence, and the tone of the badge: key of `status`, words.
PRESENCE: Mapping[Presence, tuple[str, Promise]] = {
    Presence.ONLINE: ("online", _("Online")),
    Presence.STALE: ("stale", _("Late")),
    Presence.OFFLINE: ("offline", _("Offline")),
    Presence.OFF: ("closed", _("Shut down")),
    Presence.NEVER: ("waiting_client", _("Never reported")),
    Presence.PENDING: ("pending", _("Waits for approval")),
    Presence.QUARANTINED: ("revoked", _("Quarantined")),
    Presence.RETIRED: ("closed", _("Retired")),
}
#: Presences whose figures on a page are old, which is then said loudly.
OLD_FIGURES = frozenset({Presence.STALE, Presence.OFFLINE, Presence.OFF})


class PersonRequest(HttpRequest):
    """A request past the middleware, which puts a plain user where the route asks for one."""

    user: User


@dataclass(frozen=True)
class DeviceRow:
    """A device as lists and its page show it."""

    device: Device
    checkin: DeviceCheckin | None
    presence: Presence

    @property
    def url(self) -> str:
        return reverse("agents:detail", args=[self.device.public_id])

    @property
    def key(self) -> str:
        return PRESENCE[self.presence][0]

    @property
    def words(self) -> Promise:
        return PRESENCE[self.presence][1]

    @property
    def is_old(self) -> bool:
        return self.presence in OLD_FIGURES

    @property
    def icon(self) -> str:
        return {"server": "server", "network": "router"}.get(self.device.role, "laptop")


def row_of(device: Device) -> DeviceRow:
    """Return a device with what its check-in says; `checkin` must have been selected with it."""
    checkin = getattr(device, "checkin", None)
    found = presence(
        state=device.state,
        last_report_at=checkin.last_report_at if checkin else None,
        power=checkin.power if checkin else "on",
        now=clock.now(),
    )
    return DeviceRow(device, checkin, found)


@dataclass(frozen=True)
class Page:
    """Some rows of the list, and where those before and after them are."""

    rows: list[DeviceRow]
    prev_url: str
    next_url: str


def page_of(request: PersonRequest, rows: QuerySet[Device]) -> Page:
    """Return one page of devices by name; it neither repeats nor drops a row as the list grows."""
    anchors = {name: _anchor(request, name) for name in ("after", "before")}
    found, is_before, is_after = selectors.page_of(rows, size=ROWS, **anchors)
    words = {key: value for key, value in request.GET.items() if key not in anchors}

    def url(name: str, device: Device) -> str:
        return f"?{urlencode(words | {name: str(device.public_id)})}"

    return Page(
        rows=[row_of(device) for device in found],
        prev_url=url("before", found[0]) if found and is_before else "",
        next_url=url("after", found[-1]) if found and is_after else "",
    )


def _anchor(request: PersonRequest, name: str) -> Device | None:
    try:
        return selectors.get_device(request.user, UUID(request.GET.get(name, "")))
    except (ValueError, NotVisible):
        return None


def save_form(form: forms.Form, save: Callable[[], Any]) -> tuple[Any, int]:
    """Run the service on a valid form; return its result and 200, or None and the status to show.

    Errors: NotVisible and NotAllowed, which no form can explain.
    """
    if not form.is_valid():
        return None, 422
    try:
        return save(), 200
    except BadInput as error:
        form.add_error(error.field if error.field in form.fields else None, error.message)
        return None, error.status
    except ServiceError as error:
        if error.status in (403, 404):
            raise
        form.add_error(None, error.message)
        return None, error.status
