"""The closed sets of the billing app, with the words people see."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class LineKind(TextChoices):
    """How a contract line is charged."""

    FLAT = "flat", _("Flat fee")
    PER_DEVICE = "per_device", _("Per device")
    PER_USER = "per_user", _("Per user")
    BLOCK_HOURS = "block_hours", _("Block of hours")
    TIME_AND_MATERIAL = "time_and_material", _("Time and material")
    ONE_OFF = "one_off", _("One-off")


class Unit(TextChoices):
    """What a quantity counts."""

    MINUTE = "minute", _("Minutes")
    DAY = "day", _("Days")


class LineException(TextChoices):
    """Why a draft line has no amount yet; it cannot be invoiced before that is mended."""

    NO_PRICE = "no_price", _("No price")
    OTHER_CURRENCY = "other_currency", _("Another currency")


class DraftLineState(TextChoices):
    """Whether a draft line still waits for its invoice."""

    DRAFT = "draft", _("Draft")
    INVOICED = "invoiced", _("Invoiced")
    DROPPED = "dropped", _("Left out")


class InvoiceState(TextChoices):
    """Where an invoice stands; posted is immutable."""

    DRAFT = "draft", _("Draft")
    APPROVED = "approved", _("Approved")
    POSTED = "posted", _("Posted")
