"""How a machine comes to be known, and how it proves who it is."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from agents.enums import DeviceRole, KeyState
from agents.querysets import DeviceChildQuerySet, EnrolmentTokenQuerySet
from msp.core import clock
from msp.core.tenancy import GlobalModel, PublicIdModel, TenantManager, TenantModel, client_key


class EnrolmentToken(PublicIdModel, TenantModel):
    """Lets agents join one site. Shown once; only its SHA-256 is stored."""

    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="enrolment_tokens")
    site = models.ForeignKey("clients.Site", models.PROTECT, related_name="enrolment_tokens")
    label = models.CharField(_("what for"), max_length=120)
    role = models.CharField(
        _("role of the devices"), max_length=12, choices=DeviceRole.choices, blank=True
    )
    token_sha256 = models.CharField(max_length=64, unique=True)
    max_uses = models.PositiveIntegerField(_("devices at most"), default=1)
    uses = models.PositiveIntegerField(default=0)
    needs_approval = models.BooleanField(_("a person approves each device"), default=False)
    expires_at = models.DateTimeField(_("valid until"))
    revoked_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    created_by = models.ForeignKey("core.User", models.PROTECT, null=True, related_name="+")

    objects = TenantManager.from_queryset(EnrolmentTokenQuerySet)()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(uses__lte=F("max_uses")), name="agents_token_not_overused"
            ),
        ]

    def __str__(self) -> str:
        return self.label


class DeviceKey(TenantModel):
    """A device's Ed25519 public key. One is active at a time."""

    key_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="+")
    device = models.ForeignKey("agents.Device", models.PROTECT, related_name="keys")
    public_key = models.BinaryField(max_length=32)
    state = models.CharField(max_length=10, choices=KeyState.choices, default=KeyState.ACTIVE)
    created_at = models.DateTimeField(default=clock.now)
    revoked_at = models.DateTimeField(null=True)

    objects = TenantManager.from_queryset(DeviceChildQuerySet)()

    class Meta:
        constraints = [
            client_key("agents_devicekey"),
            models.UniqueConstraint(
                fields=["device"],
                condition=Q(state=KeyState.ACTIVE),
                name="agents_devicekey_one_active",
            ),
            # The same key on two devices would be a clone; enrolling again finds the first one.
            models.UniqueConstraint(
                fields=["public_key"],
                condition=Q(state=KeyState.ACTIVE),
                name="agents_devicekey_key_once",
            ),
            models.CheckConstraint(
                condition=Q(state__in=KeyState.values), name="agents_devicekey_state_known"
            ),
        ]

    def __str__(self) -> str:
        return str(self.key_id)


class SessionKey(TenantModel):
    """A secret shared with one device for at most a day: it signs reports, nothing else.

    Agreed on by a request that the device's own key signed. Stored sealed with the key-encryption
    key, so that a stolen database forges nothing. It counts only while the device's key does.
    """

    key_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="+")
    device = models.ForeignKey("agents.Device", models.PROTECT, related_name="session_keys")
    device_key = models.ForeignKey(DeviceKey, models.PROTECT, related_name="sessions")
    sealed_secret = models.BinaryField(max_length=80)
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField()

    objects = TenantManager.from_queryset(DeviceChildQuerySet)()

    class Meta:
        indexes = [
            # Dropping expired ones.
            models.Index(fields=["expires_at"], name="agents_sessionkey_expiry"),
        ]

    def __str__(self) -> str:
        return str(self.key_id)


class RequestNonce(GlobalModel):
    """A nonce handed out for, or seen in, an Ed25519-signed request; used once, then dropped.

    Telemetry needs none: its rows and batches absorb a repeat.
    """

    nonce = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            # Dropping expired ones.
            models.Index(fields=["expires_at"], name="agents_nonce_expiry"),
        ]

    def __str__(self) -> str:
        return self.nonce
