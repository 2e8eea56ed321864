"""GradInit: scales at which one optimizer step lowers the loss most."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import attrs
import torch
from torch import Tensor, nn

from fanin.errors import InputError
from fanin.observation import observe
from fanin.recipes.plans.plan import Plan
from fanin.recipes.reading.anatomy import Anatomy
from fanin.recipes.recipe import AbstractRecipe
from fanin.recipes.rules.descending import Objective, descending, require_finite, slopes
from fanin.schemes import Scheme, he_normal, scaled
from fanin.schemes.scheme import one_of

Optimizer = Literal["sgd", "adam"]

_BETAS = (0.9, 0.999)
_EPS = 1e-8
_BASE = he_normal()


@attrs.frozen(repr=False)
class gradinit(AbstractRecipe):
    """One scale per tensor, learned: they minimise the loss after one step of the optimizer.

    While the norm of the gradient is above gamma (l1 for Adam, l2 for SGD) the scales descend
    that norm, else the loss at theta - eta A[g], where A is g over its norm for SGD and sign g
    for Adam, taken as constant. The descent is Adam on the scales, with moments of its own for
    the two, derivatives clipped to 1 and scales of at least ``least``. The loss after the step
    is that of other examples, half of which are shared: the batch is cut into thirds for that.
    The model runs in evaluation mode, batch norms by the statistics of the batch.

    Args:
        optimizer: "sgd" or "adam", that of the training.
        iterations: of the descent.
        base: of the weights before.
        eta: the step of the optimizer; 0.1 for SGD and 0.001 for Adam where None.
        gamma: the most that the norm of the gradient may be.
        learning_rate: of the scales.
        least: of a scale.

    Raises:
        InputError: from ``plan``: no inputs or no loss; or of a setting.
        ModelError: from ``plan``: an operation has no second derivative, or the loss is not
            finite.

    References:
        Zhu, Ni, Xu, Kong, Huang, Goldstein, GradInit: learning to initialize neural networks
        for stable and efficient training, 2021, arXiv:2102.08098, algorithm 1.
    """

    optimizer: Optimizer = "sgd"
    iterations: int = 390
    base: Scheme = _BASE
    eta: float | None = None
    gamma: float = 1.0
    learning_rate: float = 1e-2
    least: float = 1e-2

    name = "gradinit"
    rule = "a scale per tensor that minimises the loss after one optimizer step, |g| <= gamma"
    use = "networks that diverge at the rate that is wanted, where seconds do not matter"
    citation = (
        "Zhu, Ni, Xu, Kong, Huang, Goldstein. GradInit: learning to initialize neural networks "
        "for stable and efficient training. NeurIPS 2021. arXiv:2102.08098. Algorithm 1"
    )
    needs = "targets"
    argument = "iterations"

    def __attrs_post_init__(self) -> None:
        one_of("optimizer", self.optimizer, get_args(Optimizer))
        if self.iterations != int(self.iterations) or self.iterations < 0:
            raise InputError(f"iterations must be an integer of 0 or more, got {self.iterations!r}")
        object.__setattr__(self, "iterations", int(self.iterations))

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
        start = anatomy.planned(str(self), anatomy.rows(lambda _: (self.base, repr(self.base))))
        objective = Objective(self.name, model, inputs, targets, loss)
        with descending(model, start, seed):
            for module in model.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001
                    module.train()
            tensors = {row.parameter: anatomy.parameters[row.parameter] for row in start.rows}
            scales, shown = self._descend(anatomy, tensors, objective)
        rows = [
            replace(
                row, scheme=scaled(row.scheme, scales[row.parameter]), source=self.citation,
                reason=f"{row.reason} times {scales[row.parameter]:.4g}, found by descent of the "
                "loss after one step",
            )
            if row.parameter in scales else row
            for row in start.rows
        ]  # fmt: skip
        notes = [shown]
        if len(objective.thirds()) == 1:
            notes.append(
                "the batch could not be cut into thirds, so the loss after the step is that of "
                "the examples that gave the gradient"
            )
        return replace(anatomy.planned(str(self), rows, self.citation, notes), seed=seed)

    def _descend(
        self, anatomy: Anatomy, tensors: Mapping[str, Tensor], objective: Objective
    ) -> tuple[dict[str, float], str]:
        everything = [one for one in anatomy.parameters.values() if one.requires_grad]
        scales = {
            name: _Scale(tensor, self.learning_rate, self.least)
            for name, tensor in tensors.items() if bool(tensor.detach().any())
        }  # fmt: skip
        places = {id(one): place for place, one in enumerate(everything)}
        parts = objective.thirds()
        bounded, first, last = 0, math.nan, math.nan
        for step in range(self.iterations):
            here, there = parts[step % len(parts)], parts[(step + 1) % len(parts)]
            loss = here()
            require_finite(self.name, loss, "the loss", step)
            gradient = slopes(self.name, loss, everything, create_graph=True)
            norm = self._norm(gradient)
            size = require_finite(self.name, norm, "the norm of the gradient", step)
            if size > self.gamma:
                ways, bounded = slopes(self.name, norm, everything), bounded + 1
            else:
                ways, last = self._after_a_step(everything, gradient, size, there, step)
                first = last if math.isnan(first) else first
            with torch.no_grad():
                for scale in scales.values():
                    scale.move(ways[places[id(scale.tensor)]], bound=size > self.gamma)
        text = f"the gradient was above {self.gamma:g} in {bounded} of {self.iterations} iterations"
        if bounded < self.iterations:
            text = f"loss after one step {first:.4g} at first, {last:.4g} at last; {text}"
        return {name: scale.value for name, scale in scales.items()}, text

    def _norm(self, gradient: Sequence[Tensor]) -> Tensor:
        if self.optimizer == "adam":
            return torch.stack([it.abs().sum() for it in gradient]).sum()
        return torch.stack([it.square().sum() for it in gradient]).sum().sqrt()

    def _after_a_step(
        self, parameters: Sequence[Tensor], gradient: Sequence[Tensor], size: float,
        objective: Objective, step: int,
    ) -> tuple[list[Tensor], float]:  # fmt: skip
        eta = self.eta if self.eta is not None else {"sgd": 0.1, "adam": 1e-3}[self.optimizer]
        before = [one.detach().clone() for one in parameters]
        with torch.no_grad():
            for one, it in zip(parameters, gradient, strict=True):
                one.sub_(it.sign() if self.optimizer == "adam" else it / (size or 1.0), alpha=eta)
        loss = objective()
        value = require_finite(self.name, loss, "the loss after one step", step)
        ways = slopes(self.name, loss, parameters)
        with torch.no_grad():
            for one, values in zip(parameters, before, strict=True):
                one.copy_(values)
        return ways, value


class _Scale:
    """The scale of one tensor, moved by Adam as the authors' RescaleAdam moves it."""

    def __init__(self, tensor: Tensor, learning_rate: float, least: float) -> None:
        self.tensor = tensor
        self.value = 1.0
        self._start = tensor.detach().clone()
        self._rate = learning_rate
        self._least = least
        self._moments = {True: (0, 0.0, 0.0), False: (0, 0.0, 0.0)}

    def move(self, way: Tensor, *, bound: bool) -> None:
        """Down the derivative of the bound or of the loss with respect to the tensor."""
        slope = max(-1.0, min(1.0, float((way * self._start).sum())))
        steps, mean, square = self._moments[bound]
        steps, mean = steps + 1, _BETAS[0] * mean + (1 - _BETAS[0]) * slope
        square = _BETAS[1] * square + (1 - _BETAS[1]) * slope**2
        self._moments[bound] = steps, mean, square
        size = math.sqrt(square / (1 - _BETAS[1] ** steps)) + _EPS
        self.value = max(self.value - self._rate * mean / (1 - _BETAS[0] ** steps) / size,
                         self._least)  # fmt: skip
        self.tensor.copy_(self._start * self.value)
