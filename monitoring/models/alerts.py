"""What was concluded from the samples, and how it went on."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from monitoring.enums import AlertState, Severity
from monitoring.enums import RuleState as State
from monitoring.models.rules import Rule, RuleVersion
from monitoring.querysets import AlertQuerySet, AlertTransitionQuerySet
from msp.core import clock
from msp.core.tenancy import PublicIdModel, TenantManager, TenantModel, client_key

#: What the history of an alert may say: states of the rule, and what people do to the alert.
TRANSITION_STATES = (
    *State.choices,
    (AlertState.ACKNOWLEDGED, AlertState.ACKNOWLEDGED.label),
    (AlertState.CLOSED, AlertState.CLOSED.label),
)


class Alert(PublicIdModel, TenantModel):
    """One bad time of a series under a rule, from the sample that fired to the one that cleared.

    Written by `monitoring.services` only. `opened_at` and `closed_at` are sample times. The ticket
    is the one that was opened for it, or that it joined; the key points down.
    """

    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="alerts")
    rule = models.ForeignKey(Rule, models.PROTECT, related_name="alerts")
    rule_version = models.ForeignKey(RuleVersion, models.PROTECT, related_name="+")
    device = models.ForeignKey("agents.Device", models.PROTECT, related_name="alerts")
    instance = models.CharField(_("instance"), max_length=255, blank=True)
    severity = models.CharField(_("severity"), max_length=10, choices=Severity.choices)
    state = models.CharField(
        _("state"), max_length=12, choices=AlertState.choices, default=AlertState.OPEN
    )
    #: Device and family of the rule: open alerts of one group share one ticket.
    group_key = models.CharField(max_length=80)
    summary = models.CharField(_("why"), max_length=250)
    value = models.FloatField(_("value"))
    opened_at = models.DateTimeField(_("since"))
    recorded_at = models.DateTimeField(default=clock.now, editable=False)
    closed_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.ForeignKey("core.User", models.PROTECT, null=True, related_name="+")
    ticket = models.ForeignKey("tickets.Ticket", models.PROTECT, null=True, related_name="alerts")

    objects = TenantManager.from_queryset(AlertQuerySet)()

    class Meta:
        constraints = [
            client_key("monitoring_alert"),
            models.UniqueConstraint(
                fields=["client", "rule", "device", "instance"],
                condition=~Q(state="closed"),
                nulls_distinct=False,
                name="monitoring_alert_one_open",
            ),
            models.CheckConstraint(
                condition=Q(state__in=AlertState.values), name="monitoring_alert_state_known"
            ),
            models.CheckConstraint(
                condition=Q(severity__in=Severity.values), name="monitoring_alert_severity_known"
            ),
            models.CheckConstraint(
                condition=Q(state="closed", closed_at__isnull=False)
                | (~Q(state="closed") & Q(closed_at__isnull=True)),
                name="monitoring_alert_closed_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(state="acknowledged")
                | Q(acknowledged_at__isnull=False, acknowledged_by__isnull=False),
                name="monitoring_alert_acknowledged_has_person",
            ),
        ]
        indexes = [
            # The alerts page: what is open, grouped by rule and client.
            models.Index(
                fields=["rule", "client"],
                name="monitoring_alert_open_groups",
                condition=~Q(state="closed"),
            ),
            # The closed tab, newest first.
            models.Index(
                fields=["-closed_at", "-id"],
                name="monitoring_alert_closed",
                condition=Q(state="closed"),
            ),
            # The little bars of the last 24 hours beside each group.
            models.Index(fields=["opened_at"], name="monitoring_alert_opened"),
            # The device page, and open alerts of the devices of a batch.
            models.Index(fields=["device", "-opened_at"], name="monitoring_alert_device"),
            # The client page.
            models.Index(fields=["client", "-opened_at"], name="monitoring_alert_client"),
            # The ticket page, and whether a resolved ticket's alerts are still true.
            models.Index(
                fields=["ticket"],
                name="monitoring_alert_ticket",
                condition=Q(ticket__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.summary

    @property
    def is_open(self) -> bool:
        return self.state != AlertState.CLOSED


class AlertTransition(TenantModel):
    """One change in the life of an alert, with the value and the reason. Rows are only added."""

    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="+")
    alert = models.ForeignKey(Alert, models.PROTECT, related_name="transitions")
    from_state = models.CharField(max_length=12, choices=TRANSITION_STATES)
    to_state = models.CharField(max_length=12, choices=TRANSITION_STATES)
    #: Sample time; for what people do, the time they did it.
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(default=clock.now)
    value = models.FloatField(null=True)
    why = models.CharField(max_length=250)
    by = models.ForeignKey("core.User", models.PROTECT, null=True, related_name="+")

    objects = TenantManager.from_queryset(AlertTransitionQuerySet)()

    class Meta:
        ordering = ["at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(from_state__in=[key for key, _label in TRANSITION_STATES])
                & Q(to_state__in=[key for key, _label in TRANSITION_STATES]),
                name="monitoring_alerttransition_states_known",
            ),
        ]
        indexes = [
            # The history on the alert page.
            models.Index(fields=["alert", "at", "id"], name="monitoring_transition_alert"),
        ]

    def __str__(self) -> str:
        return f"{self.alert_id}: {self.from_state} to {self.to_state}"
