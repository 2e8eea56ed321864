"""A plan: a recipe resolved for one model, one row per parameter."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from fanin.fans import Layout
from fanin.recipes.writer import write
from fanin.schemes import Scheme


@dataclass(frozen=True, slots=True)
class Row:
    """What one parameter gets.

    Args:
        parameter: its name, as ``named_parameters`` gives it.
        shape: its shape.
        scheme: draws it.
        reason: one sentence.
        layout: how the parameter is used, where it is a weight.
        padding_index: a row of it that is zero afterwards.
    """

    parameter: str
    shape: tuple[int, ...]
    scheme: Scheme
    reason: str
    layout: Layout | None = None
    padding_index: int | None = None

    @property
    def std(self) -> float:
        """The standard deviation of one element after ``init_``."""
        return self.scheme.std(self.layout) if all(self.shape) else 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """A recipe resolved for one model.

    Args:
        recipe: the recipe as text.
        rows: one per parameter, in the model's order.
    """

    recipe: str
    rows: tuple[Row, ...]

    def init_(self, model: nn.Module, seed: int = 0) -> nn.Module:
        """Draw every parameter of the model in place, all or nothing, and return the model.

        Raises:
            ModelError: the model has other parameters than the plan, or one cannot be
                drawn; the model then has the bits that it had before.
        """
        write(self.rows, model, seed)
        return model

    def citation(self) -> str:
        """The sources of the schemes in use, one a line, each once."""
        return "\n".join(dict.fromkeys(row.scheme.citation for row in self.rows))
