"""Work of tickets that time asks for."""

from __future__ import annotations

from celery import shared_task

from tickets import services


@shared_task(name="tickets.sweep_clocks", soft_time_limit=50, time_limit=55)
def sweep_clocks() -> int:
    """Give due warnings and take up tickets whose agreed date has come; the beat calls it."""
    return services.start_scheduled() + services.sweep_clocks()
