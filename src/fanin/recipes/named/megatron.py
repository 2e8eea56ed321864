"""Megatron-LM and its kin: outputs divided by the square root of the depth."""

from __future__ import annotations

import math
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
from fanin.recipes.reading.gated_units import linear_factors, packed_factors
from fanin.recipes.recipe import ObservedRecipe
from fanin.schemes import normal


@attrs.frozen(repr=False)
class megatron(ObservedRecipe):
    """N(0, s); what puts out a residual branch N(0, s / sqrt(2 L)).

    2 L counts the signals that are added to the stream of the branch, read from the dataflow: a
    layer adds two, a layer of a decoder with cross-attention three. ``by_layer``: the l-th layer
    has s / sqrt(2 (l + 1)) instead, and the factor of gated units without an activation too, as
    OLMo's ``llama_depth`` and torchtitan's ``depth_init`` have it. Biases 0, norms 1 and 0.

    Args:
        std: s, of all weights and tables; Megatron's default is 0.02.
        by_layer: scale by the depth of the layer instead of that of the stream.

    Raises:
        ModelError: from ``plan``: the model has no residual branch.

    References:
        Shoeybi et al., 2019, arXiv:1909.08053, section 3; the code of Megatron-LM
        (scaled_init_method_normal), OLMo (InitMethod.llama_depth) and torchtitan.
    """

    std: float = 0.02
    by_layer: bool = False

    name = "megatron"
    rule = "N(0, s), outputs of residual branches N(0, s / sqrt(2 L))"
    use = "pre-norm language models; by_layer=True as in Llama's reproductions"
    citation = (
        "Shoeybi, Patwary, Puri, LeGresley, Casper, Catanzaro. Megatron-LM. 2019. "
        "arXiv:1909.08053. Section 3; scaled_init_method_normal in its code"
    )
    argument = "std"

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
        rows = self.rows(anatomy)
        packed = packed_factors(anatomy, anatomy.last_weights()) if self.by_layer else ()
        notes = [
            f"{name!r} holds both factors of a gated unit in one weight, of which only the one "
            "without an activation would be scaled: it is not"
            for name in packed
        ]
        return anatomy.planned(str(self), rows, self.citation, notes)

    def rows(self, anatomy: Anatomy) -> Iterable[Row]:
        if not anatomy.branches:
            raise ModelError(
                f"recipe 'megatron' scales residual branches, and the pass of "
                f"{type(anatomy.model).__name__} showed none. Take 'normal:0.02', or a recipe for "
                "plain networks such as 'he_normal'"
            )
        last = dict(anatomy.last_weights())
        streams = anatomy.residual
        if self.by_layer:
            last |= linear_factors(anatomy, last)

        def weight(use: Use) -> Choice:
            branch = last.get(use.parameter)
            if branch is None:
                return normal(std=self.std), f"N(0, {self.std:g}) as in Megatron"
            if not self.by_layer:
                number = anatomy.depth_of(branch)
                why = f"{number} signals are added to its stream: divided by sqrt({number})"
            else:
                number = streams.outputs(streams.to_the_end_of_its_layer(branch))
                why = (
                    f"layer {streams.layer(branch)}, up to whose end {number} signals are added to "
                    f"its stream: divided by sqrt({number})"
                )
            return normal(std=self.std / math.sqrt(number)), why

        def signal(_: Use) -> Choice:
            return normal(std=self.std), f"N(0, {self.std:g}) as in Megatron"

        return anatomy.rows(weight, signal=signal, source=self.citation)
