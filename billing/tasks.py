"""Work of billing behind the page. One service call each."""

from __future__ import annotations

from datetime import date

from celery import shared_task

from billing import services
from msp.core.models import User
from msp.core.scope import SystemPrincipal, acting_as

_BILLING = SystemPrincipal("billing")


@shared_task(name="billing.prepare_month")
def prepare_month(period: str, user_id: int) -> int:
    """Make the fee lines of a month for the clients whom this person bills."""
    user = User.objects.get(pk=user_id)
    with acting_as(user):
        return services.prepare_month(period=date.fromisoformat(period), by=user)


@shared_task(name="billing.prepare_last_month")
def prepare_last_month() -> int:
    """Make the fee lines of the month that has ended; the beat calls it, so no month is lost."""
    return services.prepare_last_month(by=_BILLING)


@shared_task(name="billing.price_exceptions")
def price_exceptions() -> int:
    """Price the lines that had no price."""
    return services.price_all_exceptions(by=_BILLING)


@shared_task(name="billing.render_waiting")
def render_waiting() -> int:
    """Make the PDFs that wait."""
    return services.render_waiting(by=_BILLING)
