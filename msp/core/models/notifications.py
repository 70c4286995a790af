"""What people are told."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from msp.core import clock
from msp.core.enums import Channel, NotificationState
from msp.core.tenancy import GlobalModel, PublicIdModel


class Notification(PublicIdModel, GlobalModel):
    """One message to one person on one channel; the key makes it happen once.

    `client_id` is plain. In-app rows are born sent; mail leaves at least once, by the sweep too.
    """

    key = models.CharField(max_length=200, unique=True)
    channel = models.CharField(max_length=10, choices=Channel.choices)
    recipient = models.ForeignKey(
        "core.User", models.CASCADE, null=True, related_name="notifications"
    )
    address = models.CharField(max_length=254, blank=True)
    client_id = models.BigIntegerField(null=True)
    subject = models.CharField(max_length=250)
    body = models.TextField(blank=True)
    url = models.CharField(max_length=250, blank=True)
    state = models.CharField(max_length=10, choices=NotificationState.choices)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(default=clock.now)
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=clock.now)
    sent_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(recipient__isnull=False) | ~Q(address=""),
                name="core_notification_has_receiver",
            ),
        ]
        indexes = [
            # The sender's sweep.
            models.Index(
                fields=["next_try_at"],
                name="core_notification_due",
                condition=Q(state="pending"),
            ),
            # The bell in the top bar.
            models.Index(
                fields=["recipient", "-created_at"],
                name="core_notification_unread",
                condition=Q(channel="in_app", read_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.subject
