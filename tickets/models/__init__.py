"""Tables of `tickets`."""

from tickets.models.clocks import Clock, ClockEvent
from tickets.models.messages import Message
from tickets.models.tickets import Ticket, TicketCounter
from tickets.models.time import TimeEntry

__all__ = ["Clock", "ClockEvent", "Message", "Ticket", "TicketCounter", "TimeEntry"]
