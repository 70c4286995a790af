"""Working hours, in versions that never change."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from msp.core import clock
from msp.core.tenancy import GlobalModel, PublicIdModel


class Calendar(PublicIdModel, GlobalModel):
    """A named set of working hours of the MSP, used by contracts and sites. Exactly one may be the
    default for clients without a contract."""

    name = models.CharField(_("name"), max_length=120, unique=True)
    is_default = models.BooleanField(_("used where no contract applies"), default=False)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"],
                condition=Q(is_default=True),
                name="clients_calendar_one_default",
            )
        ]

    def __str__(self) -> str:
        return self.name


class CalendarVersion(GlobalModel):
    """The hours as they stood from one moment on; a version never changes.

    `windows` maps `mon`..`sun` to lists of `["HH:MM", "HH:MM"]` in the zone; an end that is not
    after its start runs over midnight, `"24:00"` is midnight. `holidays` are ISO dates on which no
    window starts. `always` ignores both. A blank zone means the site's.
    """

    calendar = models.ForeignKey(Calendar, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    zone = models.CharField(max_length=64, blank=True)
    always = models.BooleanField(default=False)
    windows = models.JSONField(default=dict)
    holidays = models.JSONField(default=list)
    created_at = models.DateTimeField(default=clock.now)
    created_by = models.ForeignKey("core.User", models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["calendar", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["calendar", "number"], name="clients_calendarversion_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.calendar} v{self.number}"
