"""The first coverage rule that fits decides."""

from __future__ import annotations

import pytest

from clients.domain.coverage import decide
from clients.enums import CoveredWork
from tickets.enums import WorkType

RULES = [
    {"work_type": "travel", "hours": "any", "covered": False, "clause": "5"},
    {"work_type": "remote", "hours": "inside", "covered": True, "clause": "3.1"},
    {"work_type": "any", "hours": "outside", "covered": False, "clause": "4.2"},
    {"work_type": "any", "hours": "any", "covered": True, "clause": "3.9"},
]


@pytest.mark.parametrize(
    ("work_type", "inside", "covered", "clause", "rule"),
    [
        ("travel", True, False, "5", 0),
        ("remote", True, True, "3.1", 1),
        ("remote", False, False, "4.2", 2),
        ("onsite", True, True, "3.9", 3),
    ],
)
def test_reads_the_rules_from_the_top(work_type, inside, covered, clause, rule) -> None:
    verdict = decide(RULES, work_type=work_type, inside_hours=inside)
    assert (verdict.covered, verdict.clause, verdict.rule) == (covered, clause, rule)


def test_work_that_no_rule_names_is_billable() -> None:
    verdict = decide(RULES[:2], work_type="onsite", inside_hours=True)
    assert (verdict.covered, verdict.clause, verdict.rule) == (False, "not listed", None)


def test_rules_speak_of_the_work_that_tickets_record() -> None:
    assert set(CoveredWork.values) - {"any"} == set(WorkType.values)
