"""Closed sets of `clients`."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class ClientState(models.TextChoices):
    PROSPECT = "prospect", _("Prospect")
    ACTIVE = "active", _("Active")
    LEAVING = "leaving", _("Leaving")
    LEFT = "left", _("Left")


class ContactRole(models.TextChoices):
    EMPLOYEE = "employee", _("Employee")
    MANAGER = "manager", _("Manager")
    APPROVER = "approver", _("Approver")
    BILLING = "billing", _("Billing")
    TECHNICAL = "technical", _("Technical")
    VIP = "vip", _("VIP")


class ContractState(models.TextChoices):
    DRAFT = "draft", _("Draft")
    ACTIVE = "active", _("Active")
    ENDED = "ended", _("Ended")


class WhoseHours(models.TextChoices):
    CONTRACT = "contract", _("The contract's calendar")
    SITE = "site", _("The site's calendar")
    ALWAYS = "always", _("Around the clock")


class Weekday(models.TextChoices):
    MON = "mon", _("Monday")
    TUE = "tue", _("Tuesday")
    WED = "wed", _("Wednesday")
    THU = "thu", _("Thursday")
    FRI = "fri", _("Friday")
    SAT = "sat", _("Saturday")
    SUN = "sun", _("Sunday")


class PriorityKey(models.TextChoices):
    """The priorities a policy has targets for; the words of `tickets`, which is above."""

    P1 = "p1", _("P1")
    P2 = "p2", _("P2")
    P3 = "p3", _("P3")
    P4 = "p4", _("P4")


class Level(models.TextChoices):
    """Steps of impact and of urgency in a priority matrix."""

    HIGH = "high", _("High")
    MEDIUM = "medium", _("Medium")
    LOW = "low", _("Low")


class CoveredWork(models.TextChoices):
    """What sort of work a coverage rule is about; `tickets` records the same sorts."""

    REMOTE = "remote", _("Remote")
    ONSITE = "onsite", _("On site")
    PROJECT = "project", _("Project")
    TRAVEL = "travel", _("Travel")
    ANY = "any", _("Any work")


class CoveredHours(models.TextChoices):
    INSIDE = "inside", _("Inside hours")
    OUTSIDE = "outside", _("Outside hours")
    ANY = "any", _("At any time")
