"""Facts about devices that other apps may hear."""

from __future__ import annotations

from dataclasses import dataclass

from msp.core.events import Event


@dataclass(frozen=True)
class DeviceEnrolled(Event):
    """A machine has proved its key and has a record; `device_id` may wait for approval."""

    device_id: int
    client_id: int
