"""A whole model: a recipe is a pure function from a model to a plan; one writer applies it."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from fanin.recipes.as_constructed import Default
from fanin.recipes.catalogue import RecipeLike, as_recipe, init_
from fanin.recipes.one_scheme import OneScheme
from fanin.recipes.plan import Plan
from fanin.recipes.recipe import Recipe
from fanin.recipes.row import Row
from fanin.schemes import ALIASES, SCHEMES
from fanin.schemes.catalogue import factory, names

__all__ = ["Default", "OneScheme", "Plan", "Recipe", "RecipeLike", "Row", "as_recipe", "init_"]

default = Default


def __getattr__(name: str) -> Callable[..., OneScheme]:
    """``recipes.he_normal(...)``: the scheme of that name as a recipe."""
    key = ALIASES.get(name, name)
    if name.startswith("_"):
        raise AttributeError(f"module 'fanin.recipes' has no attribute {name!r}")
    if key in SCHEMES or key in names():
        return lambda *arguments, **named: OneScheme(factory(key)(*arguments, **named))
    near = difflib.get_close_matches(name, [*names(), *ALIASES, "default"], n=3, cutoff=0.5)
    offer = f". Did you mean {' or '.join(near)}?" if near else ""
    raise AttributeError(f"module 'fanin.recipes' has no recipe {name!r}{offer}")
