"""Calendars, SLA policies and priority matrices: named things in versions that never change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django.db import models, transaction
from django.utils.translation import gettext as _

from clients.domain import hours
from clients.enums import Level, PriorityKey, Weekday, WhoseHours
from clients.models import (
    Calendar,
    CalendarVersion,
    PriorityMatrix,
    PriorityMatrixVersion,
    SlaPolicy,
    SlaPolicyVersion,
)
from clients.permissions import require_everywhere
from clients.services.common import Key, checked_zone, named, need, unique
from msp.core import audit, clock
from msp.core.errors import BadInput, NotVisible
from msp.core.models import User
from msp.core.scope import Principal

PERMISSION = "clients.contracts"
#: Minutes a target may have; update may be None: no cadence.
TARGETS = ("response", "update", "resolution", "internal")
#: A year of minutes: more is a slip of the finger.
MOST_MINUTES = 366 * 24 * 60
#: A warning beyond this percentage of the target warns nobody of anything.
MOST_PERCENT = 200

Windows = Mapping[str, Iterable[Sequence[str]]]
N = TypeVar("N", Calendar, SlaPolicy, PriorityMatrix)


# -------------------------------------------------------------------------------------- calendars


@transaction.atomic
def add_calendar(
    name: str,
    *,
    by: Principal,
    zone: str = "",
    always: bool = False,
    windows: Windows | None = None,
    holidays: Iterable[str] = (),
    is_default: bool = False,
) -> Calendar:
    """Add a calendar with its first version. `windows` are as in `CalendarVersion`.

    Errors: NotAllowed; BadInput in words for hours that are not well formed.
    """
    require_everywhere(by, PERMISSION)
    calendar = Calendar(name=need(name, "name", most=120))
    with unique(_("There is a calendar of this name."), "name"):
        calendar.save()
    audit.record("calendar.added", calendar, by=by, after={"name": calendar.name})
    _add_calendar_version(
        calendar, by=by, zone=zone, always=always, windows=windows or {}, holidays=holidays
    )
    if is_default:
        _make_default(calendar, by, "calendar")
    return calendar


@transaction.atomic
def add_calendar_version(
    calendar_id: Key,
    *,
    by: Principal,
    zone: str = "",
    always: bool = False,
    windows: Windows | None = None,
    holidays: Iterable[str] = (),
    reason: str = "",
) -> CalendarVersion:
    """Write the hours that hold from now on; what began under an older version keeps it.

    Errors: NotVisible, NotAllowed, BadInput.
    """
    require_everywhere(by, PERMISSION)
    return _add_calendar_version(
        _locked(Calendar, calendar_id),
        by=by, zone=zone, always=always, windows=windows or {}, holidays=holidays, reason=reason,
    )  # fmt: skip


@transaction.atomic
def make_default_calendar(calendar_id: Key, *, by: Principal) -> Calendar:
    """Let clients without a contract be served in these hours.

    Errors: NotVisible, NotAllowed.
    """
    require_everywhere(by, PERMISSION)
    return _make_default(_locked(Calendar, calendar_id), by, "calendar")


@transaction.atomic
def rename_calendar(calendar_id: Key, *, by: Principal, name: str) -> Calendar:
    """Give a calendar another name.

    Errors: NotVisible, NotAllowed, BadInput.
    """
    require_everywhere(by, PERMISSION)
    return _rename(_locked(Calendar, calendar_id), by, name, "calendar")


# ------------------------------------------------------------------------------------ SLA policies


@transaction.atomic
def add_policy(
    name: str,
    *,
    by: Principal,
    targets: Mapping[str, Mapping[str, Any]],
    warnings: Iterable[int] = (50, 75, 100),
    vendor_wait_pauses: bool = False,
    resolution_is_commitment: bool = False,
    retarget_from_creation: bool = True,
    is_default: bool = False,
) -> SlaPolicy:
    """Add an SLA policy with its first version. `targets` are as in `SlaPolicyVersion`.

    Errors: NotAllowed; BadInput in words for targets that do not fit together.
    """
    require_everywhere(by, PERMISSION)
    policy = SlaPolicy(name=need(name, "name", most=120))
    with unique(_("There is an SLA policy of this name."), "name"):
        policy.save()
    audit.record("policy.added", policy, by=by, after={"name": policy.name})
    _add_policy_version(
        policy,
        by=by,
        targets=targets,
        warnings=warnings,
        vendor_wait_pauses=vendor_wait_pauses,
        resolution_is_commitment=resolution_is_commitment,
        retarget_from_creation=retarget_from_creation,
    )
    if is_default:
        _make_default(policy, by, "policy")
    return policy


@transaction.atomic
def add_policy_version(
    policy_id: Key,
    *,
    by: Principal,
    targets: Mapping[str, Mapping[str, Any]],
    warnings: Iterable[int] = (50, 75, 100),
    vendor_wait_pauses: bool = False,
    resolution_is_commitment: bool = False,
    retarget_from_creation: bool = True,
    reason: str = "",
) -> SlaPolicyVersion:
    """Write the targets that hold from now on; what began under an older version keeps it.

    Errors: NotVisible, NotAllowed, BadInput.
    """
    require_everywhere(by, PERMISSION)
    return _add_policy_version(
        _locked(SlaPolicy, policy_id),
        by=by,
        targets=targets,
        warnings=warnings,
        vendor_wait_pauses=vendor_wait_pauses,
        resolution_is_commitment=resolution_is_commitment,
        retarget_from_creation=retarget_from_creation,
        reason=reason,
    )


@transaction.atomic
def make_default_policy(policy_id: Key, *, by: Principal) -> SlaPolicy:
    """Let these targets hold where no contract does.

    Errors: NotVisible, NotAllowed.
    """
    require_everywhere(by, PERMISSION)
    return _make_default(_locked(SlaPolicy, policy_id), by, "policy")


@transaction.atomic
def rename_policy(policy_id: Key, *, by: Principal, name: str) -> SlaPolicy:
    """Give an SLA policy another name.

    Errors: NotVisible, NotAllowed, BadInput.
    """
    require_everywhere(by, PERMISSION)
    return _rename(_locked(SlaPolicy, policy_id), by, name, "policy")


# --------------------------------------------------------------------------------- priority matrix


@transaction.atomic
def add_matrix(
    name: str, *, by: Principal, cells: Mapping[str, str], is_default: bool = False
) -> PriorityMatrix:
    """Add a priority matrix with its first version.

    Errors: NotAllowed; BadInput unless each of the nine cells has a priority.
    """
    require_everywhere(by, PERMISSION)
    matrix = PriorityMatrix(name=need(name, "name", most=120))
    with unique(_("There is a priority matrix of this name."), "name"):
        matrix.save()
    audit.record("matrix.added", matrix, by=by, after={"name": matrix.name})
    _add_matrix_version(matrix, by=by, cells=cells)
    if is_default:
        _make_default(matrix, by, "matrix")
    return matrix


@transaction.atomic
def add_matrix_version(
    matrix_id: Key, *, by: Principal, cells: Mapping[str, str], reason: str = ""
) -> PriorityMatrixVersion:
    """Write the nine cells that hold from now on.

    Errors: NotVisible, NotAllowed; BadInput unless each of the nine cells has a priority.
    """
    require_everywhere(by, PERMISSION)
    return _add_matrix_version(
        _locked(PriorityMatrix, matrix_id), by=by, cells=cells, reason=reason
    )


# ------------------------------------------------------------------------------------------- parts


def _locked(model: type[N], key: Key) -> N:
    found = model.objects.select_for_update().filter(**named(key)).first()
    if found is None:
        raise NotVisible
    return found


def _make_default(row: N, by: Principal, noun: str) -> N:
    if not row.is_default:
        type(row).objects.filter(is_default=True).update(is_default=False)
        row.is_default = True
        row.save(update_fields=["is_default"])
        audit.record(f"{noun}.made_default", row, by=by)
    return row


def _rename(row: N, by: Principal, name: str, noun: str) -> N:
    before = {"name": row.name}
    row.name = need(name, "name", most=120)
    if row.name != before["name"]:
        with unique(_("This name is taken."), "name"):
            row.save(update_fields=["name"])
        audit.record(f"{noun}.renamed", row, by=by, before=before, after={"name": row.name})
    return row


def _next_number(versions: models.QuerySet[Any]) -> int:
    highest = versions.aggregate(highest=models.Max("number"))["highest"]
    return int(highest or 0) + 1


def _author(by: Principal) -> User | None:
    return by if isinstance(by, User) else None


def _add_calendar_version(
    calendar: Calendar,
    *,
    by: Principal,
    zone: str,
    always: bool,
    windows: Windows,
    holidays: Iterable[str],
    reason: str = "",
) -> CalendarVersion:
    if zone:
        checked_zone(zone)
    try:
        checked = hours.checked_windows(windows)
        dates = hours.checked_holidays(holidays)
        if not checked and not always:
            raise hours.HoursFault(hours.Fault.NO_WINDOW)
    except hours.HoursFault as fault:
        raise BadInput(hours_words(fault), field=hours_field(fault), code=fault.fault) from fault
    version = CalendarVersion.objects.create(
        calendar=calendar,
        number=_next_number(calendar.versions.all()),
        zone=zone,
        always=always,
        windows=checked,
        holidays=dates,
        created_at=clock.now(),
        created_by=_author(by),
    )
    audit.record(
        "calendar.version_added",
        calendar,
        by=by,
        reason=reason,
        after={
            "number": version.number, "zone": zone, "always": always, "windows": checked,
            "holidays": dates,
        },
    )  # fmt: skip
    return version


def hours_field(fault: hours.HoursFault) -> str:
    """Return the name of the field a fault belongs to: a weekday, `holidays` or none."""
    return "holidays" if fault.fault == hours.Fault.NOT_A_DATE else fault.day


def hours_words(fault: hours.HoursFault) -> str:
    """Return what is wrong with the hours, as a sentence that says how it is right."""
    day = str(Weekday(fault.day).label) if fault.day in Weekday.values else fault.day
    words = {"day": day, "text": fault.text}
    sentences = {
        hours.Fault.UNKNOWN_DAY: _("“%(text)s” is not a weekday."),
        hours.Fault.NOT_A_PAIR: _("%(day)s: “%(text)s” is not a time span; write 09:00–17:00."),
        hours.Fault.NOT_A_TIME: _("%(day)s: “%(text)s” is not a time; write HH:MM, as in 09:00."),
        hours.Fault.STARTS_AT_24: _(
            "%(day)s: a span cannot start at 24:00; start at 00:00 the next day."
        ),
        hours.Fault.NO_LENGTH: _("%(day)s: “%(text)s” has no length; a whole day is 00:00–24:00."),
        hours.Fault.OVERLAP: _("%(day)s: “%(text)s” overlaps another time span."),
        hours.Fault.NOT_A_DATE: _("“%(text)s” is not a date; write it as 2026-12-25."),
        hours.Fault.NO_WINDOW: _(
            "A calendar needs hours on at least one day, or “around the clock”."
        ),
    }
    return sentences[fault.fault] % words


def _add_policy_version(
    policy: SlaPolicy,
    *,
    by: Principal,
    targets: Mapping[str, Mapping[str, Any]],
    warnings: Iterable[int],
    reason: str = "",
    **choices: bool,
) -> SlaPolicyVersion:
    checked, percents = _checked_targets(targets), _checked_warnings(warnings)
    version = SlaPolicyVersion.objects.create(
        policy=policy,
        number=_next_number(policy.versions.all()),
        targets=checked,
        warnings=percents,
        created_at=clock.now(),
        created_by=_author(by),
        **choices,
    )
    audit.record(
        "policy.version_added",
        policy,
        by=by,
        reason=reason,
        after={"number": version.number, "targets": checked, "warnings": percents, **choices},
    )
    return version


def _checked_targets(targets: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    if set(targets) != set(PriorityKey.values):
        raise BadInput(_("A policy has targets for P1, P2, P3 and P4."), field="targets")
    checked: dict[str, dict[str, Any]] = {}
    for priority in PriorityKey:
        given = targets[priority.value]
        row: dict[str, Any] = {}
        for target in TARGETS:
            minutes = given.get(target)
            field = f"{priority.value}_{target}"
            if minutes is None and target != "response":
                row[target] = None
            elif type(minutes) is int and 0 < minutes <= MOST_MINUTES:
                row[target] = minutes
            else:
                raise BadInput(
                    _("%(priority)s: a target is a whole number of minutes, 1 or more.")
                    % {"priority": priority.label},
                    field=field,
                )
        if row["resolution"] is not None and row["resolution"] < row["response"]:
            raise BadInput(
                _("%(priority)s: the resolution cannot be due before the first response.")
                % {"priority": priority.label},
                field=f"{priority.value}_resolution",
            )
        row["hours"] = given.get("hours", WhoseHours.CONTRACT.value)
        if row["hours"] not in WhoseHours.values:
            raise BadInput(
                _("%(priority)s: unknown hours.") % {"priority": priority.label},
                field=f"{priority.value}_hours",
            )
        checked[priority.value] = row
    return checked


def _checked_warnings(warnings: Iterable[int]) -> list[int]:
    percents = sorted(set(warnings))
    if any(type(percent) is not int or not 0 < percent <= MOST_PERCENT for percent in percents):
        raise BadInput(
            _("Warnings are percentages from 1 to %(most)s.") % {"most": MOST_PERCENT},
            field="warnings",
        )
    return percents


def _add_matrix_version(
    matrix: PriorityMatrix, *, by: Principal, cells: Mapping[str, str], reason: str = ""
) -> PriorityMatrixVersion:
    wanted = [f"{impact}:{urgency}" for impact in Level.values for urgency in Level.values]
    if set(cells) != set(wanted) or not set(cells.values()) <= set(PriorityKey.values):
        raise BadInput(_("Each of the nine cells needs a priority."), field="cells")
    version = PriorityMatrixVersion.objects.create(
        matrix=matrix,
        number=_next_number(matrix.versions.all()),
        cells={key: cells[key] for key in wanted},
        created_at=clock.now(),
        created_by=_author(by),
    )
    audit.record(
        "matrix.version_added",
        matrix,
        by=by,
        reason=reason,
        after={"number": version.number, "cells": version.cells},
    )
    return version
