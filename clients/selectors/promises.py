"""What was promised to a client at an instant, and why; hours, coverage and priorities by key.

These ask on behalf of a use case, not of a person: the caller has already reached the client
through a scope, and every question names the client, site or version it is about.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from clients.domain import coverage
from clients.enums import WhoseHours
from clients.models import (
    Calendar,
    CalendarVersion,
    Client,
    Contract,
    PriorityMatrixVersion,
    Site,
    SlaPolicy,
    SlaPolicyVersion,
)
from msp.core.errors import NotVisible, Refused

#: The calendar key of hours that never close.
ALWAYS_KEY = "always"
_NO_HOURS: dict[str, Any] = {"zone": "UTC", "always": True, "windows": {}, "holidays": []}
#: No chain of merged clients is longer; a longer one is a broken pointer.
_LONGEST_CHAIN = 20


@dataclass(frozen=True)
class Promise:
    """The terms that hold for one client, site and instant, chosen with a written reason.

    `targets` maps `p1`..`p4` to `{"response", "update", "resolution", "internal"}` in minutes (or
    None) and `"hours"`: `contract` (count by `calendar`), `site` (by `site_calendar`) or `always`
    (around the clock). `calendar_key(priority)` names the hours of a priority in one short text,
    which `calendar_of_key` turns back into values; ledgers keep that text. Calendars are plain:
    `{"zone", "always", "windows", "holidays"}` as `CalendarVersion` describes them.

    `contract_id` is a contract of this very client, or None. A client that was merged into another
    and has no contract of its own is served under the survivor's: then `terms_contract_id` names
    that one, and `contract_id` stays None, since rows of one client cannot point at another's.
    """

    contract_id: int | None
    policy_version_id: int
    calendar_version_id: int
    zone: str
    reason: str
    targets: dict[str, dict[str, Any]]
    warnings: tuple[int, ...]
    resolution_is_commitment: bool
    vendor_wait_pauses: bool
    retarget_from_creation: bool
    calendar: dict[str, Any]
    site_calendar_version_id: int
    site_calendar: dict[str, Any] = field(repr=False)
    terms_contract_id: int | None = None

    def hours_for(self, priority: str) -> dict[str, Any]:
        """Return the calendar by which a priority's targets count."""
        hours = self.targets[priority]["hours"]
        if hours == WhoseHours.ALWAYS:
            return dict(_NO_HOURS)
        return self.site_calendar if hours == WhoseHours.SITE else self.calendar

    def calendar_key(self, priority: str) -> str:
        """Return the name of those hours: `always`, or `<version id>@<zone>`."""
        hours = self.targets[priority]["hours"]
        if hours == WhoseHours.ALWAYS:
            return ALWAYS_KEY
        if hours == WhoseHours.SITE:
            return f"{self.site_calendar_version_id}@{self.site_calendar['zone']}"
        return f"{self.calendar_version_id}@{self.zone}"


