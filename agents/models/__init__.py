"""Tables of `agents`."""

from agents.models.devices import (
    Device,
    DeviceCheckin,
    Identifier,
    InventoryChange,
    InventorySection,
)
from agents.models.identity import DeviceKey, EnrolmentToken, RequestNonce, SessionKey

__all__ = [
    "Device",
    "DeviceCheckin",
    "DeviceKey",
    "EnrolmentToken",
    "Identifier",
    "InventoryChange",
    "InventorySection",
    "RequestNonce",
    "SessionKey",
]
