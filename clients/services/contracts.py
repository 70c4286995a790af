"""Contracts: drafted, active, ended. Once active, the words of a contract do not change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from clients.enums import ContractState, CoveredHours, CoveredWork, WhoseHours
from clients.models import Calendar, Client, Contract, SlaPolicy
from clients.services.common import Key, apply, known, locked, need, only
from msp.core import audit, clock
from msp.core.errors import BadInput, NotVisible, Refused
from msp.core.permissions import require
from msp.core.scope import Principal

PERMISSION = "clients.contracts"
CONTRACT_FIELDS = frozenset(
    {
        "name", "starts_on", "ends_on", "notice_days", "policy_id", "calendar_id", "whose_hours",
        "coverage",
    }
)  # fmt: skip
MOST_RULES = 50
MOST_NOTICE_DAYS = 1095  # three years; a longer notice is a slip of the finger


@transaction.atomic
def add_contract(
    client_id: Key,
    *,
    by: Principal,
    name: str,
    starts_on: date,
    policy_id: int,
    calendar_id: int,
    ends_on: date | None = None,
    notice_days: int = 90,
    whose_hours: str = WhoseHours.CONTRACT,
    coverage: Iterable[Mapping[str, Any]] = (),
) -> Contract:
    """Draft a contract with a client; it promises nothing before `activate_contract`.

    Errors: NotVisible, NotAllowed; BadInput for dates or coverage that make no sense.
    """
    client = locked(Client, by, client_id)
    require(by, PERMISSION, client.pk)
    values = _checked(
        {
            "name": name, "starts_on": starts_on, "ends_on": ends_on, "notice_days": notice_days,
            "policy_id": policy_id, "calendar_id": calendar_id, "whose_hours": str(whose_hours),
            "coverage": coverage,
        },
        starts_on,
        ends_on,
    )  # fmt: skip
    contract = Contract(client=client, **values)
    contract.save()
    audit.record("contract.added", contract, by=by, after=_audited(values))
    return contract


@transaction.atomic
def change_contract(contract_id: Key, *, by: Principal, **fields: Any) -> Contract:
    """Change what is given of `CONTRACT_FIELDS`, while it is a draft.

    Errors: NotVisible; NotAllowed; Refused once it is active; BadInput.
    """
    only(CONTRACT_FIELDS, fields)
    contract = locked(Contract, by, contract_id)
    require(by, PERMISSION, contract.client_id)
    if contract.state != ContractState.DRAFT:
        raise Refused(
            _("Only a draft can be changed. End this contract and draft the next one."),
            code="not_a_draft",
        )
    values = _checked(
        fields,
        fields.get("starts_on", contract.starts_on),
        fields.get("ends_on", contract.ends_on),
    )
    before, after = apply(contract, values)
    if after:
        contract.save(update_fields=sorted(after))
        audit.record("contract.changed", contract, by=by, before=before, after=after)
    return contract


@transaction.atomic
def activate_contract(contract_id: Key, *, by: Principal, reason: str = "") -> Contract:
    """Put a draft in force from its first day on.

    Errors: NotVisible; NotAllowed; Refused if it is no draft or has ended before it begins.
    """
    contract = locked(Contract, by, contract_id)
    require(by, PERMISSION, contract.client_id)
    if contract.state != ContractState.DRAFT:
        raise Refused(_("Only a draft can be put in force."), code="not_a_draft")
    if contract.ends_on is not None and contract.ends_on < clock.today(contract.client.zone):
        raise Refused(_("Its last day has passed; give it another end."), code="already_over")
    contract.state = ContractState.ACTIVE
    contract.save(update_fields=["state"])
    audit.record("contract.activated", contract, by=by, reason=reason)
    return contract


@transaction.atomic
def end_contract(
    contract_id: Key, *, by: Principal, ends_on: date | None = None, reason: str = ""
) -> Contract:
    """Set the last day of an active contract; without one it ends today.

    A last day ahead leaves it in force until then, and may be set again meanwhile. Back-dating
    stops at the first day, and changes nothing that was already promised.

    Errors: NotVisible; NotAllowed; Refused unless it is active; BadInput for a day before it began.
    """
    contract = locked(Contract, by, contract_id)
    require(by, PERMISSION, contract.client_id)
    if contract.state != ContractState.ACTIVE:
        raise Refused(_("Only an active contract can be ended."), code="not_active")
    today = clock.today(contract.client.zone)
    last = ends_on or today
    if last < contract.starts_on:
        raise BadInput(_("It cannot end before it began."), field="ends_on")
    before = {"ends_on": contract.ends_on and contract.ends_on.isoformat()}
    contract.ends_on = last
    if last <= today:
        contract.state = ContractState.ENDED
    contract.save(update_fields=["ends_on", "state"])
    audit.record(
        "contract.ended", contract, by=by, reason=reason, before=before,
        after={"ends_on": last.isoformat(), "state": contract.state},
    )  # fmt: skip
    return contract


def _audited(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value.isoformat() if isinstance(value, date) else value
        for key, value in values.items()
    }


def _checked(values: Mapping[str, Any], starts_on: date, ends_on: date | None) -> dict[str, Any]:
    checked = dict(values)
    if "name" in values:
        checked["name"] = need(values["name"], "name", most=120)
    if ends_on is not None and ends_on < starts_on:
        raise BadInput(_("It cannot end before it begins."), field="ends_on")
    if "notice_days" in values and not 0 <= values["notice_days"] <= MOST_NOTICE_DAYS:
        raise BadInput(
            _("Between 0 and %(most)s days.") % {"most": MOST_NOTICE_DAYS}, field="notice_days"
        )
    if "whose_hours" in values:
        known(values["whose_hours"], WhoseHours.values, "whose_hours")
    if "coverage" in values:
        checked["coverage"] = _checked_coverage(values["coverage"])
    if "policy_id" in values and not SlaPolicy.objects.filter(pk=values["policy_id"]).exists():
        raise NotVisible
    if "calendar_id" in values and not Calendar.objects.filter(pk=values["calendar_id"]).exists():
        raise NotVisible
    return checked


def _checked_coverage(rules: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    checked = []
    for rule in rules:
        if set(rule) != {"work_type", "hours", "covered", "clause"}:
            raise BadInput(
                _("A rule has a work type, hours, covered or not, and a clause."), field="coverage"
            )
        known(str(rule["work_type"]), CoveredWork.values, "coverage")
        known(str(rule["hours"]), CoveredHours.values, "coverage")
        checked.append(
            {
                "work_type": str(rule["work_type"]),
                "hours": str(rule["hours"]),
                "covered": bool(rule["covered"]),
                "clause": need(str(rule["clause"]), "coverage", most=120),
            }
        )
    if len(checked) > MOST_RULES:
        raise BadInput(_("At most %(most)s rules.") % {"most": MOST_RULES}, field="coverage")
    return checked
