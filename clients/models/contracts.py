"""What is promised: SLA policies and contracts, versions that never change."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from clients.enums import ContractState, WhoseHours
from clients.querysets import ContractQuerySet
from msp.core import clock
from msp.core.tenancy import GlobalModel, PublicIdModel, TenantManager, TenantModel, client_key


class SlaPolicy(PublicIdModel, GlobalModel):
    """A named set of targets of the MSP. Exactly one may be the default for clients without a
    contract."""

    name = models.CharField(_("name"), max_length=120, unique=True)
    is_default = models.BooleanField(_("used where no contract applies"), default=False)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "SLA policies"
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"],
                condition=Q(is_default=True),
                name="clients_slapolicy_one_default",
            )
        ]

    def __str__(self) -> str:
        return self.name


class SlaPolicyVersion(GlobalModel):
    """The targets as they stood from one moment on; a version never changes.

    `targets` maps `p1`..`p4` to `{"response": minutes, "update": minutes or null, "resolution":
    minutes, "internal": minutes, "hours": "contract"|"site"|"always"}`. `warnings` are percents.
    """

    policy = models.ForeignKey(SlaPolicy, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    targets = models.JSONField()
    warnings = models.JSONField(default=list)
    vendor_wait_pauses = models.BooleanField(default=False)
    resolution_is_commitment = models.BooleanField(default=False)
    retarget_from_creation = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=clock.now)
    created_by = models.ForeignKey("core.User", models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["policy", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["policy", "number"], name="clients_slapolicyversion_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.policy} v{self.number}"


class PriorityMatrix(PublicIdModel, GlobalModel):
    """A named table of impact × urgency → priority."""

    name = models.CharField(_("name"), max_length=120, unique=True)
    is_default = models.BooleanField(default=False)

    class Meta:
        verbose_name_plural = "priority matrices"
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"],
                condition=Q(is_default=True),
                name="clients_prioritymatrix_one_default",
            )
        ]

    def __str__(self) -> str:
        return self.name


class PriorityMatrixVersion(GlobalModel):
    """The nine cells as they stood from one moment on; a version never changes.

    `cells` maps `"<impact>:<urgency>"` to a priority, for all nine pairs.
    """

    matrix = models.ForeignKey(PriorityMatrix, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    cells = models.JSONField()
    created_at = models.DateTimeField(default=clock.now)
    created_by = models.ForeignKey("core.User", models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["matrix", "number"], name="clients_prioritymatrixversion_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.matrix} v{self.number}"


class Contract(PublicIdModel, TenantModel):
    """The service contract with a client: what is promised and covered; its prices are billing's.

    `coverage` is a list of rules read from the top: `{"work_type": "remote"|..., "hours":
    "inside"|"outside"|"any", "covered": true|false, "clause": "3.1"}`; work that no rule names is
    billable, under the clause "not listed".
    """

    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="contracts")
    name = models.CharField(_("name"), max_length=120)
    state = models.CharField(
        _("state"), max_length=10, choices=ContractState.choices, default=ContractState.DRAFT
    )
    starts_on = models.DateField(_("starts"))
    ends_on = models.DateField(_("ends"), null=True, blank=True)
    notice_days = models.PositiveSmallIntegerField(_("notice, days"), default=90)
    policy = models.ForeignKey(SlaPolicy, models.PROTECT, related_name="contracts")
    calendar = models.ForeignKey("clients.Calendar", models.PROTECT, related_name="contracts")
    whose_hours = models.CharField(
        _("hours counted"),
        max_length=10,
        choices=WhoseHours.choices,
        default=WhoseHours.CONTRACT,
    )
    coverage = models.JSONField(_("coverage"), default=list, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects = TenantManager.from_queryset(ContractQuerySet)()

    class Meta:
        ordering = ["-starts_on"]
        constraints = [
            client_key("clients_contract"),
            models.CheckConstraint(
                condition=Q(state__in=ContractState.values), name="clients_contract_state_known"
            ),
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                name="clients_contract_ends_after_start",
            ),
        ]

    def __str__(self) -> str:
        return self.name
