"""Data-dependent initialisation: every unit starts with mean 0 and variance 1 on a batch."""

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
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Part
from fanin.recipes.reading.residual import some
from fanin.recipes.recipe import AbstractRecipe
from fanin.recipes.rules.measuring import adjustable, biases, drawn
from fanin.schemes import Scheme, given, normal, per_unit

# Below this share of its RMS, what a unit varies by is rounding.
_CONSTANT = 1e-6


@attrs.frozen(repr=False)
class data_dependent(AbstractRecipe):
    """Per unit g = 1/std and b = -mean/std: pre-activations have mean 0 and variance 1.

    Layer by layer in the order of execution, in one forward pass. A unit's weights are
    N(0, 0.05) times its g; of weight norm, g is the unit's length. A layer without a bias has
    variance 1 and keeps its mean. Tables N(0, 0.05), and what is no linear layer or convolution
    is drawn so too.

    Args:
        std: of the weights before they are scaled; it sets nothing but the length of weight
            norm's directions.

    Raises:
        InputError: from ``plan``: no inputs.
        ModelError: from ``plan``: a unit is constant on the batch or not finite, or a frozen
            bias is not 0.

    References:
        Salimans, Kingma, Weight normalization, 2016, arXiv:1602.07868, section 3, equation 6.
    """

    std: float = 0.05

    name = "data_dependent"
    rule = "per unit g = 1/std and b = -mean/std of its pre-activation on a batch"
    use = "weight-normalised and plain networks without norms, with a batch at hand"
    citation = (
        "Salimans, Kingma. Weight normalization: a simple reparameterization to accelerate "
        "training of deep neural networks. NIPS 2016. arXiv:1602.07868. Section 3"
    )
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
                f"recipe 'data_dependent' sets biases, and {next(iter(kept))!r} is frozen and not "
                "0. Let it require a gradient, or set it to 0"
            )
        base = normal(std=self.std)
        start = anatomy.planned(
            str(self), anatomy.rows(lambda _: (base, f"N(0, {self.std:g})"))
        )  # fmt: skip
        measured = _Units(anatomy)
        with drawn(model, start, seed):
            intervene(model, inputs, measured)
        rows = [self._row(anatomy, row, measured) for row in start.rows]
        return replace(
            anatomy.planned(str(self), rows, self.citation, measured.notes()), seed=seed
        )  # fmt: skip

    def _row(self, anatomy: Anatomy, row: Row, measured: _Units) -> Row:
        name = row.parameter
        if name in measured.factors:
            factors = measured.factors[name]
            where = f"{float(factors.min()):.4g} to {float(factors.max()):.4g}"
            if anatomy.part(name) is Part.MAGNITUDE:
                scheme: Scheme = given(measured.lengths[name])
                reason = f"{row.reason}, over its std: times {where}"
            else:
                scheme = per_unit(row.scheme, factors)
                reason = f"{row.reason}, each unit over its std: times {where}"
            return replace(row, scheme=scheme, reason=reason, source=self.citation)
        if name in measured.shifts:
            return replace(
                row, scheme=given(measured.shifts[name]), source=self.citation,
                reason="minus the mean of each unit over its std",
            )  # fmt: skip
        if name in measured.left:
            reason = f"{row.reason}, not scaled: {measured.left[name]}"
            return replace(row, reason=reason, source=self.citation)
        return row


class _Units:
    """Standardises each unit and remembers how."""

    def __init__(self, anatomy: Anatomy) -> None:
        self._anatomy = anatomy
        self.factors: dict[str, Tensor] = {}
        self.lengths: dict[str, Tensor] = {}
        self.shifts: dict[str, Tensor] = {}
        self.left: dict[str, str] = {}
        self.uncentred: list[str] = []

    def notes(self) -> tuple[str, ...]:
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
