"""AutoInit: mean and variance followed through the model by analysis."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import attrs
from torch import nn

from fanin.errors import ModelError
from fanin.observation import observe
from fanin.observation.records import Use
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Choice
from fanin.recipes.reading.following import Moments, followed
from fanin.recipes.recipe import ObservedRecipe
from fanin.schemes import variance_scaling


@attrs.frozen(repr=False)
class autoinit(ObservedRecipe):
    """N(0, 1 / (fan_in (mu^2 + v))): mean mu and variance v of each input by analysis.

    The batch gives mean and variance of the model's inputs only; from there both are followed
    through activations, dropout, pools, norms, sums, products and concatenations, each signal
    taken as independent and Gaussian before what it enters. So each weight puts out mean 0 and
    variance 1. Biases 0.

    Raises:
        ModelError: from ``plan``: a weight reads what cannot be followed, as attention and
            recurrent layers, or a signal that is 0.

    References:
        Bingham, Miikkulainen, AutoInit: analytic signal-preserving weight initialization for
        neural networks, 2023, arXiv:2109.08958, section 3.
    """

    name = "autoinit"
    rule = "N(0, 1 / (fan_in (mu^2 + v))) with mu and v followed from the inputs by analysis"
    use = "feed-forward and convolutional networks of mixed activations, joins and pools"
    citation = (
        "Bingham, Miikkulainen. AutoInit: analytic signal-preserving weight initialization for "
        "neural networks. AAAI 2023. arXiv:2109.08958. Section 3"
    )

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
        entering = followed(anatomy, inputs)
        return anatomy.planned(str(self), self._rows(anatomy, entering), self.citation)

    def _rows(self, anatomy: Anatomy, entering: dict[str, Moments | str]) -> Iterable[Row]:
        def weight(use: Use) -> Choice:
            found = entering.get(use.parameter, "what the pass did not show")
            if isinstance(found, str):
                raise ModelError(
                    f"recipe 'autoinit' cannot follow the signal to {use.parameter!r} through "
                    f"{found}. Take 'lsuv', which measures it"
                )
            if not found.square > 0.0:
                raise ModelError(
                    f"recipe 'autoinit' divides by the mean square of what {use.parameter!r} "
                    "reads, which is 0. Give it inputs that are not"
                )
            reads = f"reads mean {found.mean:.4g} and variance {found.variance:.4g}"
            return (
                variance_scaling(1 / found.square, "fan_in", "normal"),
                f"{reads}, fan_in {use.fan_in:g}",
            )

        def table(_: Use) -> Choice:
            return variance_scaling(1.0, "fan_in", "normal"), "a table puts out variance 1"

        return anatomy.rows(weight, table=table, source=self.citation)
