"""Chrono initialization."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from fanin.errors import InputError, ModelError
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy
from fanin.recipes.reading.recurrent_layers import (
    Layer,
    recurrent_rows,
    require_biases,
    require_layers,
)
from fanin.recipes.recipe import ObservedRecipe
from fanin.schemes import zeros
from fanin.schemes.recurrence import chrono_bias


def _as_steps(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 2 <= value < 1e18:
        raise InputError(f"steps must be a number of 2 or more, got {value!r}")
    return float(value)


@attrs.frozen(repr=False)
class chrono(ObservedRecipe):
    """The biases of an LSTM or GRU such that its units remember for 1 to ``steps`` steps.

    LSTM: forget bias ln U(1, T - 1), input bias the negative of it. GRU, in which z of torch
    keeps: update bias ln U(1, T - 1). It goes into ``b_ih``, and ``b_hh``, which adds to it, is
    0. State weights are orthogonal, input weights Xavier uniform, gate by gate, and so are the
    other weights; tables N(0, 1).

    Args:
        steps: T, the longest dependency that is expected; None for the steps of the pass.

    Raises:
        InputError: fewer than 2 steps.
        ModelError: from ``plan``: no LSTM or GRU of torch.nn, one without biases, or a cell
            where ``steps`` is None.

    References:
        Tallec, Ollivier, Can recurrent neural networks warp time?, 2018, arXiv:1804.11188,
        equation 16.
    """

    steps: float | None = attrs.field(default=None, converter=_as_steps)

    name = "chrono"
    rule = "LSTM: b_f = ln U(1, T - 1), b_i = -b_f; GRU: b_z = ln U(1, T - 1); others 0"
    use = "LSTM and GRU with dependencies of up to T steps"
    citation = (
        "Tallec, Ollivier. Can recurrent neural networks warp time? ICLR 2018. "
        "arXiv:1804.11188. Equation 16"
    )
    argument = "steps"

    def rows(self, anatomy: Anatomy) -> Iterable[Row]:
        instead = "Take 'irnn' for an RNN with relu, or 'orthogonal'"
        layers = require_layers(self.name, anatomy, ("lstm", "gru"), instead)
        rows = {row.parameter: row for row in recurrent_rows(anatomy, layers)}
        for layer in layers:
            first, second = require_biases(self.name, layer)
            steps = self._steps(layer)
            scheme = chrono_bias(steps, "lstm" if layer.kind == "lstm" else "gru")
            reason = f"its units remember for 1 to {steps:g} steps"
            rows[first] = anatomy.row(first, scheme, reason, self.citation)
            rows[second] = anatomy.row(second, zeros(), f"{first!r}, which it adds to, has it all")
        return rows.values()

    def _steps(self, layer: Layer) -> float:
        if self.steps is not None:
            return self.steps
        where = layer.module or "the model"
        if layer.time_steps is None:
            raise ModelError(
                f"recipe 'chrono': {where!r} is a cell, so the pass does not show for how many "
                "steps it runs. Give them, e.g. 'chrono:784'"
            )
        if layer.time_steps < 2:
            raise ModelError(
                f"recipe 'chrono': {where!r} ran for {layer.time_steps} step in the pass, and "
                "needs 2 or more. Give the steps, e.g. 'chrono:784', or a longer batch"
            )
        return float(layer.time_steps)
