"""What contracts charge for, and how clients are billed."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from billing.enums import DraftLineState, LineKind
from billing.models import BillingProfile, ContractLine, DraftLine
from billing.permissions import PREPARE
from billing.services import common
from clients.models import Contract
from msp.core import audit, clock
from msp.core.errors import BadInput, Refused
from msp.core.permissions import require
from msp.core.queue import enqueue
from msp.core.scope import Principal

#: Kinds that can be charged so far; the others need quantities that nobody counts yet.
CHARGED = (LineKind.FLAT, LineKind.TIME_AND_MATERIAL)
LONGEST_CREDIT_DAYS = 365


@transaction.atomic
def set_profile(
    client_id: int,
    *,
    by: Principal,
    invoice_name: str,
    address: str,
    tax_ratio: Decimal,
    tax_id: str = "",
    payment_days: int = 30,
    email: str = "",
    reference: str = "",
) -> BillingProfile:
    """Say how a client is billed: to whom, with which tax (0–1), payable in how many days.

    Errors: NotVisible; NotAllowed; BadInput.
    """
    client = common.client_for(by, client_id, PREPARE)
    if not tax_ratio.is_finite() or not 0 <= tax_ratio <= 1 or tax_ratio != round(tax_ratio, 6):
        raise BadInput(_("Between 0 and 100 per cent."), field="tax_ratio")
    if not 0 <= payment_days <= LONGEST_CREDIT_DAYS:
        raise BadInput(_("Between 0 and 365 days."), field="payment_days")
    email = email.strip()
    if email:
        try:
            validate_email(email)
        except ValidationError as error:
            raise BadInput(_("This is not an e-mail address."), field="email") from error
    values: dict[str, Any] = {
        "invoice_name": common.need(invoice_name, "invoice_name", most=160),
        "address": common.need(address, "address", most=1000),
        "tax_id": tax_id.strip()[:40],
        "tax_ratio": tax_ratio,
        "payment_days": payment_days,
        "email": email,
        "reference": reference.strip()[:120],
    }
    common.hold("client", client.pk)
    profile = BillingProfile.objects.filter(client=client).select_for_update().first()
    before = {name: str(getattr(profile, name)) for name in values} if profile else None
    profile = profile or BillingProfile(client=client)
    for name, value in values.items():
        setattr(profile, name, value)
    profile.changed_at = clock.now()
    profile.save()
    after = {name: str(value) for name, value in values.items()}
    audit.record("billing_profile.set", profile, by=by, before=before, after=after)
    return profile


@transaction.atomic
def add_contract_line(
    contract_id: int,
    *,
    by: Principal,
    name: str,
    kind: str,
    amount: Decimal,
    starts_on: date,
    ends_on: date | None = None,
    work_type: str = "",
    increment_minutes: int = 15,
    minimum_minutes: int = 0,
    key: str = "",
) -> ContractLine:
    """Charge for something under a contract from a day on: so much a month, or an hour.

    The currency is the client's. Lines of one `key` (made from the name unless given) may follow
    each other and never overlap.

    Errors: NotVisible; NotAllowed; BadInput.
    """
    contract = common.seen(Contract, by, pk=contract_id)
    require(by, PREPARE, contract.client_id)
    if kind not in CHARGED:
        raise BadInput(_("Contracts are charged by month or by hour so far."), field="kind")
    common.span(starts_on, ends_on)
    common.steps(increment_minutes, minimum_minutes)
    name = common.need(name, "name", most=120)
    hourly = kind == LineKind.TIME_AND_MATERIAL
    common.hold("contract", contract.pk)
    line = ContractLine(
        client_id=contract.client_id,
        contract=contract,
        key=(slugify(key or name) or "line")[:60],
        name=name,
        kind=kind,
        work_type=common.work(work_type, blank=True) if hourly else "",
        amount=common.price(amount, "amount"),
        currency=contract.client.currency,
        increment_minutes=increment_minutes,
        minimum_minutes=minimum_minutes,
        starts_on=starts_on,
        ends_on=ends_on,
    )
    with common.no_overlap(_("A line of this name holds on some of these days already.")):
        line.save(force_insert=True)
    audit.record("contract_line.added", line, by=by, after=_facts(line))
    if hourly:
        enqueue("billing.price_exceptions", once=True)
    return line


@transaction.atomic
def change_contract_line(
    public_id: UUID | str, *, by: Principal, amount: Decimal, from_on: date
) -> ContractLine:
    """Charge another amount from a day on: the line ends the day before, a new one begins.

    Errors: NotVisible; NotAllowed; BadInput; Refused if days from then on are invoiced.
    """
    line = _locked(public_id, by=by)
    if from_on <= line.starts_on:
        raise BadInput(_("The new amount begins after the line does."), field="from_on")
    if line.ends_on is not None and from_on > line.ends_on:
        raise BadInput(_("The line has ended by then."), field="from_on")
    until = line.ends_on
    _end(line, from_on - timedelta(days=1), by=by)
    return add_contract_line(
        line.contract_id,
        by=by,
        name=line.name,
        kind=line.kind,
        amount=amount,
        starts_on=from_on,
        ends_on=until,
        work_type=line.work_type,
        increment_minutes=line.increment_minutes,
        minimum_minutes=line.minimum_minutes,
        key=line.key,
    )


@transaction.atomic
def end_contract_line(public_id: UUID | str, *, by: Principal, ends_on: date) -> ContractLine:
    """Charge for something until a day, that day included.

    Errors: NotVisible; NotAllowed; BadInput; Refused if later days are invoiced.
    """
    line = _locked(public_id, by=by)
    if ends_on < line.starts_on:
        raise BadInput(_("The end lies before the start."), field="ends_on")
    with common.no_overlap(_("Another line follows before that day."), field="ends_on"):
        _end(line, ends_on, by=by)
    return line


@transaction.atomic
def withdraw_contract_line(public_id: UUID | str, *, by: Principal, reason: str) -> ContractLine:
    """Take back a line that was a mistake; what waits from it is left out with the next drafting.

    Errors: NotVisible; NotAllowed; BadInput without a reason; Refused if any of it is invoiced.
    """
    line = _locked(public_id, by=by)
    if _invoiced(line).exists():
        raise Refused(_("Parts of this line are invoiced; end it instead."), code="invoiced")
    line.withdrawn_at = clock.now()
    line.save(update_fields=["withdrawn_at"])
    reason = common.need(reason, "reason", most=250)
    audit.record("contract_line.withdrawn", line, by=by, reason=reason, before=_facts(line))
    return line


def _locked(public_id: UUID | str, *, by: Principal) -> ContractLine:
    found = common.seen(ContractLine, by, public_id=public_id)
    require(by, PREPARE, found.client_id)
    common.hold("contract", found.contract_id)
    line = common.seen(ContractLine, by, lock=True, pk=found.pk)
    if line.withdrawn_at is not None:
        raise Refused(_("This line is withdrawn."), code="withdrawn")
    return line


def _end(line: ContractLine, ends_on: date, *, by: Principal) -> None:
    if _invoiced(line).filter(last_day__gt=ends_on).exists():
        raise Refused(_("Days after that are invoiced; credit them first."), code="invoiced")
    before = {"ends_on": str(line.ends_on or "")}
    line.ends_on = ends_on
    line.save(update_fields=["ends_on"])
    audit.record("contract_line.ended", line, by=by, before=before, after={"ends_on": str(ends_on)})


def _invoiced(line: ContractLine) -> Any:
    return DraftLine.objects.filter(contract_line=line, state=DraftLineState.INVOICED)


def _facts(line: ContractLine) -> dict[str, object]:
    return {
        "contract": line.contract_id,
        "key": line.key,
        "kind": str(line.kind),
        "amount": str(line.amount),
        "currency": line.currency,
        "from": line.starts_on.isoformat(),
        "until": line.ends_on.isoformat() if line.ends_on else None,
    }
