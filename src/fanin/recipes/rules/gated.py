"""Recipes for branches that a learned factor multiplies: it starts at 0."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn

from fanin.errors import ModelError
from fanin.observation import observe
from fanin.observation.records import Use
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Choice, Part
from fanin.recipes.reading.residual import described, last_factors, some
from fanin.recipes.recipe import ObservedRecipe
from fanin.schemes import zeros


class GatedRecipe(ObservedRecipe):
    """The factor of each residual branch 0; a subclass says what weights get."""

    __slots__ = ()

    def plan(
        self,
        model: nn.Module,
        inputs: object = None,
        targets: object = None,
        *,
        loss: Callable[..., Any] | None = None,
        seed: int = 0,
    ) -> Plan:
        self.require_inputs(inputs)
        anatomy = Anatomy(model, observe(model, inputs, targets, loss=loss))
        gates = self._gates(anatomy)
        many = [name for name in gates if anatomy.parameters[name].numel() > 1]
        notes = []
        if many:
            notes.append(
                f"{self.name} has one number for each branch; {some(map(repr, many))} have one "
                "for each channel, as LayerScale, and start at 0 just so"
            )
        return anatomy.planned(str(self), self.rows(anatomy), self.citation, notes)

    def rows(self, anatomy: Anatomy) -> Iterable[Row]:
        rows = list(anatomy.rows(self.choice, source=self.citation))
        rows += [
            anatomy.row(
                name, zeros(), f"the factor of {where}: 0, so that the network starts as its "
                "skip paths", self.citation,
            )
            for name, where in self._gates(anatomy).items()
        ]  # fmt: skip
        return rows

    def choice(self, use: Use) -> Choice:
        """What a weight gets."""
        raise NotImplementedError

    def _gates(self, anatomy: Anatomy) -> dict[str, str]:
        """Gate -> its branch in words."""
        kind = type(anatomy.model).__name__
        if not anatomy.branches:
            raise ModelError(
                f"recipe {self.name!r} starts residual branches at 0, and the pass of {kind} "
                "showed none. Take 'he_normal' or 'xavier_normal'"
            )
        found: dict[str, str] = {}
        for branch in anatomy.branches:
            gates = last_factors(anatomy, branch, Part.GATE)
            if not gates:
                raise ModelError(
                    f"recipe {self.name!r} sets the learned factor that multiplies the output of "
                    f"each residual branch to 0, and {described(anatomy, branch)} has none. Add "
                    "one in forward, x + self.alpha * f(x) with "
                    "self.alpha = nn.Parameter(torch.zeros(())), or take 'fixup' or 'zero_gamma'"
                )
            # One 0 is enough: with two, neither would have a gradient.
            found[gates[-1]] = described(anatomy, branch)
        return found
