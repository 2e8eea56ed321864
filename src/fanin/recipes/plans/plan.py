"""A plan: a recipe resolved for one model, one row per parameter."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from fanin.recipes.row import Row
from fanin.recipes.writer import write


@dataclass(frozen=True, slots=True)
class Plan:
    """A recipe resolved for one model.

    Args:
        recipe: the recipe as text.
        rows: one per parameter that is drawn, in the model's order.
        kept: parameters that keep their values. Rows and these are all that the model has.
    """

    recipe: str
    rows: tuple[Row, ...]
    kept: tuple[str, ...] = ()

    def plan(self, model: nn.Module) -> Plan:
        """Itself: a plan is the recipe of its own model, so ``init_(model, plan)`` works."""
        return self

    def __str__(self) -> str:
        return self.recipe

    def init_(self, model: nn.Module, seed: int = 0) -> nn.Module:
        """Draw every parameter of the model in place, all or nothing, and return the model.

        Raises:
            ModelError: the model has other parameters than the plan, or one cannot be
                drawn; the model then has the bits that it had before.
        """
        write(self.rows, model, seed, kept=self.kept)
        return model

    def citation(self) -> str:
        """The sources of the schemes in use, one a line, each once."""
        return "\n".join(dict.fromkeys(row.scheme.citation for row in self.rows))
