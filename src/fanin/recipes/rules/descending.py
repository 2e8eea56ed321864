"""Losses and their derivatives on the drawn weights of a model, for recipes that descend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from fanin.errors import InputError, ModelError
from fanin.observation import passing
from fanin.observation.graph import mapped, tensors_in
from fanin.observation.objective import loss_of
from fanin.recipes.plans.plan import Plan
from fanin.recipes.rules.measuring import drawn


@attrs.frozen
class Objective:
    """The loss of a model on a batch, which forward may write into.

    Args:
        recipe: for messages.
        model: the model.
        inputs: as ``fanin.observe`` takes them.
        targets: for the loss.
        loss: ``loss(outputs, targets)``; the output's own ``.loss`` where None.
    """

    recipe: str
    model: nn.Module
    inputs: object
    targets: object
    loss: Callable[..., Any] | None

    def __call__(self) -> Tensor:
        """The loss, in the graph.

        Raises:
            InputError: there is no loss.
        """
        args, kwargs = mapped(passing.arguments_of(self.inputs), _copy)
        made = loss_of(self.model(*args, **kwargs), self.targets, self.loss)
        if made.kind == "projection":
            raise InputError(
                f"recipe {self.recipe!r} descends the loss: give it one, e.g. "
                f"fanin.init_(model, {self.recipe!r}, inputs=x, targets=y, "
                "loss=torch.nn.functional.cross_entropy)"
            )
        return made.value

    def thirds(self) -> tuple[Objective, ...]:
        """Of pairs of thirds of the batch, each pair sharing half with the next.

        The objective alone where the tensors have no common first axis of three or more.
        """
        tensors = [*tensors_in(passing.arguments_of(self.inputs)), *tensors_in(self.targets)]
        sizes = {tensor.shape[0] if tensor.dim() else 0 for tensor in tensors}
        if len(sizes) != 1 or min(sizes) < 3:
            return (self,)
        parts = torch.arange(min(sizes)).tensor_split(3)

        def at(container: Any, places: Tensor) -> Any:
            return mapped(
                container,
                lambda leaf: leaf[places.to(leaf.device)] if isinstance(leaf, Tensor) else leaf,
            )

        inputs = dict(self.inputs) if isinstance(self.inputs, Mapping) else self.inputs
        pairs = [torch.cat([parts[place], parts[(place + 1) % 3]]) for place in range(3)]
        return tuple(
            attrs.evolve(self, inputs=at(inputs, pair), targets=at(self.targets, pair))
            for pair in pairs
        )


@contextmanager
def descending(model: nn.Module, plan: Plan, seed: int) -> Iterator[None]:
    """The drawn model in evaluation mode, by operations that have second derivatives."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with ExitStack() as stack:
        stack.enter_context(drawn(model, plan, seed))
        stack.enter_context(passing.ordinary_surroundings())
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        model.eval()
        yield


def slopes(
    recipe: str, value: Tensor, parameters: Sequence[Tensor], *, create_graph: bool = False
) -> list[Tensor]:
    """The derivatives of a value; zeros where it does not follow from a parameter.

    Raises:
        ModelError: an operation has no derivative of that order.
    """
    if not value.requires_grad:
        return [torch.zeros_like(one) for one in parameters]
    try:
        made = torch.autograd.grad(
            value, parameters, create_graph=create_graph, retain_graph=True, allow_unused=True
        )
    except (RuntimeError, NotImplementedError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        reason = str(error).partition("\n")[0]
        raise ModelError(
            f"recipe {recipe!r} needs second derivatives, and an operation of the model has "
            f"none: {reason}. Take 'lsuv', which needs no derivative"
        ) from error
    return [
        torch.zeros_like(one) if it is None else it
        for one, it in zip(parameters, made, strict=True)
    ]


def require_finite(recipe: str, value: Tensor, what: str, step: int) -> float:
    """The value as a number.

    Raises:
        ModelError: it is not finite.
    """
    number = float(value.detach())
    if number - number != 0.0:
        raise ModelError(
            f"recipe {recipe!r} descends {what}, which is {number} at step {step}. Give it a "
            "base with smaller weights or inputs of moderate scale"
        )
    return number


def _copy(leaf: Any) -> Any:
    if not isinstance(leaf, Tensor):
        return leaf
    return leaf.detach().clone()
