"""What every recipe is: a pure function from a model to a plan."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import nn

from fanin.recipes.plan import Plan


@runtime_checkable
class Recipe(Protocol):
    """How a whole model is initialised. Whatever offers this is a recipe.

    ``str(recipe)`` is the text that names it.
    """

    def plan(self, model: nn.Module) -> Plan:
        """One row per parameter; the model is only read.

        Raises:
            ModelError: the recipe does not apply, naming the part.
        """
        ...
