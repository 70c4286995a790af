"""Whether a device is there, judged by when it last reported."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta

from agents.enums import DeviceState

#: Three missed reports of one a minute. Source: telemetry design, section 9 ("No data").
STALE_AFTER = timedelta(minutes=3)
#: From here on a server counts as offline. Source: as above.
OFFLINE_AFTER = timedelta(minutes=5)


class Presence(enum.StrEnum):
    """What a page says about a device."""

    ONLINE = "online"
    STALE = "stale"
    OFFLINE = "offline"
    OFF = "off"  # it said goodbye
    NEVER = "never"
    PENDING = "pending"
    QUARANTINED = "quarantined"
    RETIRED = "retired"


def presence(*, state: str, last_report_at: datetime | None, power: str, now: datetime) -> Presence:
    """Return what to say: a state that needs a person goes before silence."""
    if state != DeviceState.ACTIVE:
        return Presence(state)
    if last_report_at is None:
        return Presence.NEVER
    if power == "shutdown":
        return Presence.OFF
    silence = now - last_report_at
    if silence <= STALE_AFTER:
        return Presence.ONLINE
    return Presence.STALE if silence <= OFFLINE_AFTER else Presence.OFFLINE
