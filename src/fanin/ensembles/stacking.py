"""Many models of one architecture as one program: parameters stacked along a leading run axis.

Two engines compute the same: ``Batched`` maps one model over the run axis (torch.func.vmap),
``Looped`` takes the runs one by one, for models that cannot be mapped.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from fanin.ensembles.first_pass import FirstPass
from fanin.ensembles.objective import Objective

State = dict[str, Tensor]


class Engine(Protocol):
    """Losses, gradients and outputs of stacked runs."""

    def losses_and_gradients(
        self, parameters: State, buffers: State, x: Tensor, y: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """Losses (R,) and one gradient (R, ...) per parameter; buffers are updated in place.

        Args:
            parameters: leaves of shape (R, ...) that require gradients.
            buffers: of shape (R, ...).
            x, y: one batch per run, (R, B, ...).
        """
        ...

    def outputs(self, parameters: State, buffers: State, x: Tensor) -> Tensor:
        """Outputs (R, N, ...) in evaluation mode for samples (N, ...) that all runs share."""
        ...


class Batched:
    """All runs at once. It owns copies of the model, so threads need one engine each."""

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        training = copy.deepcopy(model)
        evaluating = copy.deepcopy(model).eval()

        def loss(parameters: State, buffers: State, x: Tensor, y: Tensor) -> Tensor:
            return objective.loss(functional_call(training, (parameters, buffers), (x,)), y)

        def output(parameters: State, buffers: State, x: Tensor) -> Tensor:
            return objective.columns(functional_call(evaluating, (parameters, buffers), (x,)))

        self._losses: Callable[..., Tensor] = vmap(loss, randomness="different")
        self._outputs: Callable[..., Tensor] = vmap(output, in_dims=(0, 0, None))

    def losses_and_gradients(
        self, parameters: State, buffers: State, x: Tensor, y: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        losses = self._losses(parameters, buffers, x, y)
        gradients = torch.autograd.grad(
            losses.sum(), list(parameters.values()), allow_unused=True, materialize_grads=True
        )
        return losses.detach(), list(gradients)

    @torch.no_grad()
    def outputs(self, parameters: State, buffers: State, x: Tensor) -> Tensor:
        return self._outputs(parameters, buffers, x)


class Looped:
    """One run after the other, by plain forward and backward passes."""

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        self._training = copy.deepcopy(model)
        self._evaluating = copy.deepcopy(model).eval()
        self._objective = objective

    def losses_and_gradients(
        self, parameters: State, buffers: State, x: Tensor, y: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        losses, gradients = [], []
        for run in range(len(x)):
            leaves = {k: p[run].detach().requires_grad_() for k, p in parameters.items()}
            state = {**leaves, **{k: b[run] for k, b in buffers.items()}}
            loss = self._objective.loss(functional_call(self._training, state, (x[run],)), y[run])
            losses.append(loss.detach())
            gradients.append(
                torch.autograd.grad(
                    loss, list(leaves.values()), allow_unused=True, materialize_grads=True
                )
            )
        return torch.stack(losses), [torch.stack(each) for each in zip(*gradients, strict=True)]

    @torch.no_grad()
    def outputs(self, parameters: State, buffers: State, x: Tensor) -> Tensor:
        runs = range(len(next(iter(parameters.values()))))
        states = ({k: t[run] for k, t in (parameters | buffers).items()} for run in runs)
        outputs = (functional_call(self._evaluating, state, (x,)) for state in states)
        return torch.stack([self._objective.columns(output) for output in outputs])


@dataclass(frozen=True, slots=True)
class Start:
    """Where one recipe and seed begin: the state, and what a plain pass makes of it."""

    parameters: State
    buffers: State
    plain: FirstPass
    batch: tuple[Tensor, Tensor]


def stack(states: Sequence[Mapping[str, Tensor]]) -> State:
    """One tensor per name with a leading axis of runs."""
    return {name: torch.stack([state[name] for state in states]) for name in states[0]}


# A batched product sums in another order than a single one. What separates a wrong program
# from rounding is orders of magnitude: rounding gave at most 5e-6 here, a gradient taken
# from another run gives 1.
_TOLERANCE = 1e-3


def mismatch(engine: Engine, plain_engine: Engine, starts: Sequence[Start]) -> str | None:
    """Run the first step of each start stacked; say how it differs from the plain passes.

    The outputs of the evaluation are held against those of a loop as well.

    Losses are compared relative to themselves, gradients relative to the largest gradient of
    the model: a bias before a batch norm has a true gradient of zero, and its rounding says
    nothing. Returns None where all agree.
    """
    parameters = {k: p.requires_grad_() for k, p in stack([s.parameters for s in starts]).items()}
    x = torch.stack([start.batch[0] for start in starts])
    y = torch.stack([start.batch[1] for start in starts])
    buffers = stack([s.buffers for s in starts])
    try:
        seen = engine.outputs(parameters, buffers, x[0])
        losses, gradients = engine.losses_and_gradients(parameters, buffers, x, y)
    except Exception as error:  # noqa: BLE001 - whatever a model does that cannot be mapped
        return f"it cannot be mapped over runs ({type(error).__name__}: {_first_line(error)})"
    truth = plain_engine.outputs(parameters, stack([s.buffers for s in starts]), x[0])
    if not _agree(seen, truth):
        return "batched outputs of the evaluation differ from plain ones"
    tolerance = max(_TOLERANCE, 8 * torch.finfo(losses.dtype).eps)
    for run, start in enumerate(starts):
        loss, plain = float(losses[run]), start.plain.loss
        if _finite(plain) != _finite(loss):
            return f"a batched loss is {loss:.6g} where the plain one is {plain:.6g}"
        if not _finite(plain):
            continue
        if abs(loss - plain) > tolerance * max(abs(plain), 1e-6):
            return f"a batched loss is {loss:.6g} where the plain one is {plain:.6g}"
        largest = max(
            (float(g.abs().max()) for g in start.plain.gradients.values() if g.numel()), default=0.0
        )
        for (name, truth), stacked in zip(start.plain.gradients.items(), gradients, strict=True):
            off = float((stacked[run] - truth).abs().max()) if truth.numel() else 0.0
            if _finite(largest) and not off <= tolerance * largest:
                return (
                    f"the batched gradient of {name} is off by {off:.2g} "
                    f"(largest gradient {largest:.2g})"
                )
    return None


def _agree(seen: Tensor, truth: Tensor) -> bool:
    """Whether outputs (R, ...) agree, relative to the largest finite one of each run."""
    finite = truth.isfinite()
    if not torch.equal(seen.isfinite(), finite):
        return False
    off = torch.where(finite, (seen - truth).abs(), 0.0).flatten(1).amax(1)
    size = torch.where(finite, truth.abs(), 0.0).flatten(1).amax(1)
    return bool((off <= max(_TOLERANCE, 8 * torch.finfo(truth.dtype).eps) * size).all())


def _finite(value: float) -> bool:
    return abs(value) < float("inf")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:120]
