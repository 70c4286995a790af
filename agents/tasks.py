"""Work of `agents` outside requests. One service call each; the system acts."""

from __future__ import annotations

from celery import shared_task

from agents import services
from msp.core.scope import SystemPrincipal


@shared_task(name="agents.refresh_devices")
def refresh_devices() -> int:
    """Take system and agent version over from the newest inventory; the beat calls it."""
    return services.refresh_from_inventory(by=SystemPrincipal("agents"))


@shared_task(name="agents.drop_nonces")
def drop_nonces() -> int:
    """Delete nonces and session keys that have expired; the beat calls it hourly."""
    return services.drop_old_nonces() + services.drop_old_sessions(by=SystemPrincipal("agents"))
