"""Time people spent."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from msp.core import clock
from msp.core.tenancy import PublicIdModel, TenantManager, TenantModel, client_key
from tickets.enums import Coverage, WorkType
from tickets.querysets import TimeEntryQuerySet


class TimeEntry(PublicIdModel, TenantModel):
    """Minutes of one person on one ticket. Running while `minutes` is null; one runs at a time.

    Zero minutes are a valid entry. Once approved it does not change; a correction is a new entry.
    """

    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="+")
    ticket = models.ForeignKey("tickets.Ticket", models.PROTECT, related_name="time_entries")
    person = models.ForeignKey("core.User", models.PROTECT, related_name="time_entries")
    started_at = models.DateTimeField(_("started"))
    minutes = models.PositiveIntegerField(_("minutes"), null=True, blank=True)
    work_type = models.CharField(_("work"), max_length=10, choices=WorkType.choices)
    note = models.TextField(_("what was done"), blank=True)
    coverage = models.CharField(_("coverage"), max_length=10, choices=Coverage.choices)
    clause = models.CharField(_("clause"), max_length=120, blank=True)
    approved_at = models.DateTimeField(null=True)
    approved_by = models.ForeignKey("core.User", models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects = TenantManager.from_queryset(TimeEntryQuerySet)()

    class Meta:
        ordering = ["started_at"]
        constraints = [
            client_key("tickets_timeentry"),
            models.UniqueConstraint(
                fields=["person"],
                condition=Q(minutes__isnull=True),
                name="tickets_timeentry_one_running",
            ),
            models.CheckConstraint(
                condition=Q(minutes__isnull=True) | Q(minutes__lte=24 * 60),
                name="tickets_timeentry_within_a_day",
            ),
            models.CheckConstraint(
                condition=Q(approved_at__isnull=True) | Q(minutes__isnull=False),
                name="tickets_timeentry_approved_is_done",
            ),
            models.CheckConstraint(
                condition=Q(work_type__in=WorkType.values), name="tickets_timeentry_work_known"
            ),
            models.CheckConstraint(
                condition=Q(coverage__in=Coverage.values), name="tickets_timeentry_coverage_known"
            ),
        ]
        indexes = [
            # Time on the ticket page.
            models.Index(fields=["ticket", "started_at"], name="tickets_timeentry_ticket"),
            # The approval list.
            models.Index(
                fields=["started_at"],
                name="tickets_timeentry_to_approve",
                condition=Q(approved_at__isnull=True, minutes__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.minutes} min on {self.ticket_id}"
