"""One network trained at many learning rates at once, each parameter with a factor of its own.

``fanin.compare`` gives all parameters of a run one rate; muP asks for more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from fanin.ensembles import Dataset
from fanin.recipes import Batch, Recipe, planned

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8
_BATCH = 64
_PLANNED_ON = 256


def losses_by_rate(
    build: Callable[[], nn.Module],
    recipe: Recipe,
    data: Dataset,
    *,
    rates: Sequence[float],
    seeds: Sequence[int],
    steps: int,
) -> list[list[float]]:
    """Training loss after some steps of Adam, for each seed at each rate.

    A parameter's rate is that of the run times its factor in the recipe's plan, as
    ``plan.param_groups`` has it. Runs of one seed share their start and their minibatches.

    Args:
        build: makes the network.
        recipe: plans on the first samples.
        data: a classification.
        rates: of Adam.
        seeds: of weights and minibatches.
        steps: of each run.

    Returns:
        One list a seed, with a loss for each rate; infinite where it is not a number.
    """
    model = build()
    first = slice(0, _PLANNED_ON)
    batch = Batch(data.x_train[first], data.y_train[first], functional.cross_entropy)
    plan = planned(recipe, model, batch)
    factors = {name: plan.row(name).learning_rate for name, _ in model.named_parameters()}
    found = []
    for seed in seeds:
        plan.init_(model, seed)
        start = {
            name: torch.stack([one.detach()] * len(rates)) for name, one in model.named_parameters()
        }
        found.append(_trained(model, start, factors, data, torch.tensor(rates), seed, steps))
    return found


def _trained(
    model: nn.Module,
    state: dict[str, Tensor],
    factors: Mapping[str, float],
    data: Dataset,
    rates: Tensor,
    seed: int,
    steps: int,
) -> list[float]:
    """Loss at the end for each rate: Adam on parameters stacked along a first axis."""

    def loss(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(functional_call(model, parameters, (x,)), y)

    gradients = vmap(grad(loss), (0, None, None))
    first = {name: torch.zeros_like(one) for name, one in state.items()}
    second = {name: torch.zeros_like(one) for name, one in state.items()}
    generator = torch.Generator().manual_seed(seed)
    for step in range(1, steps + 1):
        chosen = torch.randint(len(data.x_train), (_BATCH,), generator=generator)
        found = gradients(state, data.x_train[chosen], data.y_train[chosen])
        for name, gradient in found.items():
            first[name].lerp_(gradient, 1 - _BETA_1)
            second[name].lerp_(gradient.square(), 1 - _BETA_2)
            root = (second[name] / (1 - _BETA_2**step)).sqrt_().add_(_EPSILON)
            rate = rates.view(-1, *[1] * (gradient.ndim - 1)) * factors[name]
            state[name] = state[name] - rate / (1 - _BETA_1**step) * first[name] / root
    with torch.no_grad():
        ends = vmap(loss, (0, None, None))(state, data.x_train, data.y_train)
    losses: list[float] = torch.nan_to_num(ends, nan=float("inf")).tolist()
    return losses
