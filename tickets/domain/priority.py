"""Priority from impact and urgency, by a matrix that answers all nine cells.

Source: product.md section 2.2 ("Priority") and the examples of section 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

from tickets.enums import Impact, Priority, Urgency

Cells = tuple[tuple[tuple[Impact, Urgency], Priority], ...]


@dataclass(frozen=True, slots=True)
class PriorityMatrix:
    """Nine cells, impact by urgency, each with its priority; immutable and hashable.

    Errors: ValueError unless each of the nine cells is there exactly once.
    """

    cells: Cells

    def __post_init__(self) -> None:
        """Refuse a matrix that would leave some ticket without a priority."""
        wanted = set(product(Impact, Urgency))
        if len(self.cells) != len(wanted) or {cell for cell, _ in self.cells} != wanted:
            raise ValueError("a priority matrix has each of its nine cells once")

    def priority(self, impact: Impact, urgency: Urgency) -> Priority:
        """Return the priority of a ticket."""
        return dict(self.cells)[impact, urgency]

    @classmethod
    def parse(cls, stored: Mapping[str, Mapping[str, str]]) -> "PriorityMatrix":
        """Read a stored matrix, impact → urgency → priority, as ``dump`` writes it.

        Errors: ValueError for an unknown word or a cell that is missing.
        """
        return cls(
            tuple(
                ((Impact(impact), Urgency(urgency)), Priority(priority))
                for impact, row in stored.items()
                for urgency, priority in row.items()
            )
        )

    def dump(self) -> dict[str, dict[str, str]]:
        """Return the matrix as plain nested dictionaries, for JSON."""
        stored: dict[str, dict[str, str]] = {}
        for (impact, urgency), priority in self.cells:
            stored.setdefault(impact.value, {})[urgency.value] = priority.value
        return stored


DEFAULT_MATRIX: Final = PriorityMatrix.parse(
    {
        "high": {"high": "p1", "medium": "p2", "low": "p3"},
        "medium": {"high": "p2", "medium": "p3", "low": "p4"},
        "low": {"high": "p3", "medium": "p3", "low": "p4"},
    }
)
"""Whole site stopped is P1, a hampered team P2, one hampered person P3, a request P4."""
