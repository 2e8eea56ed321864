"""Standardising the units of each layer on a batch, in the order of execution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from fanin.errors import ModelError
from fanin.observation.intervening import Site
from fanin.recipes.reading.anatomy import Anatomy, Part
from fanin.recipes.reading.residual import some
from fanin.recipes.rules.measuring import adjustable

# Below this share of its RMS, what a unit varies by is rounding.
_CONSTANT: Final = 1e-6


class Units:
    """Standardises each unit and remembers how; called by ``intervene``.

    Args:
        anatomy: of the model.

    Attributes:
        factors: 1 / std of each unit, by the weight or length that is scaled.
        lengths: of weight norm, after scaling.
        shifts: -mean / std of each unit, by the bias.
        left: weights that are not scaled, and why.
        uncentred: weights without a bias beside them.
    """

    def __init__(self, anatomy: Anatomy) -> None:
        self._anatomy = anatomy
        self.factors: dict[str, Tensor] = {}
        self.lengths: dict[str, Tensor] = {}
        self.shifts: dict[str, Tensor] = {}
        self.left: dict[str, str] = {}
        self.uncentred: list[str] = []

    def notes(self) -> tuple[str, ...]:
        """Sentences on what was left."""
        notes = []
        if self.left:
            notes.append(
                f"not scaled: {some(f'{name!r}: {why}' for name, why in self.left.items())}"
            )
        if self.uncentred:
            notes.append(
                "variance 1, and the mean stays as it is, for there is no bias beside: "
                f"{some(map(repr, self.uncentred))}"
            )
        return tuple(notes)

    def __call__(self, sites: Sequence[Site], output: Tensor) -> None:
        weight = next((site.parameter for site in sites if site.role in {"weight", "table"}), "")
        name, reason = adjustable(self._anatomy, sites)
        axis = None
        if name:
            axis, reason = self._unit_axis(weight, name, sites[0].op, output)
        if axis is None:
            for site in sites:
                if site.role != "bias" and site.parameter not in self.factors:
                    self.left.setdefault(site.parameter, reason)
            return
        bias = self._bias(sites, output.shape[axis])
        shape = [1] * output.dim()
        shape[axis] = -1
        if name not in self.factors:
            self._measure(name, bias, output, axis)
        output.mul_(self.factors[name].to(output).view(shape))
        if bias in self.shifts:
            output.add_(self.shifts[bias].to(output).view(shape))

    def _measure(self, name: str, bias: str, output: Tensor, axis: int) -> None:
        wide = output.double().movedim(axis, 0).flatten(1)
        variance, mean = torch.var_mean(wide, 1, correction=0)
        std, size = variance.sqrt(), (variance + mean.square()).sqrt()
        if not bool(std.isfinite().all()):
            raise ModelError(
                f"recipe 'data_dependent' divides by the std of each unit, and the output of "
                f"{name!r} is not finite on this batch. Give it inputs of moderate scale"
            )
        constant = (std <= _CONSTANT * size).nonzero().flatten().tolist()
        if constant:
            raise ModelError(
                f"recipe 'data_dependent' divides by the std of each unit, and unit "
                f"{constant[0]} of {name!r} is constant on this batch of {wide.shape[1]} values "
                f"({len(constant)} of {len(std)} are). Give it a larger batch, or take 'lsuv'"
            )
        parameter = self._anatomy.parameters[name]
        self.factors[name] = std.reciprocal().cpu()
        if self._anatomy.part(name) is Part.MAGNITUDE:
            lengths = parameter.detach().double().cpu().flatten() * self.factors[name]
            self.lengths[name] = lengths.view(parameter.shape)
        self.left.pop(name, None)
        if bias and bias not in self.shifts:
            self.shifts[bias] = (-mean / std).cpu()
        elif not bias:
            self.uncentred.append(name)

    def _unit_axis(self, weight: str, name: str, op: str, output: Tensor) -> tuple[int | None, str]:
        """The axis of the output that counts units, or why there is none that can be scaled."""
        use = self._anatomy.main_use(weight)
        layout = None if use is None else use.layout
        if use is None or layout is None or use.role == "table":
            return None, "it is no weight of a linear layer or convolution"
        units = layout.shape[layout.out_axes[0]] if len(layout.out_axes) == 1 else -1
        axis = -1
        if op.startswith("conv"):
            axis = 1 if output.dim() == len(layout.shape) else 0
        if layout.batch_axes or not output.dim() or output.shape[axis] != units:
            return None, f"its units are no axis of what {op} puts out"
        of_length = self._anatomy.part(name) is Part.MAGNITUDE
        if of_length and self._anatomy.parameters[name].numel() != units:
            return None, f"{name!r} is not one length for each unit"
        return axis % output.dim(), ""

    def _bias(self, sites: Sequence[Site], units: int) -> str:
        for site in sites:
            if site.role == "bias" and site.parameter in self._anatomy.parameters:
                parameter = self._anatomy.parameters[site.parameter]
                if parameter.numel() == units and parameter.requires_grad:
                    return site.parameter
        return ""
