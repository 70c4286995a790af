"""What a person asks about themselves."""

from __future__ import annotations

from django.db.models import QuerySet

from msp.core.enums import Channel
from msp.core.models import Notification, User


def notifications_of(user: User, limit: int = 100) -> QuerySet[Notification]:
    """Return a person's in-app notifications, newest first."""
    return Notification.objects.filter(recipient=user, channel=Channel.IN_APP).order_by(
        "-created_at"
    )[:limit]
