"""DeepNorm: post-norm transformers of a thousand layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs
from torch import nn

from fanin.observation import observe
from fanin.observation.records import Branch, Use
from fanin.observation.tracing import Trace, trace
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Choice
from fanin.recipes.reading.post_norm import Reading, readings, require_branches, require_post_norm
from fanin.recipes.reading.residual import described
from fanin.recipes.reading.skips import gates_on_skips, set_on_skips
from fanin.recipes.recipe import ObservedRecipe
from fanin.recipes.rules.value_gains import Gains, value_rows
from fanin.schemes import normal

_CLOSE = 1e-3


@attrs.frozen(repr=False)
class deepnorm(ObservedRecipe):
    """Xavier's normal; value, output and MLP weights with gain beta. Skips times alpha.

    x = norm(alpha x + f(x)) keeps the change of the model by one update bounded at any depth.
    Encoders or decoders alone with N layers: alpha = (2N)^(1/4), beta = (8N)^(-1/4). Encoders
    of N layers with decoders of M: alpha = 0.81 (N^4 M)^(1/16) and beta = 0.87 (N^4 M)^(-1/16),
    their decoders (3M)^(1/4) and (12M)^(-1/4). N and M are read from the dataflow. Tables and
    learned signals N(0, d^-1/2), biases 0, norms 1 and 0.

    alpha is part of forward code. Where a parameter scales the skip, it is set; else the pass
    shows by how much forward multiplies it, and the plan's notes say what is missing.

    Raises:
        ModelError: from ``plan``: no residual branch with attention, a branch that is
            pre-norm, or a weight that packs values with others in an unknown way.

    References:
        Wang et al., 2022, arXiv:2203.00555, figure 2 and section 4.3; torchscale's code.
    """

    name = "deepnorm"
    rule = "Xavier normal, value, output and MLP weights times (8N)^-1/4; skips times (2N)^1/4"
    use = "deep post-norm transformers"
    citation = (
        "Wang, Ma, Dong, Huang, Zhang, Wei. DeepNet: scaling transformers to 1,000 layers. 2022. "
        "arXiv:2203.00555. Figure 2"
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
        constants = {
            branch.index: _constants(reading)
            for reading in readings(anatomy)
            for branch in reading.stream
        }
        gates = gates_on_skips(anatomy, traced)
        rows = [
            *self._rows(anatomy, traced, constants),
            *set_on_skips(
                anatomy, traced, gates,
                {index: alpha for index, (alpha, _) in constants.items()}, self.citation,
            ),
        ]  # fmt: skip
        notes = _notes(anatomy, traced, constants, gates)
        return anatomy.planned(str(self), rows, self.citation, notes)

    def _rows(
        self, anatomy: Anatomy, traced: Trace, constants: Mapping[int, tuple[float, float]]
    ) -> Iterable[Row]:
        def gain(branch: Branch) -> tuple[float, str]:
            beta = constants[branch.index][1]
            return beta, f"gain beta = {beta:.5g} of DeepNorm"

        def table(use: Use) -> Choice:
            width = use.fan_out or 1.0
            return normal(std=1 / math.sqrt(width)), f"d^-1/2, d {width:g}"

        def signal(use: Use) -> Choice:
            width = anatomy.parameters[use.parameter].shape[-1]
            return normal(std=1 / math.sqrt(width)), f"d^-1/2, d {width}"

        return value_rows(
            anatomy, traced.values, Gains(self.name, gain, "normal", self.citation), table, signal
        )


def _constants(reading: Reading) -> tuple[float, float]:
    """Alpha and beta of a stream; 2 signals are added by a layer, 3 with cross-attention."""
    if reading.is_encoder:
        mixed = (reading.sublayers / 2) ** 4 * max(reading.readers) / 3
        return 0.81 * mixed ** (1 / 16), 0.87 * mixed ** (-1 / 16)
    return reading.sublayers**0.25, (4 * reading.sublayers) ** -0.25


def _notes(
    anatomy: Anatomy,
    traced: Trace,
    constants: Mapping[int, tuple[float, float]],
    gates: Mapping[int, tuple[str, ...]],
) -> Iterator[str]:
    for stream in anatomy.streams:
        alpha = constants[stream[0].index][0]
        wrong: dict[str, list[Branch]] = {}
        for branch in stream:
            join = traced.joins[branch.index]
            if branch.index in gates:
                continue
            there = join.skip.factor
            if there is None or join.branch.factor is None:
                wrong.setdefault("does not show by what forward code multiplies it", []).append(
                    branch
                )
            elif abs(there / join.branch.factor / alpha - 1) > _CLOSE:
                shown = f"{there / join.branch.factor:.4g}"
                wrong.setdefault(f"shows a factor of {shown}", []).append(branch)
        for what, branches in wrong.items():
            yield (
                f"multiply the skip of {described(anatomy, branches[0])}"
                f"{f' and {len(branches) - 1} more in its stream' if len(branches) > 1 else ''} by "
                f"alpha = {alpha:.5f} in forward code, x = norm({alpha:.5f} x + f(x)): the pass "
                f"{what}"
            )
