"""Tables of `billing`."""

from billing.models.contracts import BillingProfile, ContractLine
from billing.models.documents import (
    CreditNote,
    CreditNoteLine,
    DocumentCounter,
    Invoice,
    InvoiceLine,
)
from billing.models.lines import DraftLine
from billing.models.prices import ClientPrice, PriceItem, PriceVersion

__all__ = [
    "BillingProfile",
    "ClientPrice",
    "ContractLine",
    "CreditNote",
    "CreditNoteLine",
    "DocumentCounter",
    "DraftLine",
    "Invoice",
    "InvoiceLine",
    "PriceItem",
    "PriceVersion",
]
