"""What every recipe is: a pure function from a model, and what it learns from, to a plan."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Protocol, runtime_checkable

import attrs
from torch import nn

from fanin.errors import InputError
from fanin.observation import observe
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy


@runtime_checkable
class Recipe(Protocol):
    """How a whole model is initialised. Whatever offers this is a recipe.

    ``str(recipe)`` is the text that names it. A recipe that reads more than the model takes
    ``inputs``, ``targets``, ``loss`` and ``seed`` as fanin's own do.
    """

    def plan(self, model: nn.Module) -> Plan:
        """One row per parameter; the model is only read.

        Raises:
            ModelError: the recipe does not apply, naming the part.
        """
        ...


@attrs.frozen
class Batch:
    """What a recipe may look at beside the model.

    Args:
        inputs: as ``fanin.observe`` takes them; None where there are none.
        targets: for the loss.
        loss: ``loss(outputs, targets)``.
    """

    inputs: object = None
    targets: object = None
    loss: Callable[..., Any] | None = None


def planned(recipe: Recipe, model: nn.Module, batch: Batch | None = None, *, seed: int = 0) -> Plan:
    """The plan of a recipe for a model; the batch goes to those recipes that take one.

    Raises:
        InputError: the recipe needs inputs and there are none.
        ModelError: it does not apply to the model.
    """
    taken = inspect.signature(recipe.plan).parameters
    batch = batch or Batch()
    given = {"inputs": batch.inputs, "targets": batch.targets, "loss": batch.loss, "seed": seed}
    if not any(one.kind is one.VAR_KEYWORD for one in taken.values()):
        given = {name: value for name, value in given.items() if name in taken}
    return recipe.plan(model, **given)


def needed_by(*recipes: object) -> str:
    """What a plan of all of these is made from: "model", "inputs" or "targets"."""
    order = ("model", "inputs", "targets")
    return max((getattr(one, "needs", "model") for one in recipes), key=order.index)


class AbstractRecipe:
    """A recipe of fanin's own kind: frozen, named, cited.

    A subclass is a frozen attrs class that makes its plan in ``plan``, or an
    ``ObservedRecipe``.
    """

    __slots__ = ()

    name: ClassVar[str]
    """As in ``fanin.recipes`` and on the command line."""
    rule: ClassVar[str]
    """What it does, in one line of plain text."""
    use: ClassVar[str]
    """When to take it."""
    citation: ClassVar[str]
    needs: ClassVar[str] = "model"
    """What a plan is made from: "model", "inputs", or "targets" (inputs, targets and loss)."""
    argument: ClassVar[str | None] = None
    """The field that a text such as ``"chrono:784"`` sets."""

    def plan(
        self,
        model: nn.Module,
        inputs: object = None,
        targets: object = None,
        *,
        loss: Callable[..., Any] | None = None,
        seed: int = 0,
    ) -> Plan:
        """One row per parameter; the model is only read.

        Args:
            model: any ``torch.nn.Module``.
            inputs: a batch, as ``fanin.observe`` takes it.
            targets: for the loss.
            loss: ``loss(outputs, targets)`` of one number.
            seed: of the weights that a recipe measures; others do without.

        Raises:
            InputError: it needs inputs and there are none.
            ModelError: the recipe does not apply, naming the part.
        """
        raise NotImplementedError

    def require_inputs(self, inputs: object) -> None:
        """Raise where there are none.

        Raises:
            InputError: naming the recipe and what it reads.
        """
        if inputs is None:
            raise InputError(
                f"recipe {self.name!r} reads how the model uses its parameters from one pass: "
                f"give it a batch, e.g. fanin.init_(model, {self.name!r}, inputs=x)"
            )

    @classmethod
    def from_number(cls, value: float) -> AbstractRecipe:
        """The recipe with its ``argument`` set, as a text such as ``"chrono:784"`` asks."""
        return cls(**{str(cls.argument): value})

    def __str__(self) -> str:
        return repr(self) if "=" in repr(self) else self.name

    def __repr__(self) -> str:
        fields = attrs.fields(type(self))  # type: ignore[arg-type]  # subclasses are attrs classes
        given = (
            f"{f.alias}={getattr(self, f.name)!r}"
            for f in fields
            if getattr(self, f.name) != f.default
        )
        return f"{self.name}({', '.join(given)})"


class ObservedRecipe(AbstractRecipe):
    """A recipe that reads how one pass used each parameter."""

    __slots__ = ()

    needs: ClassVar[str] = "inputs"

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
        return anatomy.planned(str(self), self.rows(anatomy), self.citation)

    def rows(self, anatomy: Anatomy) -> Iterable[Row]:
        """A row for each parameter that the recipe draws.

        Raises:
            ModelError: it does not apply, naming the part.
        """
        raise NotImplementedError