def promise_for(*, client_id: int, site_id: int | None, at: datetime) -> Promise:
    """Return what is promised to a client for something that begins at an instant.

    The contract that holds on that day (by the client's own date) and starts last; of a client that
    was merged away, its own before the survivor's. Without one, the default policy and the default
    calendar. Versions are those in force at the instant.

    Errors: NotVisible if there is no such client, or no such site of it; Refused if nothing applies
    because no default is set.
    """
    client = _client(client_id)
    site = _site(client_id, site_id)
    zone = site.zone if site else client.zone
    chosen = _contract(client, at)
    if chosen is None:
        policy, calendar = _defaults()
        reason = _("No contract on %(day)s: default SLA policy “%(policy)s”.") % {
            "day": date_format(_day(client, at), "j M Y"),
            "policy": policy.name,
        }
        whose, contract = WhoseHours.CONTRACT.value, None
    else:
        contract, reason = chosen
        policy, calendar, whose = contract.policy, contract.calendar, contract.whose_hours
    version = policy_version_at(policy.pk, at)
    hours = calendar_version_at(calendar.pk, at)
    site_hours = calendar_version_at(site.calendar_id, at) if site and site.calendar_id else hours
    if whose == WhoseHours.SITE:
        hours = site_hours
    values = _values(hours, zone)
    return Promise(
        contract_id=contract.pk if contract and contract.client_id == client_id else None,
        policy_version_id=version.pk,
        calendar_version_id=hours.pk,
        zone=values["zone"],
        reason=reason[:250],
        targets={
            priority: target | ({"hours": "always"} if whose == WhoseHours.ALWAYS else {})
            for priority, target in version.targets.items()
        },
        warnings=tuple(version.warnings),
        resolution_is_commitment=version.resolution_is_commitment,
        vendor_wait_pauses=version.vendor_wait_pauses,
        retarget_from_creation=version.retarget_from_creation,
        calendar=values,
        site_calendar_version_id=site_hours.pk,
        site_calendar=_values(site_hours, zone),
        terms_contract_id=contract.pk if contract else None,
    )


def calendar_values(version_id: int, zone: str = "") -> dict[str, Any]:
    """Return a calendar version as plain values; `zone` fills in where the version has none.

    Errors: NotVisible.
    """
    version = CalendarVersion.objects.filter(pk=version_id).first()
    if version is None:
        raise NotVisible
    return _values(version, zone)


def calendar_of_key(key: str) -> dict[str, Any]:
    """Return the plain values a `Promise.calendar_key` names.

    Errors: NotVisible for a key that names nothing.
    """
    if key == ALWAYS_KEY:
        return dict(_NO_HOURS)
    version_id, found, zone = key.partition("@")
    if not found or not version_id.isdigit():
        raise NotVisible
    return calendar_values(int(version_id), zone)


def policy_values(version_id: int) -> dict[str, Any]:
    """Return a policy version as plain values: targets, warnings and the three choices.

    Errors: NotVisible.
    """
    version = SlaPolicyVersion.objects.filter(pk=version_id).first()
    if version is None:
        raise NotVisible
    return {
        "targets": version.targets,
        "warnings": tuple(version.warnings),
        "resolution_is_commitment": version.resolution_is_commitment,
        "vendor_wait_pauses": version.vendor_wait_pauses,
        "retarget_from_creation": version.retarget_from_creation,
    }


def priority_cells(client_id: int) -> dict[str, str] | None:
    """Return the newest nine cells for a client, `"<impact>:<urgency>"` → `p1`..`p4`.

    The client's own matrix, else that of the client it was merged into, else the default; None if
    there is no default either.
    """
    client: Client | None = _client(client_id)
    for _step in range(_LONGEST_CHAIN):
        if client is None:
            break
        if client.priority_matrix_id is not None:
            return _newest_cells(
                PriorityMatrixVersion.objects.filter(matrix=client.priority_matrix_id)
            )
        client = client.merged_into
    return _newest_cells(PriorityMatrixVersion.objects.filter(matrix__is_default=True))


def coverage_of(
    contract_id: int | None,
    *,
    work_type: str,
    inside_hours: bool,
    client_id: int | None = None,
    at: datetime | None = None,
) -> tuple[bool, str]:
    """Return whether work is covered, and the clause that says so.

    Without a contract it is billable. A caller that also gives `client_id` and `at` lets a client
    that was merged away be covered by the survivor's contract.

    Errors: NotVisible if the contract does not exist.
    """
    contract: Contract | None = None
    if contract_id is not None:
        contract = Contract.objects.filter(pk=contract_id).first()
        if contract is None:
            raise NotVisible
    elif client_id is not None and at is not None:
        chosen = _contract(_client(client_id), at)
        contract = chosen[0] if chosen else None
    if contract is None:
        return False, coverage.NO_CONTRACT
    verdict = coverage.decide(contract.coverage, work_type=work_type, inside_hours=inside_hours)
    return verdict.covered, verdict.clause


