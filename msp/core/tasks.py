"""Work of the ground floor: deliveries, mail, cleaning up. One service call each."""

from __future__ import annotations

from celery import shared_task

from msp.core import events, notify


@shared_task(name="core.deliver")
def deliver() -> int:
    """Run due deliveries; the beat calls it every 10 s, `publish` after each commit."""
    return events.deliver_due()


@shared_task(name="core.send_notifications")
def send_notifications() -> int:
    """Send waiting mail."""
    return notify.send_due()


@shared_task(name="core.drop_done")
def drop_done() -> int:
    """Delete deliveries done long ago."""
    return events.drop_done()
