"""What happened in billing, for whoever subscribed in `msp/wiring.py`."""

from __future__ import annotations

from dataclasses import dataclass

from msp.core.events import Event


@dataclass(frozen=True)
class InvoicePosted(Event):
    """An invoice has its number and does not change any more."""

    invoice_id: int
    number: int
    client_id: int


@dataclass(frozen=True)
class CreditNotePosted(Event):
    """A credit note has its number and does not change any more."""

    credit_note_id: int
    number: int
    client_id: int
