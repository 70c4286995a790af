"""What a screen or another app asks of `agents`."""

from agents.selectors.devices import (
    changes_of,
    device_list,
    devices_by_id,
    devices_of,
    get_device,
    identifiers_of,
    page_of,
    sections_of,
)
from agents.selectors.identity import enrolment_sites, get_token, key_for, token_list

__all__ = [
    "changes_of",
    "device_list",
    "devices_by_id",
    "devices_of",
    "enrolment_sites",
    "get_device",
    "get_token",
    "identifiers_of",
    "key_for",
    "page_of",
    "sections_of",
    "token_list",
]
