"""Whether a contract covers a piece of work: its rules are read from the top, the first that fits
decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ANY = "any"
INSIDE = "inside"
OUTSIDE = "outside"
#: Clause of work that no rule names, and of work for a client without a contract.
NOT_LISTED = "not listed"
NO_CONTRACT = "no contract"


@dataclass(frozen=True)
class Verdict:
    """Covered or billable, under which clause, and the rule (from 0) that decided."""

    covered: bool
    clause: str
    rule: int | None = None


def decide(rules: Sequence[Mapping[str, Any]], *, work_type: str, inside_hours: bool) -> Verdict:
    """Return what the first fitting rule says; work that no rule names is billable."""
    hours = INSIDE if inside_hours else OUTSIDE
    for index, rule in enumerate(rules):
        if rule["work_type"] in (work_type, ANY) and rule["hours"] in (hours, ANY):
            return Verdict(bool(rule["covered"]), str(rule["clause"]), index)
    return Verdict(covered=False, clause=NOT_LISTED)
