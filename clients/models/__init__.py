"""Tables of `clients`."""

from clients.models.calendars import Calendar, CalendarVersion
from clients.models.clients import Client, Contact, Site
from clients.models.contracts import (
    Contract,
    PriorityMatrix,
    PriorityMatrixVersion,
    SlaPolicy,
    SlaPolicyVersion,
)

__all__ = [
    "Calendar",
    "CalendarVersion",
    "Client",
    "Contact",
    "Contract",
    "PriorityMatrix",
    "PriorityMatrixVersion",
    "Site",
    "SlaPolicy",
    "SlaPolicyVersion",
]
