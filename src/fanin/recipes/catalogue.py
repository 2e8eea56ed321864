"""All recipes by name, and the verb that applies one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, TypeVar, Union

from torch import nn

from fanin.errors import InputError, UnknownNameError
from fanin.noise.streams import checked_seed
from fanin.recipes.as_constructed import Default
from fanin.recipes.named import ALIASES as RECIPE_ALIASES
from fanin.recipes.named import NAMED, recipe_class
from fanin.recipes.one_scheme import OneScheme
from fanin.recipes.recipe import Batch, Recipe, planned
from fanin.schemes import ALIASES, Scheme, by_name, names

RecipeLike = Union[str, Recipe, Scheme, Mapping[str, "RecipeLike"]]  # noqa: UP007 - recursive
"""What every place that takes a recipe takes: a text, a recipe, a scheme, or a mapping from
patterns of parameter names to any of these."""

ENTRY_POINTS: Final = "fanin.recipes"
"""The group under which a package registers recipes of its own: name = "package.module:recipe"."""

Factory = Callable[..., Recipe]
AnyModel = TypeVar("AnyModel", bound=nn.Module)


def as_recipe(recipe: RecipeLike) -> Recipe:
    """The recipe that a text names; a scheme becomes the recipe that puts it on every weight.

    Args:
        recipe: ``"default"``, the name of a recipe (``"gpt2"``) or scheme (``"he_normal"``), a
            name with its argument (``"normal:0.01"``), a scheme, a recipe, or a mapping from
            patterns (``{"head.*": "zeros", "*": "he_normal"}``).

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
    if isinstance(recipe, Mapping):
        from fanin.recipes.by_pattern import ByPattern

        return ByPattern(recipe)
    raise InputError(
        f"a recipe is a name such as 'he_normal' or 'normal:0.01', a scheme, a recipe or a "
        f"mapping from patterns of names; got {type(recipe).__name__}"
    )


def recipe_names() -> tuple[str, ...]:
    """Of all recipes but those of one scheme: fanin's, then those that packages registered."""
    own = ("auto", "default", *NAMED)
    return (*own, *(name for name in _registered() if name not in own))


def recipe_factory(name: str) -> Factory:
    """What makes the recipe of a name of ``recipe_names``.

    Raises:
        InputError: a package's recipe cannot be loaded.
    """
    if name == "auto":
        from fanin.recipes.auto import Auto

        return Auto
    if name == "default":
        return Default
    if name in NAMED:
        return recipe_class(name)
    point = _registered()[name]
    package = point.dist.name if point.dist else "another package"
    try:
        made = point.load()
    except Exception as error:
        raise InputError(
            f"recipe {name!r} of {package} ({point.value}) cannot be loaded: {error}"
        ) from error
    if not callable(made):
        raise InputError(f"recipe {name!r} of {package} ({point.value}) cannot be called")
    factory: Factory = made
    return factory


def _registered() -> Mapping[str, EntryPoint]:
    return {point.name.lower(): point for point in entry_points(group=ENTRY_POINTS)}


def _named(text: str) -> Recipe:
    name, colon, argument = text.strip().partition(":")
    key = name.strip().lower().replace("-", "_")
    if not colon:
        key, colon, argument = RECIPE_ALIASES.get(key, key).partition(":")
    key = RECIPE_ALIASES.get(key, key)
    if key in recipe_names():
        return _made(key, recipe_factory(key), argument if colon else None)
    try:
        return OneScheme(by_name(text))
    except UnknownNameError:
        known = [*recipe_names(), *RECIPE_ALIASES, *names(), *ALIASES]
        raise UnknownNameError("recipe", text, known) from None


def _made(name: str, factory: Factory, argument: str | None) -> Recipe:
    word = getattr(factory, "argument", None)
    if argument is None:
        _require_no_arguments(name, factory, word)
        made = factory()
    else:
        if word is not None and hasattr(factory, "from_text"):
            made = factory.from_text(argument)
        elif word is not None and hasattr(factory, "from_number"):
            made = factory.from_number(_number(name, word, argument))
        else:
            raise InputError(f"recipe {name!r} takes no argument, got '{name}:{argument}'")
    if isinstance(made, type) or not isinstance(made, Recipe):
        raise InputError(f"recipe {name!r} made a {type(made).__name__}, which is no recipe")
    return made


def _number(name: str, word: str, argument: str) -> float:
    try:
        return float(argument)
    except ValueError:
        raise InputError(
            f"the {word} of recipe {name!r} must be a number, got {argument!r}"
        ) from None


def _require_no_arguments(name: str, factory: Factory, word: str | None) -> None:
    needed = [
        one.name
        for one in inspect.signature(factory).parameters.values()
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]
    if needed == [word]:
        raise InputError(f"recipe {name!r} needs its {word}, e.g. '{name}:0.1'")
    if needed:
        raise InputError(
            f"recipe {name!r} needs {' and '.join(needed)}, which a text cannot give: "
            f"fanin.recipes.{name}({', '.join(f'{one}=...' for one in needed)})"
        )


def init_(
    model: AnyModel,
    recipe: RecipeLike = "auto",
    *,
    inputs: object = None,
    targets: object = None,
    loss: Callable[..., Any] | None = None,
    seed: int = 0,
    unmatched: str = "error",
) -> AnyModel:
    """Initialise a whole model in place, all or nothing, and return it.

    Every parameter is drawn from the noise of (seed, its name): adding a layer changes no
    other, and torch's generators are not touched. Buffers are left alone.

    Args:
        model: any ``torch.nn.Module`` whose parameters the recipe knows.
        recipe: a name (``"auto"``, ``"gpt2"``, ``"he_normal"``, ``"normal:0.01"``), a scheme, a
            recipe, or a mapping from patterns of parameter names to these, of which the first
            that matches counts. ``"auto"`` is ``fanin.recommend`` on the inputs.
        inputs: a batch, as ``fanin.observe`` takes it, for recipes that read how the model uses
            its parameters, or measure.
        targets: for the loss.
        loss: ``loss(outputs, targets)`` of one number.
        seed: an integer.
        unmatched: "error", or "keep" to leave parameters of which the recipe does not know how
            they should start as they are.

    Returns:
        The model.

    Raises:
        UnknownNameError: the recipe is misspelt.
        InputError: the recipe needs inputs and there are none.
        ModelError: a parameter that is unknown, no float, on the meta device or lazy, or a
            part that the recipe does not apply to; the model then has the bits that it had
            before.

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
    checked_seed(seed)
    checked_seed(seed)
    batch = Batch(inputs, targets, loss)
    plan = planned(as_recipe(recipe), model, batch, seed=seed)
    plan.init_(model, seed, unmatched=unmatched)
    return model
