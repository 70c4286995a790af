"""The closed sets of the monitoring app, with the words people see."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Severity(TextChoices):
    """How much an alert matters."""

    INFO = "info", _("Information")
    WARNING = "warning", _("Warning")
    CRITICAL = "critical", _("Critical")


class AlertState(TextChoices):
    """Where an alert stands for people; what the rule sees is ``RuleState``."""

    OPEN = "open", _("Open")
    ACKNOWLEDGED = "acknowledged", _("Acknowledged")
    CLOSED = "closed", _("Closed")


class RuleState(TextChoices):
    """Where a rule stands for one series of samples."""

    OK = "ok", _("OK")
    PENDING = "pending", _("Pending")
    FIRING = "firing", _("Firing")
    RECOVERING = "recovering", _("Recovering")
    NODATA = "nodata", _("Unknown")
