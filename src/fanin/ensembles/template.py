"""The one architecture of a comparison, and the weights that a recipe and seed give it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.parameter import is_lazy

from fanin.ensembles.architectures import Size, mlp
from fanin.ensembles.datasets import Dataset
from fanin.ensembles.first_pass import first_pass
from fanin.ensembles.grid import batches
from fanin.ensembles.isolation import borrowed
from fanin.ensembles.objective import Objective
from fanin.ensembles.probing import copied, in_its_form, is_stochastic, require_no_hidden_state
from fanin.ensembles.stacking import Start, State
from fanin.errors import FaninError, InputError, ModelError, UnknownNameError
from fanin.recipes import Batch, Default, Plan, Recipe, planned

Build = Callable[[], nn.Module]
BUILT_IN = ("mlp",)

_PLANNED_ON = 256
"""Samples of the training part that recipes look at which read a batch."""


@dataclass(frozen=True, slots=True)
class Template:
    """The one architecture of a comparison.

    Args:
        model: whose weights are replaced.
        build: makes another.
        data: in the shape that the model takes.
        title: in words.
        stochastic: whether a training pass draws random numbers, as dropout does.
    """

    model: nn.Module
    build: Build
    data: Dataset
    title: str
    stochastic: bool

    def start(self, recipe: Recipe, name: str, seed: int, batch_size: int) -> Start:
        """The state that a recipe and seed give, and a plain first pass from it.

        The recipe ``default`` is what ``build`` itself does, under generators seeded for this
        seed; any other draws the parameters of a copy.

        Raises:
            ModelError: the recipe does not apply to the model.
        """
        if isinstance(recipe, Default):
            model = copied(build_under(self.build, seed)).train()
            require_same_architecture(self.model, model)
        else:
            model = copied(self.model)
            try:
                self._plan(recipe, model, seed).init_(model, seed)
            except FaninError as error:
                raise ModelError(f"recipe {name!r}: {error}") from None
        parameters, buffers = split_state(model)
        objective = Objective.of(self.data)
        chosen = next(batches(seed, len(self.data.x_train), batch_size))
        batch = self.data.x_train[chosen], self.data.y_train[chosen]
        with borrowed(seed, "first pass"):
            plain = first_pass(without_dropout(self.model), parameters, buffers, batch, objective)
        if isinstance(recipe, Default):
            self._require_no_other_values(model, batch, objective)
        return Start(parameters, buffers, plain, batch)

    def _plan(self, recipe: Recipe, model: nn.Module, seed: int) -> Plan:
        """The plan of a recipe, on samples where it reads them."""
        batch = None
        if getattr(recipe, "needs", "model") != "model":
            part = slice(0, _PLANNED_ON)
            objective = Objective.of(self.data)
            batch = Batch(self.data.x_train[part], self.data.y_train[part], objective.loss)
        return planned(recipe, model, batch, seed=seed)

    def _require_no_other_values(
        self, model: nn.Module, batch: tuple[Tensor, Tensor], objective: Objective
    ) -> None:
        """Raise where a model that was built differs from one with its parameters and buffers."""
        with borrowed(0, "own pass"), torch.no_grad():
            own = float(objective.loss(without_dropout(model)(batch[0]), batch[1]))
        with borrowed(0, "own pass"), torch.no_grad():
            state = split_state(model)
            shared = functional_call(
                without_dropout(self.model), {**state[0], **state[1]}, (batch[0],)
            )
            same = float(objective.loss(shared, batch[1]))
        if own != same and not (math.isnan(own) and math.isnan(same)):
            raise ModelError(
                "build draws values that are neither parameters nor buffers (plain attributes), "
                f"so two models of equal weights differ: loss {own:.6g} and {same:.6g}. "
                "Register them with register_buffer"
            )


def split_state(model: nn.Module) -> tuple[State, State]:
    """Parameters that train, and everything else: buffers and frozen parameters."""
    trained = {k: p.detach().clone() for k, p in model.named_parameters() if p.requires_grad}
    frozen = {k: p.detach().clone() for k, p in model.named_parameters() if not p.requires_grad}
    return trained, {**frozen, **{k: b.detach().clone() for k, b in model.named_buffers()}}


def without_dropout(model: nn.Module) -> nn.Module:
    """A copy whose dropout passes everything: for passes that must agree exactly."""
    quiet = copied(model).train()
    for module in quiet.modules():
        if isinstance(module, nn.MultiheadAttention | nn.RNNBase):
            module.dropout = 0.0
        if isinstance(module, nn.modules.dropout._DropoutNd):  # noqa: SLF001 - no public base class
            module.eval()
    return quiet


def make_template(
    build: Build | str, data: Dataset, *, depth: int, width: int, activation: str, batch_size: int
) -> Template:
    """Build the architecture, twice, and find the shape in which it takes the data.

    Raises:
        InputError: ``build`` is a model, not a function that makes one.
        UnknownNameError: no built-in architecture bears the name.
        ModelError: no model is returned, another architecture at each call, or one that
            cannot take or score a batch of the data.
    """
    make, title = _maker(build, data, depth=depth, width=width, activation=activation)
    model = copied(build_under(make, 0)).train()
    require_same_architecture(model, copied(build_under(make, 1)).train())
    formed = in_its_form(model, data, min(batch_size, len(data.x_train)))
    batch = formed.x_train[:batch_size]
    require_no_hidden_state(model, batch)
    size = sum(p.numel() for p in model.parameters())
    title = title or f"{type(model).__name__}, {size:,} parameters"
    return Template(model, make, formed, title, is_stochastic(model, batch))


def _maker(
    build: Build | str, data: Dataset, *, depth: int, width: int, activation: str
) -> tuple[Build, str]:
    """The function that makes a model, and a title where it is built in."""
    if isinstance(build, str):
        if build not in BUILT_IN:
            raise UnknownNameError("architecture", build, BUILT_IN)
        outputs = data.classes or data.y_train.shape[1]
        size = Size(depth, width, activation)
        return (
            partial(mlp, data.shapes[0], outputs, size),
            f"mlp, {depth} hidden layers of {width}, {activation}",
        )
    if isinstance(build, nn.Module):
        raise InputError(
            "build must be a function that returns a new model, got a model. "
            f"Hand over how it is made: lambda: {type(build).__name__}(...)"
        )
    if callable(build):
        return build, ""
    raise InputError(f"build must be a function or a name, got {type(build).__name__}")


def build_under(build: Build, seed: int) -> nn.Module:
    """Call ``build`` with the global generators seeded, and put them back.

    Raises:
        ModelError: it fails, or what it returns is no model, has no parameter that trains, or
            is lazy or not on the CPU.
    """
    try:
        with borrowed(seed, "build"):
            model = build()
    except FaninError:
        raise
    except (Exception, SystemExit) as error:
        text = str(error).strip().partition("\n")[0]
        raise ModelError(f"build failed: {type(error).__name__}: {text}") from error
    if not isinstance(model, nn.Module):
        raise ModelError(f"build must return a torch.nn.Module, got {type(model).__name__}")
    if not any(p.requires_grad for p in model.parameters()):
        raise ModelError("the model that build returns has no parameter that trains")
    for name, parameter in model.named_parameters():
        if is_lazy(parameter):
            raise ModelError(
                f"parameter {name!r} is lazy and has no shape yet; build a model of fixed sizes"
            )
        if parameter.device.type != "cpu":
            raise ModelError(
                f"parameter {name!r} is on {parameter.device}; compare runs on the CPU"
            )
    return model


def require_same_architecture(first: nn.Module, second: nn.Module) -> None:
    """Raise unless two builds have the same modules, parameters and buffers.

    Raises:
        ModelError: naming the first difference.
    """
    ours, theirs = _shapes(first), _shapes(second)
    for name in [*ours, *theirs]:
        if ours.get(name) != theirs.get(name):
            raise ModelError(
                f"build returns another architecture at each call: {name!r} has shape "
                f"{ours.get(name, 'none')} in one and {theirs.get(name, 'none')} in the next. "
                "All runs of a comparison share one architecture"
            )
    if repr(first) != repr(second):
        raise ModelError(
            "build returns another architecture at each call: the modules of two models differ "
            f"({_first_difference(repr(first), repr(second))})"
        )


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    tensors = [*model.named_parameters(), *model.named_buffers()]
    return {name: tuple(tensor.shape) for name, tensor in tensors}


def _first_difference(one: str, other: str) -> str:
    pairs = zip(one.splitlines(), other.splitlines(), strict=False)
    return next((f"{a.strip()} / {b.strip()}" for a, b in pairs if a != b), "their number")
