"""Admin: post-norm transformers whose skips are scaled by what the branches add."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import attrs
from torch import nn

from fanin.errors import ModelError
from fanin.observation import observe
from fanin.observation.observed import Observation
from fanin.observation.records import Use
from fanin.observation.tracing import Trace, trace
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Choice
from fanin.recipes.reading.post_norm import require_branches, require_post_norm
from fanin.recipes.reading.residual import described
from fanin.recipes.reading.skips import gates_on_skips, set_on_skips
from fanin.recipes.recipe import ObservedRecipe
from fanin.recipes.rules.measuring import drawn
from fanin.schemes import normal, xavier_uniform


@attrs.frozen(repr=False)
class admin(ObservedRecipe):
    """Xavier's uniform, and factors w on the skips of x = norm(w x + f(x)), measured.

    Along a stream w_1 = 1 and w_{i+1}^2 = w_i^2 + Var f_i, so that no branch outweighs what
    came before it. The variances are those of one pass over the batch with the weights of
    ``seed`` and all w = 1, so the plan holds for that seed. Tables and learned signals
    N(0, d^-1/2), biases 0, norms 1 and 0.

    The model has to have a parameter for each w.

    Raises:
        ModelError: from ``plan``: no residual branch with attention, a branch that is pre-norm
            or whose skip no parameter scales, or an output of one that is not finite.

    References:
        Liu et al., 2020, arXiv:2004.08249, section 4.1 (profiling and initialization).
    """

    name = "admin"
    rule = "Xavier; skips times w, w_1 = 1, w_{i+1}^2 = w_i^2 + Var f_i, measured"
    use = "post-norm transformers with a parameter on each skip"
    citation = (
        "Liu, Liu, Gao, Chen, Han. Understanding the difficulty of training transformers. EMNLP "
        "2020. arXiv:2004.08249. Section 4"
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
        require_post_norm(anatomy, self.name, ("gpt2", "megatron"))
        traced = trace(model, inputs)
        gates = gates_on_skips(anatomy, traced)
        for branch in anatomy.branches:
            if branch.index not in gates:
                raise ModelError(
                    f"recipe 'admin' sets a factor on each skip, and no trainable parameter scales "
                    f"that of {described(anatomy, branch)}. Add one, x = norm(self.omega * x + "
                    "f(x)) with self.omega = nn.Parameter(torch.ones(d)), or take 'deepnorm'"
                )
        rows = self.rows(anatomy)
        ones = set_on_skips(anatomy, traced, gates, dict.fromkeys(gates, 1.0), self.citation)
        start = anatomy.planned(str(self), [*rows, *ones])
        with drawn(model, start, seed):
            measured = observe(model, inputs, targets, loss=loss)
        wanted = _factors(anatomy, measured, traced)
        omegas = set_on_skips(anatomy, traced, gates, wanted, self.citation)
        made = anatomy.planned(str(self), [*rows, *omegas], self.citation)
        return replace(made, seed=seed)

    def rows(self, anatomy: Anatomy) -> Iterable[Row]:
        def weight(use: Use) -> Choice:
            return xavier_uniform(), f"Xavier, fans {use.fan_in:g} and {use.fan_out:g}"

        def table(use: Use) -> Choice:
            width = anatomy.parameters[use.parameter].shape[-1]
            return normal(std=1 / math.sqrt(width)), f"d^-1/2, d {width}"

        return anatomy.rows(weight, table=table, signal=table, source=self.citation)


def _factors(anatomy: Anatomy, measured: Observation, traced: Trace) -> Mapping[int, float]:
    """The w of each branch, by its index."""
    signals = {signal.name: signal for signal in measured.signals}
    found: dict[int, float] = {}
    for stream in anatomy.streams:
        square = 1.0
        for branch in stream:
            found[branch.index] = math.sqrt(square)
            statistics = signals[anatomy.residual.summing.entry(branch)].forward
            factor = traced.joins[branch.index].branch.factor or 1.0
            variance = statistics.rms**2 - statistics.mean**2
            if statistics.nonfinite or not math.isfinite(variance):
                raise ModelError(
                    f"recipe 'admin' measures what branches add, and that of "
                    f"{described(anatomy, branch)} is not finite on this batch"
                )
            square += max(variance, 0.0) * factor**2
    return found
