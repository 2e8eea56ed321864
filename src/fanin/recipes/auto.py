"""The recipe ``auto``: what ``recommend`` prescribes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import attrs
from torch import nn

from fanin.recipes.plans.plan import Plan
from fanin.recipes.recipe import AbstractRecipe


@attrs.frozen(repr=False)
class Auto(AbstractRecipe):
    """What ``fanin.recommend`` prescribes, from the way that a pass used each parameter.

    Raises:
        InputError: from ``plan``: there are no inputs.
    """

    name = "auto"
    rule = "read from the dataflow, then corrected by measurement"
    use = "whenever a batch is at hand"
    citation = "fanin: the sources stand beside each row"
    needs: ClassVar[str] = "inputs"

    def plan(
        self,
        model: nn.Module,
        inputs: object = None,
        targets: object = None,
        *,
        loss: Callable[..., Any] | None = None,
        seed: int = 0,
    ) -> Plan:
        from fanin.recipes.recommending import recommend

        self.require_inputs(inputs)
        return recommend(model, inputs, targets, loss=loss)
