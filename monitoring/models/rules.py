"""What is watched for, and what each rule knows of each series."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from agents.enums import DeviceRole
from monitoring.domain.rules import Side
from monitoring.enums import RuleState as State
from monitoring.enums import Severity
from monitoring.querysets import RuleQuerySet, RuleStateQuerySet
from msp.core import clock
from msp.core.tenancy import GlobalModel, PublicIdModel, TenantManager, TenantModel


class Rule(PublicIdModel, GlobalModel):
    """One thing worth an alert, for all clients or for one. Never deleted, only switched off.

    A client's rule may stand in for one of all clients (`replaces`). Its figures are in versions,
    of which the newest counts. `key` names the rules that come with the product.
    """

    key = models.SlugField(max_length=40, blank=True, editable=False)
    client = models.ForeignKey(
        "clients.Client",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="alert_rules",
        verbose_name=_("client"),
    )
    replaces = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="replaced_by",
        verbose_name=_("in place of"),
    )
    name = models.CharField(_("name"), max_length=120)
    metric = models.CharField(_("metric"), max_length=120)
    #: Shell pattern over instances (mount points); empty means every instance.
    instance_pattern = models.CharField(_("instances"), max_length=200, blank=True)
    #: Roles of devices; empty means every role.
    roles = ArrayField(
        models.CharField(max_length=12, choices=DeviceRole.choices),
        verbose_name=_("devices"),
        default=list,
        blank=True,
    )
    severity = models.CharField(_("severity"), max_length=10, choices=Severity.choices)
    is_enabled = models.BooleanField(_("switched on"), default=True)
    opens_ticket = models.BooleanField(_("opens a ticket"), default=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    created_by = models.ForeignKey("core.User", models.PROTECT, null=True, related_name="+")

    objects = TenantManager.from_queryset(RuleQuerySet)()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["key"], condition=~Q(key=""), name="monitoring_rule_key_unique"
            ),
            models.UniqueConstraint(
                fields=["client", "replaces"],
                condition=Q(replaces__isnull=False),
                name="monitoring_rule_replaced_once",
            ),
            models.CheckConstraint(
                condition=Q(replaces__isnull=True) | Q(client__isnull=False),
                name="monitoring_rule_only_a_client_replaces",
            ),
            models.CheckConstraint(
                condition=Q(severity__in=Severity.values), name="monitoring_rule_severity_known"
            ),
            models.CheckConstraint(
                condition=Q(roles__contained_by=DeviceRole.values),
                name="monitoring_rule_roles_known",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class RuleVersion(GlobalModel):
    """The figures of a rule from one change to the next. Rows are only added.

    Thresholds are in the unit of the metric (ratios 0-1). `free_below_bytes` is a second condition
    for metrics that have a usage and a limit: it must hold too, and either may clear.
    """

    rule = models.ForeignKey(Rule, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    side = models.CharField(max_length=5, choices=[(side.value, side.value) for side in Side])
    threshold = models.FloatField()
    clear_threshold = models.FloatField()
    free_below_bytes = models.BigIntegerField(null=True)
    free_clear_bytes = models.BigIntegerField(null=True)
    for_seconds = models.PositiveIntegerField()
    keep_firing_for_seconds = models.PositiveIntegerField()
    nodata_after_seconds = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=clock.now)
    created_by = models.ForeignKey("core.User", models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["rule", "number"], name="monitoring_ruleversion_once"),
            models.CheckConstraint(
                condition=Q(side="above", clear_threshold__lte=F("threshold"))
                | Q(side="below", clear_threshold__gte=F("threshold")),
                name="monitoring_ruleversion_clear_on_the_good_side",
            ),
            models.CheckConstraint(
                condition=Q(free_below_bytes__isnull=True, free_clear_bytes__isnull=True)
                | Q(free_clear_bytes__gte=F("free_below_bytes")),
                name="monitoring_ruleversion_free_clears_above",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} version {self.number}"


class RuleState(TenantModel):
    """What one rule knows of one series: everything needed to judge the next sample.

    Written by the evaluation alone, in the transaction of the alerts it raises; a projection of the
    samples, so it may be rebuilt. Times are sample times in ms since 1970 UTC, as the domain has
    them, so that judging again gives the same to the bit.
    """

    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="+")
    device = models.ForeignKey("agents.Device", models.PROTECT, related_name="rule_states")
    # Evaluation reads by device; the unique key below serves the other way round.
    rule = models.ForeignKey(Rule, models.PROTECT, related_name="states", db_index=False)
    instance = models.CharField(max_length=255, blank=True)
    state = models.CharField(max_length=10, choices=State.choices)
    since_ms = models.BigIntegerField()
    last_ms = models.BigIntegerField(null=True)
    last_value = models.FloatField(null=True)
    fired_ms = models.BigIntegerField(null=True)
    #: The last ingest group judged; null for what sweeps judge.
    last_group_id = models.BigIntegerField(null=True)

    objects = TenantManager.from_queryset(RuleStateQuerySet)()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "device", "instance"], name="monitoring_rulestate_once"
            ),
            models.CheckConstraint(
                condition=Q(state__in=State.values), name="monitoring_rulestate_state_known"
            ),
        ]
        indexes = [
            # The sweep that turns silence into "unknown".
            models.Index(
                fields=["last_ms"],
                name="monitoring_rulestate_silent",
                condition=~Q(state="nodata"),
            ),
        ]

    def __str__(self) -> str:
        return f"rule {self.rule_id}, device {self.device_id} {self.instance}: {self.state}"


class Listening(GlobalModel):
    """The span in which we have been receiving reports without a break; one row, named "ingest".

    A device counts as silent only for time in this span, so that our own down time never makes
    anybody offline. Written by the sweep from the times of committed groups.
    """

    name = models.CharField(max_length=20, primary_key=True)
    since = models.DateTimeField()
    until = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(until__gte=F("since")), name="monitoring_listening_forward"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.since:%F %T} to {self.until:%F %T}"
