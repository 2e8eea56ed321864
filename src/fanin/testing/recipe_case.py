"""One recipe on one model, and what a check of it must find unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from fanin.recipes import Batch, Plan, Recipe, planned
from fanin.testing.case import Complaints, global_states
from fanin.testing.examples import Example


@dataclass(frozen=True)
class RecipePromise:
    """What a recipe must do.

    Args:
        duty: completes "the recipe must ...".
        remedy: what to do where it does not.
        complaints: measures.
    """

    duty: str
    remedy: str
    complaints: Callable[[RecipeCase], Complaints]


_NONE: Final = Plan("none yet", ())


@dataclass(frozen=True)
class RecipeCase:
    """A recipe and a model that it applies to.

    Args:
        recipe: what is checked.
        example: the model and its batch.
        seed: of the weights.
        plan: that the recipe made first.
    """

    recipe: Recipe
    example: Example
    seed: int
    plan: Plan = _NONE

    def __str__(self) -> str:
        return f"the model {self.example.name!r}"

    def model(self) -> nn.Module:
        """A new one; the numbers are the same at every call."""
        before = torch.get_rng_state()
        torch.manual_seed(0)
        try:
            return self.example.build()
        finally:
            torch.set_rng_state(before)

    @property
    def batch(self) -> Batch:
        return Batch(self.example.inputs, self.example.targets, self.example.loss)

    def drawn(self, plan: Plan | None = None, *, seed: int | None = None) -> nn.Module:
        """A new model, drawn by the plan, or by another one."""
        chosen = self.seed if seed is None else seed
        return (plan or self.plan).init_(self.model(), chosen, unmatched="keep")

    def planned(self, model: nn.Module, batch: Batch | None = None) -> Plan:
        return planned(self.recipe, model, batch or self.batch, seed=self.seed)


def state(model: nn.Module, inputs: object = None) -> dict[str, object]:
    """Everything that reading a model must leave as it was, by what it is."""
    made: dict[str, object] = {}
    for name, one in model.named_parameters():
        made[f"parameter {name!r}"] = (id(one), _bits(one), one.requires_grad)
        made[f"the gradient of {name!r}"] = None if one.grad is None else _bits(one.grad)
    for name, tensor in model.named_buffers():
        made[f"buffer {name!r}"] = _bits(tensor)
    for name, module in model.named_modules():
        where = repr(name) if name else "the model"
        made[f"the mode of {where}"] = module.training
        made[f"the hooks of {where}"] = tuple(
            len(hooks) for kind, hooks in vars(module).items() if kind.endswith("_hooks")
        )
        made[f"the attributes of {where}"] = tuple(sorted(vars(module)))
    for number, tensor in enumerate(_tensors(inputs)):
        made[f"tensor {number} of the inputs"] = _bits(tensor)
    return {**made, **global_states()}


def changes(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[str]:
    """What differs between two states."""
    for what in {**before, **after}:
        if before.get(what) != after.get(what):
            yield what


def parameter_bits(model: nn.Module) -> dict[str, bytes]:
    """Name -> bits of each parameter."""
    return {name: _bits(tensor) for name, tensor in model.named_parameters()}


def unlike(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> list[str]:
    """Names of the parameters whose bits differ."""
    return [name for name in {**one, **other} if one.get(name) != other.get(name)]


def _bits(tensor: Tensor) -> bytes:
    flat = tensor.detach().contiguous().view(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _tensors(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _tensors(one)
