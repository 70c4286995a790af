"""Draft lines of monthly fees: once for each contract line and month, pro rata by the day."""

from __future__ import annotations

import logging
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from billing.domain.fees import ChargedDays, charged_days, fee_for, last_day
from billing.enums import DraftLineState, LineException, LineKind, Unit
from billing.models import ContractLine, DraftLine
from billing.permissions import PREPARE
from billing.services import common
from billing.services.lines import drop, facts, tell_screens
from clients.enums import ContractState
from clients.models import Contract
from msp.core import audit, clock
from msp.core.errors import Refused
from msp.core.permissions import reach, require
from msp.core.scope import Principal

log = logging.getLogger(__name__)

_COMPARED = (
    "quantity", "unit_price", "amount", "price_per", "first_day", "last_day", "currency",
    "exception", "description",
)  # fmt: skip


@transaction.atomic
def draft_month(contract_id: int, *, period: date, by: Principal) -> list[DraftLine]:
    """Make the lines of a contract's monthly fees for one month; return them.

    Only days on which both the contract and its line hold are charged. Asked again it makes nothing
    twice: what waits is brought up to date, what is invoiced or left out stays. One transaction at
    a time works on a contract.

    Errors: NotVisible; NotAllowed; Refused for a contract that was never active.
    """
    contract = common.seen(Contract, by, pk=contract_id)
    require(by, PREPARE, contract.client_id)
    period = common.month(period)
    common.hold("contract", contract.pk)
    if contract.state == ContractState.DRAFT:
        raise Refused(_("A draft charges nothing; put the contract in force first."), code="draft")
    found, wanted = [], set()
    for line in (
        ContractLine.objects.filter(contract=contract, kind=LineKind.FLAT)
        .between(period, last_day(period))
        .order_by("pk")
    ):
        charged = charged_days(
            period, (line.starts_on, line.ends_on), (contract.starts_on, contract.ends_on)
        )
        if charged is not None:
            wanted.add(line.pk)
            found.append(_upsert(contract, line, period, charged, by=by))
    stale = (
        DraftLine.objects.waiting()
        .filter(contract=contract, period=period, line_kind=LineKind.FLAT)
        .exclude(contract_line__in=wanted)
        .select_for_update(of=("self",))
    )
    for row in stale:
        drop(row, by=by, reason=_("The contract does not charge for these days any more."))
    tell_screens(contract.client)
    return found


def prepare_month(*, period: date, by: Principal) -> int:
    """Make the fee lines of one month for every contract the principal bills; return how many.

    Each contract is a transaction of its own, so that one that fails stops no other.

    Errors: NotAllowed; RuntimeError at the end, naming the contracts that failed.
    """
    require(by, PREPARE)
    period = common.month(period)
    ids = reach(by, PREPARE)
    rows = Contract.objects.visible_to(by).exclude(state=ContractState.DRAFT)
    if ids is not None:
        rows = rows.filter(client_id__in=ids)
    count, failed = 0, []
    for contract_id in rows.order_by("pk").values_list("pk", flat=True):
        try:
            count += len(draft_month(contract_id, period=period, by=by))
        except Exception:
            log.exception("The fees of contract %s could not be drafted.", contract_id)
            failed.append(contract_id)
    if failed:
        raise RuntimeError(f"No fees drafted for contracts {failed}.")
    return count


def prepare_last_month(*, by: Principal) -> int:
    """Make the fee lines of the month that has ended, unless they are there; return how many.

    Errors: as `prepare_month`.
    """
    return prepare_month(period=clock.today().replace(day=1) - timedelta(days=1), by=by)


def _upsert(
    contract: Contract, line: ContractLine, period: date, charged: ChargedDays, *, by: Principal
) -> DraftLine:
    values = _values(contract, line, charged)
    # The row is locked: posting could be taking it on at this moment.
    row = (
        DraftLine.objects.filter(
            contract=contract,
            line_kind=LineKind.FLAT,
            source_ref=f"fee:{line.public_id}",
            period=period,
        )
        .select_for_update(of=("self",))
        .first()
    )
    if row is None:
        row = DraftLine.objects.create(
            client_id=contract.client_id,
            contract=contract,
            contract_line=line,
            line_kind=LineKind.FLAT,
            source_ref=f"fee:{line.public_id}",
            period=period,
            **values,
        )
        audit.record("draft_line.made", row, by=by, after=facts(row))
    elif row.state == DraftLineState.DRAFT and any(
        getattr(row, name) != values[name] for name in _COMPARED
    ):
        before = facts(row)
        for name, value in values.items():
            setattr(row, name, value)
        row.changed_at = clock.now()
        row.save(update_fields=[*values, "changed_at"])
        audit.record("draft_line.priced", row, by=by, before=before, after=facts(row))
    return row


def _values(contract: Contract, line: ContractLine, charged: ChargedDays) -> dict[str, Any]:
    values: dict[str, Any] = {
        "description": line.name,
        "first_day": charged.first,
        "last_day": charged.last,
        "quantity": Decimal(charged.days),
        "unit": Unit.DAY,
        "unit_price": line.amount,
        "price_per": charged.days_in_month,
        "price_source": _("contract “%(name)s”, a month") % {"name": contract.name},
        "currency": line.currency,
        "evidence": {
            "kind": "days",
            "contract": contract.name,
            "line": line.name,
            "monthly": str(line.amount),
            "days": charged.days,
            "days_in_month": charged.days_in_month,
            "contract_from": contract.starts_on.isoformat(),
            "contract_until": contract.ends_on.isoformat() if contract.ends_on else None,
        },
    }
    if line.currency != contract.client.currency:
        return values | {
            "amount": None,
            "exception": LineException.OTHER_CURRENCY,
            "exception_text": _("Charged in %(line)s, the client is billed in %(client)s.")
            % {"line": line.currency, "client": contract.client.currency},
        }
    amount = fee_for(line.amount, line.currency, charged).amount
    return values | {"amount": amount, "exception": "", "exception_text": ""}
