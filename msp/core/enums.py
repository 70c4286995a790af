"""Closed sets of the ground floor."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class UserKind(models.TextChoices):
    STAFF = "staff", _("Staff")
    PORTAL = "portal", _("Client contact")


class GrantScope(models.TextChoices):
    NONE = "none", _("No client")
    SET = "set", _("Listed clients")
    ALL = "all", _("All clients")


class Channel(models.TextChoices):
    IN_APP = "in_app", _("In the application")
    EMAIL = "email", _("E-mail")


class NotificationState(models.TextChoices):
    PENDING = "pending", _("Waiting")
    SENT = "sent", _("Sent")
    FAILED = "failed", _("Failed")
