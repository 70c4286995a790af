"""What was done, by whom, and why."""

from __future__ import annotations

from django.db import models

from msp.core import clock
from msp.core.tenancy import GlobalModel


class AuditEntry(GlobalModel):
    """One act, written in the transaction of the act; rows are only added.

    People are named by id and label, so erasing a person keeps the chain valid. `client_id` is a
    plain column: core points at nothing above it.
    """

    at = models.DateTimeField(default=clock.now)
    actor = models.ForeignKey("core.User", models.PROTECT, null=True, related_name="+")
    actor_label = models.CharField(max_length=160)
    on_behalf_of = models.CharField(max_length=160, blank=True)
    action = models.CharField(max_length=80)
    target_type = models.CharField(max_length=60)
    target_id = models.CharField(max_length=64)
    client_id = models.BigIntegerField(null=True)
    reason = models.TextField(blank=True)
    correlation_id = models.CharField(max_length=64)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    class Meta:
        indexes = [
            # The history of one thing, and `manage.py trace`.
            models.Index(fields=["target_type", "target_id", "id"], name="core_audit_target"),
            # Everything one act caused.
            models.Index(fields=["correlation_id"], name="core_audit_correlation"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target_type} {self.target_id}"
