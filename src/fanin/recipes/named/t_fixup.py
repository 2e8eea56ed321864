"""T-Fixup: transformers without normalisation and without warmup."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import attrs
from torch import nn

from fanin.errors import ModelError
from fanin.observation import observe
from fanin.observation.records import Branch, Use
from fanin.observation.tracing import trace
from fanin.recipes.plans.plan import Plan
from fanin.recipes.reading.anatomy import Anatomy, Choice
from fanin.recipes.reading.post_norm import Reading, readings, require_branches
from fanin.recipes.recipe import ObservedRecipe
from fanin.recipes.rules.value_gains import Gains, value_rows
from fanin.schemes import normal


@attrs.frozen(repr=False)
class t_fixup(ObservedRecipe):
    """Xavier's uniform; value, output and MLP weights times 0.67 N^(-1/4) or (9M)^(-1/4).

    The first for encoders of N layers, and for models of one stream; the second for decoders
    of M layers that attend to an encoder, in both of their attentions. Tables of tokens and
    learned positions N(0, d^-1/2) times (9N)^(-1/4), with the layers of the stream that they
    feed, of the deepest where there are several. Queries and keys Xavier, biases 0.

    Raises:
        ModelError: from ``plan``: the model has a norm, no residual branch with attention, or
            a weight that packs values with others in an unknown way.

    References:
        Huang, Perez, Ba, Volkovs, ICML 2020, section 3.2.
    """

    name = "t_fixup"
    rule = "Xavier, value, output and MLP weights times 0.67 N^-1/4 (decoders (9M)^-1/4)"
    use = "transformers without normalisation, trained without warmup"
    citation = (
        "Huang, Perez, Ba, Volkovs. Improving transformer optimization through better "
        "initialization. ICML 2020. Section 3.2"
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
        require_branches(anatomy, self.name)
        _require_no_norm(anatomy)
        found = readings(anatomy)
        streams = {branch.index: one for one in found for branch in one.stream}

        def gain(branch: Branch) -> tuple[float, str]:
            return _gain(streams[branch.index])

        def table(use: Use) -> Choice:
            return _small(anatomy, use, found)

        gains = Gains(self.name, gain, "uniform", self.citation)
        rows = value_rows(anatomy, trace(model, inputs).values, gains, table, table)
        return anatomy.planned(str(self), rows, self.citation)


def _layers(reading: Reading) -> float:
    return reading.sublayers / (3 if reading.crosses else 2)


def _gain(reading: Reading) -> tuple[float, str]:
    layers = _layers(reading)
    if reading.crosses:
        gain = (9 * layers) ** -0.25
        return gain, f"(9M)^-1/4 = {gain:.5g} in a decoder of {layers:g} layers"
    gain = 0.67 * layers**-0.25
    return gain, f"0.67 N^-1/4 = {gain:.5g} in {layers:g} layers"


def _small(anatomy: Anatomy, use: Use, found: Iterable[Reading]) -> Choice:
    """For what is looked up or added: N(0, d^-1/2) times the factor of the stream that it feeds."""
    width = anatomy.parameters[use.parameter].shape[-1]
    std = 1 / math.sqrt(width)
    signals = {one.signal for one in anatomy.uses_of(use.parameter)}
    layers = [
        _layers(one)
        for one in found
        if signals & anatomy.residual.ways.sources(one.stream[0].start)
    ]
    if not layers:
        return normal(std=std), f"d^-1/2, d {width}"
    factor = (9 * max(layers)) ** -0.25
    return (
        normal(std=std * factor),
        f"d^-1/2 times (9N)^-1/4 = {factor:.5g}, d {width}, {max(layers):g} layers",
    )


def _require_no_norm(anatomy: Anatomy) -> None:
    steps = anatomy.residual.ways.steps
    for step in anatomy.observation.steps:
        before = (steps[one].kind for one in anatomy.residual.ways.before.get(step.name, ()))
        # What shares out the weight of experts is no norm of a signal.
        if step.kind == "norm" and not {*before} & {"softmax", "op"}:
            raise ModelError(
                f"recipe 't_fixup' is for transformers without normalisation, and "
                f"{step.module or step.name!r} is a norm ({step.op}). Replace the norms by "
                "nn.Identity(), or take 'deepnorm' for post-norm or 'gpt2' for pre-norm ones"
            )
