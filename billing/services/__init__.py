"""The use cases of `billing`."""

from billing.services.contracts import (
    CHARGED,
    add_contract_line,
    change_contract_line,
    end_contract_line,
    set_profile,
    withdraw_contract_line,
)
from billing.services.credits import credit_invoice
from billing.services.fees import draft_month, prepare_last_month, prepare_month
from billing.services.invoicing import discard_invoice, draft_invoice, post_draft, post_invoice
from billing.services.lines import (
    draft_line_for_time,
    drop_line,
    price_again,
    price_all_exceptions,
    price_exceptions,
    restore_line,
)
from billing.services.pdfs import render_credit_note, render_invoice, render_waiting, retry_pdf
from billing.services.prices import add_client_price, add_price_version, withdraw_price_version

__all__ = [
    "CHARGED",
    "add_client_price",
    "add_contract_line",
    "add_price_version",
    "change_contract_line",
    "credit_invoice",
    "discard_invoice",
    "draft_invoice",
    "draft_line_for_time",
    "draft_month",
    "drop_line",
    "end_contract_line",
    "post_draft",
    "post_invoice",
    "prepare_last_month",
    "prepare_month",
    "price_again",
    "price_all_exceptions",
    "price_exceptions",
    "render_credit_note",
    "render_invoice",
    "render_waiting",
    "restore_line",
    "retry_pdf",
    "set_profile",
    "withdraw_contract_line",
    "withdraw_price_version",
]
