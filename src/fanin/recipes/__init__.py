"""A whole model: a recipe is a pure function from a model to a plan; one writer applies it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fanin.errors import UnknownNameError
from fanin.recipes.as_constructed import Default
from fanin.recipes.by_pattern import ByPattern
from fanin.recipes.catalogue import (
    RecipeLike,
    as_recipe,
    init_,
    recipe_factory,
    recipe_names,
)
from fanin.recipes.composed import override, scale
from fanin.recipes.one_scheme import OneScheme
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Part
from fanin.recipes.recipe import AbstractRecipe, Batch, ObservedRecipe, Recipe, planned
from fanin.recipes.recommending import recommend
from fanin.schemes import ALIASES, SCHEMES
from fanin.schemes.catalogue import factory, names

__all__ = [
    "AbstractRecipe",
    "Anatomy",
    "Batch",
    "ByPattern",
    "Default",
    "ObservedRecipe",
    "OneScheme",
    "Part",
    "Plan",
    "Recipe",
    "RecipeLike",
    "Row",
    "as_recipe",
    "init_",
    "override",
    "planned",
    "recipe_factory",
    "recipe_names",
    "recommend",
    "scale",
]

default = Default


def __getattr__(name: str) -> Callable[..., Any]:
    """``recipes.gpt2()``, ``recipes.he_normal(...)``: the recipe, or the scheme as one."""
    if name.startswith("_"):
        raise AttributeError(f"module 'fanin.recipes' has no attribute {name!r}")
    if name in recipe_names():
        return recipe_factory(name)
    key = ALIASES.get(name, name)
    if key in SCHEMES or key in names():
        return lambda *arguments, **named: OneScheme(factory(key)(*arguments, **named))
    near = UnknownNameError("recipe", name, [*recipe_names(), *names(), *ALIASES]).near
    offer = f". Did you mean {' or '.join(near)}?" if near else ""
    raise AttributeError(f"module 'fanin.recipes' has no recipe {name!r}{offer}")
