"""What `monitoring` does about facts of the apps below. One service call each."""

from __future__ import annotations

from agents.events import DeviceEnrolled
from monitoring import services
from msp.core.scope import SystemPrincipal
from tickets.events import TicketResolved


def reopen_if_still_true(event: TicketResolved) -> None:
    """Open a new ticket if an alert of a resolved one has been seen true since."""
    services.recheck_after_resolution(event.ticket_id, by=SystemPrincipal("Monitoring"))


def watch_device(event: DeviceEnrolled) -> None:
    """See to it that there are rules to watch a device by: the first one brings the defaults."""
    services.ensure_default_rules(by=SystemPrincipal("Monitoring"))
