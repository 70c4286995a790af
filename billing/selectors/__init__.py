"""What a screen or another app asks of `billing`."""

from billing.selectors.contracts import (
    contract_lines_of,
    get_contract_line,
    own_profile,
    profile_for,
)
from billing.selectors.documents import (
    credit_notes_of,
    expected_totals,
    get_credit_note,
    get_invoice,
    invoice_lines,
    invoice_list,
    invoices_of,
    pdf_bytes,
)
from billing.selectors.lines import (
    ReadyGroup,
    draft_lines,
    get_draft_line,
    lines_of_period,
    ready,
    ready_count,
    waiting_of,
)
from billing.selectors.prices import (
    HourPrice,
    client_prices,
    get_price_version,
    hour_price,
    price_items,
)

__all__ = [
    "HourPrice",
    "ReadyGroup",
    "client_prices",
    "contract_lines_of",
    "credit_notes_of",
    "draft_lines",
    "expected_totals",
    "get_contract_line",
    "get_credit_note",
    "get_draft_line",
    "get_invoice",
    "get_price_version",
    "hour_price",
    "invoice_lines",
    "invoice_list",
    "invoices_of",
    "lines_of_period",
    "own_profile",
    "pdf_bytes",
    "price_items",
    "profile_for",
    "ready",
    "ready_count",
    "waiting_of",
]
