"""Closed sets of `agents`."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class DeviceState(models.TextChoices):
    PENDING = "pending", _("Waiting for approval")
    ACTIVE = "active", _("Active")
    QUARANTINED = "quarantined", _("Quarantined")
    RETIRED = "retired", _("Retired")


class DeviceRole(models.TextChoices):
    SERVER = "server", _("Server")
    WORKSTATION = "workstation", _("Workstation")
    NETWORK = "network", _("Network device")


class KeyState(models.TextChoices):
    ACTIVE = "active", _("Active")
    REVOKED = "revoked", _("Revoked")


class IdentifierKind(models.TextChoices):
    SERIAL = "serial", _("Serial number")
    BOARD_UUID = "board_uuid", _("Board UUID")
    MAC = "mac", _("MAC address")
    DISK_SERIAL = "disk_serial", _("Disk serial number")
