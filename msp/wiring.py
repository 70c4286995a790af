"""Which app hears which fact: the one table of subscriptions.

Loaded by name from settings, so that the ground floor imports nothing from here.
"""

from __future__ import annotations

SUBSCRIPTIONS: dict[str, tuple[str, ...]] = {
    "tickets.events.TicketOpened": ("tickets.handlers.tell_about_opening",),
    "tickets.events.PublicMessageAdded": ("tickets.handlers.tell_about_message",),
    "tickets.events.TicketAssigned": ("tickets.handlers.tell_about_assignment",),
    "tickets.events.ClockWarned": ("tickets.handlers.tell_about_clock",),
    "tickets.events.TicketResolved": (
        "tickets.handlers.tell_about_resolution",
        "monitoring.handlers.reopen_if_still_true",
    ),
    "tickets.events.TimeEntryApproved": ("billing.handlers.draft_line_for_time",),
    "agents.events.DeviceEnrolled": ("monitoring.handlers.watch_device",),
    "billing.events.InvoicePosted": (
        "billing.handlers.render_invoice",
        "billing.handlers.tell_about_invoice",
    ),
    "billing.events.CreditNotePosted": (
        "billing.handlers.render_credit_note",
        "billing.handlers.tell_about_credit_note",
    ),
}
