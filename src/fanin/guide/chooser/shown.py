"""A plan as the rules of trade-offs ask it."""

from __future__ import annotations

import attrs

from fanin.guide.chooser.cases import Case
from fanin.guide.chooser.parts import Part, base
from fanin.recipes.plans.row import Row


@attrs.frozen
class Shown:
    """A case with its plan.

    Args:
        case: the network.
        parts: of its plan.
    """

    case: Case
    parts: tuple[Part, ...]

    def rows(self, *roles: str) -> list[Row]:
        """Of parameters of some roles; of all where none is named."""
        return [row for part in self.parts if not roles or part.role in roles for row in part.rows]

    def drawn_by(self, *kinds: type) -> list[Row]:
        """Those that a scheme of some kinds draws."""
        return [row for row in self.rows() if isinstance(base(row.scheme), kinds)]

    def says(self, text: str) -> bool:
        """Whether a reason has the text."""
        return any(text in part.reason for part in self.parts)

    @property
    def hidden(self) -> list[Row]:
        """Weights in a row."""
        return self.rows("input weight", "hidden weight")
