"""All recipes by name, and the verb that applies one."""

from __future__ import annotations

from torch import nn

from fanin.errors import InputError, UnknownNameError
from fanin.recipes.as_constructed import Default
from fanin.recipes.one_scheme import OneScheme
from fanin.recipes.recipe import Recipe
from fanin.schemes import ALIASES, Scheme, by_name, names

RecipeLike = str | Recipe | Scheme
"""What every place that takes a recipe takes: a text, a recipe, or a scheme."""


def as_recipe(recipe: RecipeLike) -> Recipe:
    """The recipe that a text names; a scheme becomes the recipe that puts it on every weight.

    Args:
        recipe: ``"default"``, the name of a scheme (``"he_normal"``), a name with its
            argument (``"normal:0.01"``), a scheme, or a recipe.

    Raises:
        UnknownNameError: no recipe bears the name; the nearest are offered.
        InputError: an argument that the scheme does not take, or no recipe at all.

    Example:
        >>> as_recipe("normal:0.01"), as_recipe("default")
        (OneScheme(scheme=normal(std=0.01)), Default())
    """
    if isinstance(recipe, type):
        raise InputError(
            f"{recipe.__name__} is a class; call it, e.g. {recipe.__name__}(), to get a recipe"
        )
    if isinstance(recipe, str):
        return _named(recipe)
    if isinstance(recipe, Recipe):
        return recipe
    if isinstance(recipe, Scheme):
        return OneScheme(recipe)
    raise InputError(
        f"a recipe is a name such as 'he_normal' or 'normal:0.01', a scheme or a recipe; "
        f"got {type(recipe).__name__}"
    )


def _named(text: str) -> Recipe:
    name = text.strip().lower()
    if name == "default":
        return Default()
    try:
        return OneScheme(by_name(text))
    except UnknownNameError:
        raise UnknownNameError("recipe", text, ["default", *names(), *ALIASES]) from None


def init_(model: nn.Module, recipe: RecipeLike, *, seed: int = 0) -> nn.Module:
    """Initialise a whole model in place, all or nothing, and return it.

    Every parameter is drawn from the noise of (seed, its name): adding a layer changes no
    other, and torch's generators are not touched. Buffers are left alone.

    Args:
        model: any ``torch.nn.Module`` whose parameters the recipe knows.
        recipe: a name (``"he_normal"``, ``"normal:0.01"``, ``"default"``), a scheme or a
            recipe.
        seed: an integer.

    Returns:
        The model.

    Raises:
        UnknownNameError: the recipe is misspelt.
        ModelError: a parameter that is unknown, no float, on the meta device or lazy; the
            model then has the bits that it had before.

    Example:
        >>> import torch, fanin
        >>> net = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
        >>> deeper = torch.nn.Sequential(*net, torch.nn.ReLU(), torch.nn.Linear(2, 2))
        >>> before = fanin.init_(net, "he_normal", seed=1)[2].weight.clone()
        >>> bool((fanin.init_(deeper, "he_normal", seed=1)[2].weight == before).all())
        True
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    return as_recipe(recipe).plan(model).init_(model, seed)
