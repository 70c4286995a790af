"""Make prices, profiles, contract lines, approved time and invoices, through the services."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.utils.text import slugify

from billing import services
from billing.models import BillingProfile, ContractLine, DraftLine, Invoice, PriceVersion
from clients.models import Client, Contract
from msp.core.models import User
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories import clients as client_factories
from tests.factories import core as core_factories
from tests.factories import tickets as ticket_factories
from tickets.models import Ticket, TimeEntry
from tickets.services import approve_time, log_time

MAKER = SystemPrincipal("factory")
NOVEMBER = date(2026, 11, 1)
#: A Tuesday, 11:00 in Dublin.
TUESDAY = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)


def price(amount: str = "120", *, work_type: str = "remote", **fields: Any) -> PriceVersion:
    """Set the price of an hour in the price book, from the start of 2026, to the minute."""
    values: dict[str, Any] = {
        "currency": "EUR", "valid_from": date(2026, 1, 1), "increment_minutes": 1,
    }  # fmt: skip
    with acting_as(MAKER):
        return services.add_price_version(
            by=MAKER, work_type=work_type, price_per_hour=Decimal(amount), **(values | fields)
        )


def profile(owner: Client, **fields: Any) -> BillingProfile:
    """Say how a client is billed: at 23 per cent, in 30 days."""
    values: dict[str, Any] = {
        "invoice_name": f"{owner.name} Ltd",
        "address": "1 Quay Street\nDublin",
        "tax_ratio": Decimal("0.23"),
        "email": f"accounts@{slugify(owner.name)}.example",
    }
    with acting_as(MAKER):
        return services.set_profile(owner.pk, by=MAKER, **(values | fields))


def contract_line(contract: Contract, amount: str = "900", **fields: Any) -> ContractLine:
    """Charge a flat fee a month under a contract, from the start of 2026."""
    values: dict[str, Any] = {
        "name": "Managed workplace", "kind": "flat", "starts_on": date(2026, 1, 1),
    }  # fmt: skip
    with acting_as(MAKER):
        return services.add_contract_line(
            contract.pk, by=MAKER, amount=Decimal(amount), **(values | fields)
        )


def worker() -> User:
    """Return the technician whose time is billed."""
    found = User.objects.filter(email="wes@msp.example").first()
    return found or core_factories.staff("technician", email="wes@msp.example", name="Wes Worker")


def approved(
    owner: Client, minutes: int = 75, *, work_type: str = "onsite", **fields: Any
) -> TimeEntry:
    """Log and approve time on a ticket of a client; its draft line is left to the worker."""
    ticket: Ticket = fields.pop("ticket", None) or ticket_factories.ticket(
        owner, fields.pop("subject", "Disk is full")
    )
    fields.setdefault("started_at", TUESDAY)
    with acting_as(MAKER):
        entry = log_time(
            ticket.number, by=MAKER, person=worker(), minutes=minutes, work_type=work_type, **fields
        )
        return approve_time(entry.public_id, by=MAKER)


def draft_line(owner: Client, minutes: int = 75, **fields: Any) -> DraftLine:
    """Make the draft line of approved time."""
    entry = approved(owner, minutes, **fields)
    with acting_as(MAKER):
        return services.draft_line_for_time(entry.pk, by=MAKER)


def invoice(owner: Client | None = None, *, post: bool = True, **fields: Any) -> Invoice:
    """Make an invoice over one billable entry (and its draft line); posted unless told."""
    owner = owner or client_factories.client("Acme")
    with acting_as(MAKER):
        if not BillingProfile.objects.filter(client=owner).exists():
            profile(owner)
        if not PriceVersion.objects.filter(item__work_type="onsite").exists():
            price(work_type="onsite")
    draft_line(owner, **fields)
    with acting_as(MAKER):
        made = services.draft_invoice(owner.pk, period=NOVEMBER, by=MAKER)
        return services.post_draft(made.public_id, by=MAKER) if post else made
