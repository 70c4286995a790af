"""A unit of work with its history."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from msp.core import clock
from msp.core.tenancy import GlobalModel, PublicIdModel, TenantManager, TenantModel, client_key
from tickets.enums import Impact, Kind, Priority, Source, Status, Urgency
from tickets.querysets import TicketQuerySet

FIRST_NUMBER = 1001


class TicketCounter(GlobalModel):
    """The one row that hands out ticket numbers, locked for the time of an opening."""

    name = models.CharField(max_length=20, primary_key=True)
    next_number = models.BigIntegerField(default=FIRST_NUMBER)

    def __str__(self) -> str:
        return f"{self.name}: {self.next_number}"


class Ticket(PublicIdModel, TenantModel):
    """One piece of work for a client, from the first word to the last.

    Written by services only. People and programs name it by its number. Moving it to another client
    makes a copy with a link (`moved_from`); no row changes its client.
    """

    number = models.BigIntegerField(_("number"), unique=True, editable=False)
    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="tickets")
    site = models.ForeignKey(
        "clients.Site", models.PROTECT, null=True, blank=True, related_name="tickets"
    )
    contact = models.ForeignKey(
        "clients.Contact", models.PROTECT, null=True, blank=True, related_name="tickets"
    )
    device = models.ForeignKey(
        "agents.Device", models.PROTECT, null=True, blank=True, related_name="tickets"
    )
    contract = models.ForeignKey(
        "clients.Contract", models.PROTECT, null=True, blank=True, related_name="tickets"
    )
    #: Frozen at opening: a later version of policy or calendar changes nothing here.
    policy_version = models.ForeignKey(
        "clients.SlaPolicyVersion", models.PROTECT, null=True, related_name="+"
    )
    calendar_version = models.ForeignKey(
        "clients.CalendarVersion", models.PROTECT, null=True, related_name="+"
    )
    calendar_zone = models.CharField(max_length=64, blank=True)
    #: The same, spelled out for every priority: `{"targets": {"p1": {"response", "update",
    #: "resolution", "internal" (minutes or null), "calendar" (key)}, ...}, "warnings": [percent],
    #: "vendor_pauses", "from_creation", "is_commitment"}`.
    terms = models.JSONField(default=dict)
    sla_reason = models.CharField(_("why this promise"), max_length=250, blank=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    source = models.CharField(_("source"), max_length=10, choices=Source.choices)
    source_ref = models.CharField(max_length=120, blank=True)
    status = models.CharField(
        _("status"), max_length=16, choices=Status.choices, default=Status.NEW
    )
    status_since = models.DateTimeField(default=clock.now)
    #: The agreed date while the status is "scheduled"; when it has come the sweep goes on.
    scheduled_for = models.DateTimeField(_("agreed date"), null=True, blank=True)
    impact = models.CharField(_("impact"), max_length=8, choices=Impact.choices)
    urgency = models.CharField(_("urgency"), max_length=8, choices=Urgency.choices)
    priority = models.CharField(_("priority"), max_length=2, choices=Priority.choices)
    owner = models.ForeignKey(
        "core.User", models.PROTECT, null=True, blank=True, related_name="owned_tickets"
    )
    subject = models.CharField(_("subject"), max_length=200)
    resolution = models.TextField(_("resolution"), blank=True)
    parent = models.ForeignKey("self", models.PROTECT, null=True, related_name="children")
    moved_from = models.ForeignKey("self", models.PROTECT, null=True, related_name="moved_to")
    opened_at = models.DateTimeField(_("opened"), default=clock.now)
    opened_by = models.ForeignKey("core.User", models.PROTECT, null=True, related_name="+")
    resolved_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    last_activity_at = models.DateTimeField(default=clock.now)
    #: The last line shown under the subject, and who wrote it: a projection of the messages.
    last_line = models.CharField(max_length=200, blank=True)
    last_author = models.CharField(max_length=120, blank=True)
    #: The next due time over all targets; the queue sorts by it. A projection of the clocks.
    next_due_at = models.DateTimeField(null=True)
    version = models.PositiveIntegerField(default=1)

    objects = TenantManager.from_queryset(TicketQuerySet)()

    class Meta:
        constraints = [
            client_key("tickets_ticket"),
            models.CheckConstraint(
                condition=Q(status__in=Status.values), name="tickets_ticket_status_known"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=Kind.values), name="tickets_ticket_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(source__in=Source.values), name="tickets_ticket_source_known"
            ),
            models.CheckConstraint(
                condition=Q(priority__in=Priority.values), name="tickets_ticket_priority_known"
            ),
            models.CheckConstraint(
                condition=~Q(status=Status.RESOLVED) | Q(resolved_at__isnull=False),
                name="tickets_ticket_resolved_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(status=Status.CLOSED) | Q(closed_at__isnull=False),
                name="tickets_ticket_closed_has_time",
            ),
        ]
        indexes = [
            # The queue: open tickets by what is due next.
            models.Index(
                fields=["next_due_at", "id"],
                name="tickets_ticket_queue",
                condition=~Q(status__in=("resolved", "closed")),
            ),
            # "Mine": open tickets of one person.
            models.Index(
                fields=["owner", "next_due_at"],
                name="tickets_ticket_mine",
                condition=~Q(status__in=("resolved", "closed")),
            ),
            # The client page and the portal: newest first.
            models.Index(fields=["client", "-id"], name="tickets_ticket_client"),
            # The minute sweep: agreed dates that have come.
            models.Index(
                fields=["scheduled_for"],
                name="tickets_ticket_scheduled",
                condition=Q(scheduled_for__isnull=False),
            ),
            # The device page.
            models.Index(
                fields=["device", "-id"],
                name="tickets_ticket_device",
                condition=Q(device__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.subject}"

    @property
    def is_open(self) -> bool:
        return self.status not in (Status.RESOLVED, Status.CLOSED)
