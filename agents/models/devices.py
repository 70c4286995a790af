"""Machines we know, and what they last said about themselves."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from agents.enums import DeviceRole, DeviceState, IdentifierKind
from agents.querysets import DeviceChildQuerySet, DeviceQuerySet
from msp.core import clock
from msp.core.tenancy import PublicIdModel, TenantManager, TenantModel, client_key


class Device(PublicIdModel, TenantModel):
    """Anything that reports. Made by enrolment or by hand; retired, never deleted.

    A duplicate record points at the one that stays (`merged_into`), so merging can be undone.
    """

    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="devices")
    site = models.ForeignKey("clients.Site", models.PROTECT, related_name="devices")
    name = models.CharField(_("name"), max_length=120)
    role = models.CharField(_("role"), max_length=12, choices=DeviceRole.choices)
    state = models.CharField(
        _("state"), max_length=12, choices=DeviceState.choices, default=DeviceState.ACTIVE
    )
    os_family = models.CharField(_("system"), max_length=20, blank=True)
    os_name = models.CharField(_("system name"), max_length=120, blank=True)
    os_version = models.CharField(_("system version"), max_length=80, blank=True)
    agent_version = models.CharField(_("agent version"), max_length=40, blank=True)
    notes = models.TextField(_("notes"), blank=True)
    merged_into = models.ForeignKey("self", models.PROTECT, null=True, related_name="merged")
    enrolled_at = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects = TenantManager.from_queryset(DeviceQuerySet)()

    class Meta:
        ordering = ["name"]
        constraints = [
            client_key("agents_device"),
            models.CheckConstraint(
                condition=Q(role__in=DeviceRole.values), name="agents_device_role_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=DeviceState.values), name="agents_device_state_known"
            ),
        ]
        indexes = [
            # The device list of a client, sorted by name.
            models.Index(fields=["client", "name"], name="agents_device_client_name"),
        ]

    def __str__(self) -> str:
        return self.name


class DeviceCheckin(TenantModel):
    """When a device last reported, and which batches of its spool are stored.

    One row per device, written by the telemetry writer in the transaction of the samples, so that
    it can never claim more than is stored. `stored` is a PostgreSQL `int8multirange` of batch
    numbers, added by migration and read by the writer alone.
    """

    device = models.OneToOneField(Device, models.PROTECT, primary_key=True, related_name="checkin")
    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="+")
    last_report_at = models.DateTimeField()
    last_sample_at = models.DateTimeField(null=True)
    clock_offset_ms = models.BigIntegerField(default=0)
    epoch = models.BigIntegerField()
    boot_id = models.CharField(max_length=64, blank=True)
    power = models.CharField(max_length=12, default="on")

    objects = TenantManager.from_queryset(DeviceChildQuerySet)()

    def __str__(self) -> str:
        return f"{self.device_id} at {self.last_report_at:%F %T}"


class Identifier(TenantModel):
    """A fact that tells one machine from another; placeholder values are ignored on the way in."""

    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="+")
    device = models.ForeignKey(Device, models.PROTECT, related_name="identifiers")
    kind = models.CharField(max_length=12, choices=IdentifierKind.choices)
    value = models.CharField(max_length=120)
    first_seen_at = models.DateTimeField(default=clock.now)
    last_seen_at = models.DateTimeField(default=clock.now)

    objects = TenantManager.from_queryset(DeviceChildQuerySet)()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["device", "kind", "value"], name="agents_identifier_once"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=IdentifierKind.values), name="agents_identifier_kind_known"
            ),
        ]
        indexes = [
            # Search by serial or MAC; finding a reinstalled machine at enrolment.
            models.Index(fields=["kind", "value"], name="agents_identifier_value"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"


class InventorySection(TenantModel):
    """The present content of one section (system, software, disks…), replaced when it changes."""

    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="+")
    device = models.ForeignKey(Device, models.PROTECT, related_name="sections")
    section = models.CharField(max_length=40)
    sha256 = models.CharField(max_length=64)
    content = models.JSONField()
    seen_at = models.DateTimeField()

    objects = TenantManager.from_queryset(DeviceChildQuerySet)()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["device", "section"], name="agents_section_once")
        ]

    def __str__(self) -> str:
        return f"{self.device_id} {self.section}"


class InventoryChange(TenantModel):
    """One changed value of a section: old, new, when."""

    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="+")
    device = models.ForeignKey(Device, models.PROTECT, related_name="changes")
    section = models.CharField(max_length=40)
    path = models.CharField(max_length=200)
    old = models.JSONField(null=True)
    new = models.JSONField(null=True)
    at = models.DateTimeField()

    objects = TenantManager.from_queryset(DeviceChildQuerySet)()

    class Meta:
        indexes = [
            # The history on the device page.
            models.Index(fields=["device", "-at"], name="agents_change_device"),
        ]

    def __str__(self) -> str:
        return f"{self.device_id} {self.section}.{self.path}"
