"""Recipes made of another recipe: its weights times a factor, single parameters replaced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import attrs
from torch import nn

from fanin.errors import ModelError
from fanin.observation import observe
from fanin.recipes.assembling import Choice, assembled
from fanin.recipes.by_pattern import Patterns, as_patterns, as_text, taken
from fanin.recipes.catalogue import as_recipe
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Part
from fanin.recipes.reading.matched import listed, matched, require_matches, require_pattern
from fanin.recipes.recipe import Batch, Recipe, needed_by, planned
from fanin.schemes import scaled, zeros
from fanin.schemes.scheme import as_float


def _a_factor(_: object, __: attrs.Attribute[float], value: float) -> None:
    scaled(zeros(), value)  # refuses what is no factor, in its own words


def _a_pattern(_: object, __: attrs.Attribute[str], value: object) -> None:
    require_pattern(value)


@attrs.frozen
class scale:
    """A recipe whose weights and tables are multiplied by a factor.

    Biases and norms are as the recipe has them, and so are the factors of its learning rates.

    Args:
        recipe: the recipe, or its name, or anything that counts as one.
        factor: 0 or more.
        only: a pattern of parameter names; other weights are left as the recipe has them.

    Raises:
        InputError: no recipe, a factor that is negative or no number, or no pattern.

    Example:
        >>> from torch import nn
        >>> net = nn.Sequential(nn.Linear(50, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> plan = scale("he_normal", 0.5, only="2.*").plan(net)
        >>> [round(row.std, 2) for row in plan.rows]
        [0.2, 0.0, 0.25, 0.0]
    """

    recipe: Recipe = attrs.field(converter=as_recipe)
    factor: float = attrs.field(converter=as_float, validator=_a_factor)
    only: str = attrs.field(default="*", validator=_a_pattern)

    @property
    def needs(self) -> str:
        """What a plan is made from: "model", "inputs" or "targets"."""
        return needed_by(self.recipe)

    def __str__(self) -> str:
        only = "" if self.only == "*" else f", only={self.only!r}"
        return f"scale({self.recipe}, {self.factor:g}{only})"

    def plan(
        self,
        model: nn.Module,
        inputs: object = None,
        targets: object = None,
        *,
        loss: Callable[..., Any] | None = None,
        seed: int = 0,
    ) -> Plan:
        """The plan of the recipe with its weights scaled; the model is only read.

        Args:
            model: any ``torch.nn.Module`` that the recipe applies to.
            inputs: a batch, as ``fanin.observe`` takes it, where the recipe reads one.
            targets: for the loss.
            loss: ``loss(outputs, targets)`` of one number.
            seed: of the weights that the recipe measures.

        Raises:
            ModelError: the pattern matches no weight that the recipe draws, or what the recipe
                raises.
            InputError: the recipe needs inputs and there are none.
        """
        require_matches(str(self), [self.only], model)
        plan = planned(self.recipe, model, Batch(inputs, targets, loss), seed=seed)
        anatomy = None
        if inputs is not None:
            anatomy = Anatomy(model, observe(model, inputs, targets, loss=loss))
        names = set(matched(self.only, model))
        chosen = [r for r in plan.rows if r.parameter in names and _is_weight(r, anatomy)]
        if not chosen:
            raise ModelError(
                f"{self}: the pattern {self.only!r} matches no weight that {self.recipe} draws, "
                f"only {listed(sorted(names))}. Take a pattern of weights, or "
                "recipes.override to set these"
            )
        left = names.intersection((*plan.kept, *plan.unmatched))
        notes = [f"{listed(sorted(left))} keep their values and are not scaled"] if left else []
        made = plan.replaced(
            replace(
                row,
                scheme=scaled(row.scheme, self.factor),
                reason=f"{row.reason}; times {self.factor:g}",
                predicted=None,
                measured=None,
                gradient=None,
            )
            for row in chosen
        )
        return replace(made, recipe=str(self), notes=(*plan.notes, *notes))


def _is_weight(row: Row, anatomy: Anatomy | None) -> bool:
    # A layout of another shape is that of the weight beside a bias, which the recipe goes by.
    if row.layout is not None and row.layout.shape == row.shape:
        return True
    weights = {Part.WEIGHT, Part.TABLE, Part.MAGNITUDE}
    return anatomy is not None and anatomy.part(row.parameter) in weights


@attrs.frozen
class override:
    """A recipe in which some parameters get something else.

    Args:
        recipe: the recipe, or its name, or anything that counts as one.
        patterns: names or patterns of names to schemes, recipes, names of either, or "keep" to
            leave the parameter as it is; the first that matches counts. Schemes and recipes act
            as they do in a mapping that is given as a recipe.

    Raises:
        InputError: no recipe, no mapping, or a value in it that is no recipe.
        UnknownNameError: a name that is misspelt.

    Example:
        >>> from torch import nn
        >>> net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> plan = override("he_normal", {"2.weight": "zeros"}).plan(net)
        >>> [row.scheme for row in plan.rows if "weight" in row.parameter]
        [he_normal(), zeros()]
    """

    recipe: Recipe = attrs.field(converter=as_recipe)
    patterns: Patterns = attrs.field(converter=as_patterns)

    @property
    def needs(self) -> str:
        """What a plan is made from: "model", "inputs" or "targets"."""
        return needed_by(self.recipe, *(recipe for _, recipe in self.patterns))

    def __str__(self) -> str:
        return f"override({self.recipe}, {{{as_text(self.patterns)}}})"

    def plan(
        self,
        model: nn.Module,
        inputs: object = None,
        targets: object = None,
        *,
        loss: Callable[..., Any] | None = None,
        seed: int = 0,
    ) -> Plan:
        """The plan of the recipe with these parameters replaced; the model is only read.

        Args:
            model: any ``torch.nn.Module`` that the recipes apply to.
            inputs: a batch, as ``fanin.observe`` takes it, where a recipe reads one.
            targets: for the loss.
            loss: ``loss(outputs, targets)`` of one number.
            seed: of the weights that a recipe measures.

        Raises:
            ModelError: a pattern matches no parameter, or what a recipe raises.
            InputError: a recipe needs inputs and there are none.
        """
        require_matches(str(self), (pattern for pattern, _ in self.patterns), model)
        choices, notes = taken(self.patterns, model)
        replaced = {name for choice in choices for name in choice.names}
        every = tuple(name for name, _ in model.named_parameters())
        rest = tuple(name for name in every if name not in replaced)
        base = Choice(str(self.recipe), self.recipe, rest, every, whole=True)
        batch = Batch(inputs, targets, loss)
        return assembled(str(self), (*choices, base), model, batch, seed=seed, notes=notes)
