"""Priority from impact and urgency."""

from itertools import product

import pytest

from tickets.domain.priority import DEFAULT_MATRIX, PriorityMatrix
from tickets.enums import Impact, Priority, Urgency


@pytest.mark.parametrize(
    ("impact", "urgency", "priority"),
    [
        ("high", "high", "p1"),
        ("high", "medium", "p2"),
        ("medium", "high", "p2"),
        ("high", "low", "p3"),
        ("medium", "medium", "p3"),
        ("low", "high", "p3"),
        ("low", "medium", "p3"),
        ("medium", "low", "p4"),
        ("low", "low", "p4"),
    ],
)
def test_answers_all_nine_cells_by_default(impact, urgency, priority):
    assert DEFAULT_MATRIX.priority(Impact(impact), Urgency(urgency)) == Priority(priority)


def test_never_becomes_less_urgent_as_impact_or_urgency_rise():
    rank = {priority: n for n, priority in enumerate(Priority)}
    cells = {cell: rank[DEFAULT_MATRIX.priority(*cell)] for cell in product(Impact, Urgency)}
    impacts, urgencies = list(Impact), list(Urgency)  # most severe first
    for n, m in product(range(3), range(2)):
        assert cells[impacts[n], urgencies[m]] <= cells[impacts[n], urgencies[m + 1]]
        assert cells[impacts[m], urgencies[n]] <= cells[impacts[m + 1], urgencies[n]]


def test_reads_back_what_it_stores():
    stored = DEFAULT_MATRIX.dump()
    stored["low"]["low"] = "p3"
    clinic = PriorityMatrix.parse(stored)
    assert clinic != DEFAULT_MATRIX
    assert clinic.priority(Impact.LOW, Urgency.LOW) == Priority.P3
    assert PriorityMatrix.parse(clinic.dump()) == clinic


def test_refuses_a_matrix_with_a_hole_or_an_unknown_word():
    stored = DEFAULT_MATRIX.dump()
    del stored["low"]["low"]
    with pytest.raises(ValueError, match="nine cells"):
        PriorityMatrix.parse(stored)
    with pytest.raises(ValueError, match="p9"):
        PriorityMatrix.parse(DEFAULT_MATRIX.dump() | {"low": {"low": "p9"}})
    with pytest.raises(ValueError, match="nine cells"):
        PriorityMatrix((*DEFAULT_MATRIX.cells[:-1], DEFAULT_MATRIX.cells[0]))
