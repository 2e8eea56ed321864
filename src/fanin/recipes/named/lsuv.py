"""LSUV: layer-sequential unit variance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from fanin.errors import ModelError
from fanin.observation import observe
from fanin.observation.intervening import Site, intervene
from fanin.observation.records import Use
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Choice
from fanin.recipes.reading.residual import some
from fanin.recipes.recipe import AbstractRecipe
from fanin.recipes.rules.measuring import SCALING, adjustable, biases, drawn
from fanin.schemes import normal, orthogonal, scaled

# Below this share of its RMS, what an output varies by is rounding.
_CONSTANT = 1e-6
_CLOSE = 1e-2


@attrs.frozen(repr=False)
class lsuv(AbstractRecipe):
    """Orthogonal weights, each scaled so that its output on the batch has variance 1.

    Layer by layer in the order of execution, in one forward pass of the model in its own mode:
    what a layer puts out is scaled before it flows on. Biases 0, tables N(0, 1) times their
    factor. A parameter that is used several times has the factor of its first use. Of weight
    norm the lengths are scaled. The weights of an LSTM or GRU, whose output is not proportional
    to them, stay orthogonal.

    Raises:
        InputError: from ``plan``: no inputs.
        ModelError: from ``plan``: an output is constant on the batch or not finite, a frozen
            bias is not 0, or an output does not follow its weight's scale.

    References:
        Mishkin, Matas, All you need is a good init, 2016, arXiv:1511.06422, algorithm 1. There
        a layer is measured again until its variance is within 0.1 of 1; a layer is linear in
        its weight, so once is enough.
    """

    name = "lsuv"
    rule = "orthogonal, then layer by layer each weight over the std of its output on a batch"
    use = "deep networks of any activation, with a batch at hand"
    citation = "Mishkin, Matas. All you need is a good init. ICLR 2016. arXiv:1511.06422"
    needs = "inputs"

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
        kept = biases(anatomy)
        if kept:
            raise ModelError(
                f"recipe 'lsuv' scales outputs by their weights, and the frozen bias "
                f"{next(iter(kept))!r} is not 0. Let it require a gradient, or set it to 0"
            )
        start = anatomy.planned(str(self), anatomy.rows(_orthogonal, table=_table))
        scaling = _Scaling(anatomy)
        with drawn(model, start, seed):
            intervene(model, inputs, scaling)
        rows = [self._row(row, scaling) for row in start.rows]
        left = [f"{name!r}: {reason}" for name, reason in scaling.left.items()]
        notes = (f"not scaled: {some(left)}",) if left else ()
        made = replace(anatomy.planned(str(self), rows, self.citation, notes), seed=seed)
        if scaling.doubtful:
            self._require_proportion(anatomy, made, inputs, seed)
        return made

    def _row(self, row: Row, scaling: _Scaling) -> Row:
        if row.parameter in scaling.factors:
            std = scaling.stds[row.parameter]
            return replace(
                row, scheme=scaled(row.scheme, scaling.factors[row.parameter]),
                reason=f"{row.reason}, over {std:.4g}, the std of its output on the batch",
                source=self.citation,
            )  # fmt: skip
        if row.parameter in scaling.left:
            reason = f"{row.reason}, not scaled: {scaling.left[row.parameter]}"
            return replace(row, reason=reason, source=self.citation)
        return row

    def _require_proportion(self, anatomy: Anatomy, made: Plan, inputs: object, seed: int) -> None:
        """Where forward multiplies a weight by something, that may hang on the weight."""
        again = _Scaling(anatomy)
        with drawn(anatomy.model, made, seed):
            intervene(anatomy.model, inputs, again)
        for name, std in again.stds.items():
            if abs(std - 1) > _CLOSE:
                raise ModelError(
                    f"recipe 'lsuv' scales {name!r}, and the std of its output went to {std:.4g} "
                    "instead of 1: forward makes the weight anew from its direction. Give it a "
                    "learned length, as torch.nn.utils.parametrizations.weight_norm does"
                )


class _Scaling:
    """Scales each output to variance 1 and remembers by what."""

    def __init__(self, anatomy: Anatomy) -> None:
        self._anatomy = anatomy
        self.factors: dict[str, float] = {}
        self.stds: dict[str, float] = {}
        self.left: dict[str, str] = {}
        self.doubtful = False

    def __call__(self, sites: Sequence[Site], output: Tensor) -> None:
        name, reason = adjustable(self._anatomy, sites)
        if not name:
            for site in sites:
                if site.role != "bias" and site.parameter not in self.factors:
                    self.left.setdefault(site.parameter, reason)
            return
        ways = {op for use in self._anatomy.uses_of(name) for op in use.through}
        self.doubtful |= bool(ways & SCALING)
        if name not in self.factors:
            std = _std(name, output)
            self.stds[name], self.factors[name] = std, 1 / std
            self.left.pop(name, None)
        output.mul_(self.factors[name])


def _std(name: str, output: Tensor) -> float:
    wide = output if output.dtype == torch.float64 else output.float()
    variance, mean = torch.var_mean(wide, correction=0)
    std, size = float(variance.sqrt()), float(variance.add(mean.square()).sqrt())
    if not std < float("inf"):
        raise ModelError(
            f"recipe 'lsuv' divides by the std of each output, and that of {name!r} is not "
            "finite on this batch. Give it inputs of moderate scale"
        )
    if std <= _CONSTANT * size:
        raise ModelError(
            f"recipe 'lsuv' divides by the std of each output, and that of {name!r} is constant "
            "on this batch. Give it inputs that differ, or look at what its layer reads"
        )
    return std


def _orthogonal(_: Use) -> Choice:
    return orthogonal(), "orthogonal"


def _table(_: Use) -> Choice:
    return normal(std=1.0), "N(0, 1)"
