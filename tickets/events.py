"""What happened to tickets, for whoever subscribed in `msp/wiring.py`."""

from __future__ import annotations

from dataclasses import dataclass

from msp.core.events import Event


@dataclass(frozen=True)
class TicketOpened(Event):
    """A ticket was opened, by whatever way."""

    ticket_id: int
    number: int
    client_id: int


@dataclass(frozen=True)
class PublicMessageAdded(Event):
    """Something that the client may read was said, by either side."""

    message_id: int
    ticket_id: int
    number: int
    client_id: int


@dataclass(frozen=True)
class TicketAssigned(Event):
    """A ticket has a new owner; None when nobody has it any more."""

    ticket_id: int
    number: int
    client_id: int
    owner_id: int | None = None
    by_id: int | None = None


@dataclass(frozen=True)
class ClockWarned(Event):
    """A share of a promise is used up, in percent; at 100 it is broken."""

    ticket_id: int
    number: int
    client_id: int
    target: str = ""
    percent: int = 0


@dataclass(frozen=True)
class TicketResolved(Event):
    """The work on a ticket is done."""

    ticket_id: int
    number: int
    client_id: int


@dataclass(frozen=True)
class TimeEntryApproved(Event):
    """Time was approved and does not change any more."""

    time_entry_id: int
    ticket_id: int
    number: int
    client_id: int
