"""The transactional outbox."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from msp.core import clock
from msp.core.tenancy import GlobalModel


class Delivery(GlobalModel):
    """One event on its way to one handler.

    Written in the transaction of the fact; done in the transaction of its effect; dropped 30 days
    after. After five attempts it is a dead letter, retried by hand on the operations page.
    """

    event_id = models.UUIDField(default=uuid.uuid4)
    event = models.CharField(max_length=120)
    handler = models.CharField(max_length=160)
    payload = models.JSONField()
    client_id = models.BigIntegerField(null=True)
    correlation_id = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=clock.now)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(default=clock.now)
    done_at = models.DateTimeField(null=True)
    dead_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["event_id", "handler"], name="core_delivery_once"),
        ]
        indexes = [
            # The worker's and the sweep's question: what is due?
            models.Index(
                fields=["next_try_at", "id"],
                name="core_delivery_due",
                condition=Q(done_at__isnull=True, dead_at__isnull=True),
            ),
            # The operations page: dead letters.
            models.Index(
                fields=["dead_at"], name="core_delivery_dead", condition=Q(dead_at__isnull=False)
            ),
            # `manage.py trace` and cleaning up.
            models.Index(fields=["correlation_id"], name="core_delivery_correlation"),
            models.Index(
                fields=["done_at"], name="core_delivery_done", condition=Q(done_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} -> {self.handler}"
