"""A whole model: a recipe is a pure function from a model to a plan; one writer applies it."""

from __future__ import annotations

from fanin.recipes.catalogue import RecipeLike, as_recipe, init_
from fanin.recipes.default import Default
from fanin.recipes.one_scheme import OneScheme
from fanin.recipes.plan import Plan
from fanin.recipes.recipe import Recipe
from fanin.recipes.row import Row

__all__ = ["Default", "OneScheme", "Plan", "Recipe", "RecipeLike", "Row", "as_recipe", "init_"]