def clause_words(clause: str) -> str:
    """Return the clause of a time entry as people read it: what no contract names is put in words.

    The record keeps its own word; a clause that a contract names is the contract's.
    """
    words = {
        coverage.NO_CONTRACT: _("no contract"),
        coverage.NOT_LISTED: _("no clause names this work"),
    }
    return words.get(clause, clause)


def calendar_version_at(calendar_id: int, at: datetime) -> CalendarVersion:
    """Return the version in force at an instant; before the first, the first.

    Errors: Refused if the calendar has no version.
    """
    versions = CalendarVersion.objects.filter(calendar=calendar_id)
    found = versions.filter(created_at__lte=at).order_by("-number").first()
    found = found or versions.order_by("number").first()
    if found is None:
        raise Refused(_("This calendar has no hours yet."), code="calendar_empty")
    return found


def policy_version_at(policy_id: int, at: datetime) -> SlaPolicyVersion:
    """Return the version in force at an instant; before the first, the first.

    Errors: Refused if the policy has no version.
    """
    versions = SlaPolicyVersion.objects.filter(policy=policy_id)
    found = versions.filter(created_at__lte=at).order_by("-number").first()
    found = found or versions.order_by("number").first()
    if found is None:
        raise Refused(_("This SLA policy has no targets yet."), code="policy_empty")
    return found


def _client(client_id: int) -> Client:
    client: Client | None = (
        Client.objects.select_related("merged_into").filter(pk=client_id).first()
    )
    if client is None:
        raise NotVisible
    return client


def _site(client_id: int, site_id: int | None) -> Site | None:
    if site_id is None:
        return None
    site: Site | None = Site.objects.filter(pk=site_id, client=client_id).first()
    if site is None:
        raise NotVisible
    return site


def _day(client: Client, at: datetime) -> Any:
    return at.astimezone(ZoneInfo(client.zone)).date()


def _contract(client: Client, at: datetime) -> tuple[Contract, str] | None:
    """Return the contract that holds and why: the client's own, else a survivor's."""
    owner: Client | None = client
    for _step in range(_LONGEST_CHAIN):
        if owner is None:
            return None
        found = list(
            Contract.objects.filter(client=owner)
            .in_force(_day(client, at))
            .select_related("policy", "calendar")
            .order_by("-starts_on", "-pk")[:2]
        )
        if found:
            return found[0], _reason(found, owner, client)
        owner = owner.merged_into
    return None


def _reason(found: list[Contract], owner: Client, client: Client) -> str:
    words = {"contract": found[0].name, "policy": found[0].policy.name, "owner": owner.name}
    if owner.pk != client.pk:
        return (
            _(
                "SLA policy “%(policy)s”, by contract “%(contract)s” of %(owner)s, "
                "which this client joined."
            )
            % words
        )
    if len(found) > 1:
        return (
            _("SLA policy “%(policy)s”, by contract “%(contract)s”, the newest of those in force.")
            % words
        )
    return _("SLA policy “%(policy)s”, by contract “%(contract)s”.") % words


def _defaults() -> tuple[SlaPolicy, Calendar]:
    policy = SlaPolicy.objects.filter(is_default=True).first()
    calendar = Calendar.objects.filter(is_default=True).first()
    if policy is None or calendar is None:
        raise Refused(
            _(
                "No contract applies, and no default SLA policy and calendar are set. "
                "Mark one of each as default."
            ),
            code="no_default_promise",
        )
    return policy, calendar


def _newest_cells(versions: QuerySet[PriorityMatrixVersion]) -> dict[str, str] | None:
    version = versions.order_by("-number").first()
    return version.cells if version else None


def _values(version: CalendarVersion, zone: str) -> dict[str, Any]:
    return {
        "zone": version.zone or zone or "UTC",
        "always": version.always,
        "windows": version.windows,
        "holidays": version.holidays,
    }
