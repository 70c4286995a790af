"""What may be done with tickets."""

from tickets.services.assignment import UNCHECKED, assign_ticket
from tickets.services.clock import differences, rebuild_clock, sweep_clocks
from tickets.services.lifecycle import (
    REOPEN_DAYS,
    change_priority,
    change_status,
    close_if_untouched,
    close_ticket,
    contact_may_reopen,
    record_pause,
    reopen_ticket,
    resolve_ticket,
    start_scheduled,
)
from tickets.services.messages import add_message, note_from_system
from tickets.services.moving import move_ticket
from tickets.services.opening import open_ticket, priority_for
from tickets.services.thread import queue_differences, rebuild_queue_row
from tickets.services.time import (
    approve_time,
    change_time,
    cover,
    log_time,
    start_timer,
    stop_timer,
)
from tickets.services.working import note_time_resolve

__all__ = [
    "REOPEN_DAYS",
    "UNCHECKED",
    "add_message",
    "approve_time",
    "assign_ticket",
    "change_priority",
    "change_status",
    "change_time",
    "close_if_untouched",
    "close_ticket",
    "contact_may_reopen",
    "cover",
    "differences",
    "log_time",
    "move_ticket",
    "note_from_system",
    "note_time_resolve",
    "open_ticket",
    "priority_for",
    "queue_differences",
    "rebuild_clock",
    "rebuild_queue_row",
    "record_pause",
    "reopen_ticket",
    "resolve_ticket",
    "start_scheduled",
    "start_timer",
    "stop_timer",
    "sweep_clocks",
]
