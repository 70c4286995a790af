"""The SLA ledger and its projection."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from msp.core import clock
from msp.core.tenancy import TenantManager, TenantModel
from tickets.enums import ClockEventKind, ClockStanding, ClockTarget
from tickets.querysets import ClockQuerySet


class ClockEvent(TenantModel):
    """One fact about a promise: started, paused, met… Rows are only added; due times derive.

    `payload` holds what the kind needs: `target_minutes` for start and retarget, `party` and
    `reason` for pauses, `basis` for retarget.
    """

    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="+")
    ticket = models.ForeignKey("tickets.Ticket", models.PROTECT, related_name="clock_events")
    target = models.CharField(max_length=12, choices=ClockTarget.choices)
    kind = models.CharField(max_length=10, choices=ClockEventKind.choices)
    effective_at = models.DateTimeField()
    recorded_at = models.DateTimeField(default=clock.now)
    by = models.ForeignKey("core.User", models.PROTECT, null=True, related_name="+")
    by_label = models.CharField(max_length=160)
    reason = models.CharField(max_length=250, blank=True)
    payload = models.JSONField(default=dict)

    objects = TenantManager.from_queryset(ClockQuerySet)()

    class Meta:
        ordering = ["effective_at", "recorded_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(effective_at__lte=F("recorded_at")),
                name="tickets_clockevent_not_from_the_future",
            ),
            models.CheckConstraint(
                condition=Q(target__in=ClockTarget.values), name="tickets_clockevent_target_known"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=ClockEventKind.values), name="tickets_clockevent_kind_known"
            ),
        ]
        indexes = [
            # Replaying one ticket.
            models.Index(fields=["ticket", "target", "id"], name="tickets_clockevent_replay"),
        ]

    def __str__(self) -> str:
        return f"{self.target} {self.kind}"


class Clock(TenantModel):
    """Where one promise stands: a projection that equals the replay of its events."""

    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="+")
    ticket = models.ForeignKey("tickets.Ticket", models.PROTECT, related_name="clocks")
    target = models.CharField(max_length=12, choices=ClockTarget.choices)
    standing = models.CharField(max_length=10, choices=ClockStanding.choices)
    target_seconds = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    met_at = models.DateTimeField(null=True)
    breached_at = models.DateTimeField(null=True)
    paused_at = models.DateTimeField(null=True)
    pause_reason = models.CharField(max_length=20, blank=True)
    #: Business seconds left while the clock stands still; negative once it is late.
    left_seconds = models.IntegerField(null=True)
    #: Highest warning already given, in percent; 0 for none.
    warned_percent = models.PositiveSmallIntegerField(default=0)
    #: When the sweep must look again: the next warning or the breach; null when nothing can come.
    next_look_at = models.DateTimeField(null=True)

    objects = TenantManager.from_queryset(ClockQuerySet)()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ticket", "target"], name="tickets_clock_once"),
            models.CheckConstraint(
                condition=Q(standing__in=ClockStanding.values), name="tickets_clock_standing_known"
            ),
        ]
        indexes = [
            # The minute sweep.
            models.Index(
                fields=["next_look_at"],
                name="tickets_clock_look",
                condition=Q(next_look_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.ticket_id} {self.target}: {self.standing}"
