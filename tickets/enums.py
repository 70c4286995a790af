"""The closed sets of the tickets app, with the words people see."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Status(TextChoices):
    """Where the work on a ticket stands; ``tickets.domain.lifecycle`` says what may follow."""

    NEW = "new", _("New")
    IN_PROGRESS = "in_progress", _("In progress")
    WAITING_CLIENT = "waiting_client", _("Waiting for the client")
    WAITING_VENDOR = "waiting_vendor", _("Waiting for a vendor")
    SCHEDULED = "scheduled", _("Scheduled")
    RESOLVED = "resolved", _("Resolved")
    CLOSED = "closed", _("Closed")


class Kind(TextChoices):
    """What sort of work a ticket is."""

    REQUEST = "request", _("Request")
    INCIDENT = "incident", _("Incident")
    PROBLEM = "problem", _("Problem")
    CHANGE = "change", _("Change")
    ALERT = "alert", _("Alert")


class Priority(TextChoices):
    """How soon the work is due; P1 is the most urgent."""

    P1 = "p1", _("P1 – critical")
    P2 = "p2", _("P2 – high")
    P3 = "p3", _("P3 – normal")
    P4 = "p4", _("P4 – low")


class Impact(TextChoices):
    """How much of the client's business is hampered."""

    HIGH = "high", _("Whole site or company")
    MEDIUM = "medium", _("A team or a key function")
    LOW = "low", _("One person")


class Urgency(TextChoices):
    """How badly the work is hampered while nothing is done."""

    HIGH = "high", _("Work has stopped")
    MEDIUM = "medium", _("Work is hampered")
    LOW = "low", _("Work goes on")


class MessageKind(TextChoices):
    """What sort of entry a message on a ticket is."""

    PUBLIC = "public", _("Public message")
    NOTE = "note", _("Internal note")
    CALL = "call", _("Call")
    VISIT = "visit", _("Visit")
    CHAT = "chat", _("Chat")
    SYSTEM = "system", _("System entry")


class AuthorKind(TextChoices):
    """Who wrote a message: only ``STAFF`` is a person of ours."""

    STAFF = "staff", _("Technician")
    CONTACT = "contact", _("Contact")
    AUTOMATION = "automation", _("Automation")
    SYSTEM = "system", _("System")


class ClockTarget(TextChoices):
    """What a clock promises; ``INTERNAL`` and ``VENDOR`` stay out of client attainment."""

    RESPONSE = "response", _("First response")
    UPDATE = "update", _("Update")
    RESOLUTION = "resolution", _("Resolution")
    INTERNAL = "internal", _("Internal target")
    VENDOR = "vendor", _("Vendor target")


class ClockEventKind(TextChoices):
    """What an entry in the clock ledger says happened."""

    START = "start", _("Started")
    PAUSE = "pause", _("Paused")
    RESUME = "resume", _("Resumed")
    MEET = "meet", _("Met")
    REOPEN = "reopen", _("Reopened")
    RETARGET = "retarget", _("Target changed")
    CORRECT = "correct", _("Corrected")


class ClockStanding(TextChoices):
    """How a clock stands at one instant."""

    RUNNING = "running", _("Running")
    PAUSED = "paused", _("Paused")
    BREACHED = "breached", _("Breached")
    MET = "met", _("Met")
    MET_LATE = "met_late", _("Met late")


class PauseReason(TextChoices):
    """Why a clock may stand still; anything else never stops one."""

    WAITING_CLIENT = "waiting_client", _("The client must act")
    SCHEDULED = "scheduled", _("An agreed date is awaited")
    WAITING_VENDOR = "waiting_vendor", _("A vendor must act")
    WAITING_US = "waiting_us", _("We must act (vendor clocks)")


class RetargetBasis(TextChoices):
    """From when a changed target counts: the choice of the SLA policy."""

    CREATION = "creation", _("From creation")
    CHANGE = "change", _("From the change")


class Party(TextChoices):
    """Whose minutes they are."""

    MSP = "msp", _("Us")
    CLIENT = "client", _("Client")
    VENDOR = "vendor", _("Vendor")


class Source(TextChoices):
    """How a ticket reached us."""

    PORTAL = "portal", _("Portal")
    MAIL = "mail", _("Mail")
    ALERT = "alert", _("Alert")
    STAFF = "staff", _("Technician")
    API = "api", _("API")


class WorkType(TextChoices):
    """What sort of work a time entry records."""

    REMOTE = "remote", _("Remote")
    ONSITE = "onsite", _("On site")
    PROJECT = "project", _("Project")
    TRAVEL = "travel", _("Travel")


class Coverage(TextChoices):
    """Whether the contract already pays for a time entry."""

    COVERED = "covered", _("Covered by the contract")
    BILLABLE = "billable", _("Billable")


class TransitionRefusal(TextChoices):
    """Why a ticket may not change its status; the label is the sentence a technician reads."""

    SAME = "same_status", _("The ticket already has this status.")
    NOT_NEW_AGAIN = (
        "not_new_again",
        _("A ticket that someone has touched is never new again."),
    )
    RESOLVE_FIRST = "resolve_first", _("Resolve the ticket before closing it.")
    REOPEN_FIRST = (
        "reopen_first",
        _("Reopen the ticket first: it is not being worked on."),
    )
    CLOSED_FOR_GOOD = "closed_for_good", _("A closed ticket can only be reopened.")
