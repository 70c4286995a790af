"""What was said."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from msp.core import clock
from msp.core.tenancy import PublicIdModel, TenantManager, TenantModel
from tickets.enums import AuthorKind, MessageKind
from tickets.querysets import MessageQuerySet


class Message(PublicIdModel, TenantModel):
    """One entry of a ticket's thread. Rows are only added: what was sent never changes."""

    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="+")
    ticket = models.ForeignKey("tickets.Ticket", models.PROTECT, related_name="messages")
    kind = models.CharField(max_length=8, choices=MessageKind.choices)
    author_kind = models.CharField(max_length=12, choices=AuthorKind.choices)
    author_user = models.ForeignKey("core.User", models.PROTECT, null=True, related_name="+")
    author_contact = models.ForeignKey(
        "clients.Contact", models.PROTECT, null=True, related_name="+"
    )
    author_label = models.CharField(max_length=160)
    body = models.TextField(_("text"))
    channel = models.CharField(max_length=12, default="web")
    #: When it happened (a call may be logged later) and when it was written down.
    at = models.DateTimeField(default=clock.now)
    recorded_at = models.DateTimeField(default=clock.now)
    minutes = models.PositiveIntegerField(null=True)

    objects = TenantManager.from_queryset(MessageQuerySet)()

    class Meta:
        ordering = ["at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=MessageKind.values), name="tickets_message_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(author_kind__in=AuthorKind.values),
                name="tickets_message_author_known",
            ),
            models.CheckConstraint(
                condition=Q(at__lte=models.F("recorded_at")),
                name="tickets_message_not_from_the_future",
            ),
        ]
        indexes = [
            # The thread.
            models.Index(fields=["ticket", "at", "id"], name="tickets_message_thread"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} by {self.author_label}"
