"""The arguments of ``compare``, read and checked: what is to be run, and how."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real

import torch

from fanin.ensembles import optimizers
from fanin.ensembles.training import Settings
from fanin.errors import InputError
from fanin.noise.streams import checked_seed
from fanin.recipes import Recipe, RecipeLike, as_recipe


@dataclass(frozen=True, slots=True)
class Entrant:
    """One recipe of a comparison: as it was given, as text, and itself."""

    given: RecipeLike
    name: str
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class Grid:
    """What is to be run: each recipe on each seed at each rate."""

    entrants: tuple[Entrant, ...]
    seeds: tuple[int, ...]
    rates: tuple[float, ...]


def entrants(recipes: Sequence[RecipeLike]) -> tuple[Entrant, ...]:
    """The recipes with their names.

    Raises:
        InputError: no list, an empty one, or one recipe twice.
        UnknownNameError: a name that no recipe bears.
    """
    if isinstance(recipes, str) or not isinstance(recipes, Sequence):
        raise InputError(f"recipes must be a list, e.g. ['zeros', 'he_normal'], got {recipes!r}")
    if not recipes:
        raise InputError("recipes is empty; name at least one, e.g. 'he_normal'")
    found: list[Entrant] = []
    for given in recipes:
        recipe = as_recipe(given)
        name = given if isinstance(given, str) else str(recipe)
        if name in [other.name for other in found]:
            raise InputError(f"recipe {name!r} is given twice")
        found.append(Entrant(given, name, recipe))
    return tuple(found)


def seeds(given: int | Iterable[int]) -> tuple[int, ...]:
    """0, 1, ... up to a number, or the seeds that are listed, each once.

    Raises:
        InputError: no integers, or none at all.
    """
    if isinstance(given, Integral) and not isinstance(given, bool):
        given = range(int(given))
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InputError(f"seeds must be an integer, or a list of them, got {given!r}")
    listed = tuple(dict.fromkeys(checked_seed(seed) for seed in given))
    if not listed:
        raise InputError("seeds must name at least one seed")
    return listed


def rates(given: Sequence[float] | None, optimizer: str) -> tuple[float, ...]:
    """The learning rates, each once; None for those that suit the optimizer.

    Raises:
        UnknownNameError: no optimizer bears the name.
        InputError: no list, an empty one, or a rate that is not positive and finite.
    """
    optimizers.make(optimizer, torch.zeros(1))
    if given is None:
        return optimizers.DEFAULT_RATES[optimizer]
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InputError(f"learning_rates must be a list, e.g. (0.01, 0.1), got {given!r}")
    listed = tuple(dict.fromkeys(_positive("a learning rate", rate) for rate in given))
    if not listed:
        raise InputError("learning_rates is empty; give at least one, e.g. (0.1,)")
    return listed


def settings(steps: int, batch_size: int, optimizer: str) -> Settings:
    """How every run is trained.

    Raises:
        InputError: steps or batch size that are no positive integers.
    """
    return Settings(_count("steps", steps), _count("batch_size", batch_size), optimizer)


def level(given: float | None, uninformed_loss: float) -> float:
    """The training loss whose reaching is counted; None for half the uninformed loss.

    Raises:
        InputError: no positive number.
    """
    return uninformed_loss / 2 if given is None else _positive("level", given)


def _count(what: str, value: object) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or operator.index(value) < 1:
        raise InputError(f"{what} must be a positive integer, got {value!r}")
    return operator.index(value)


def _positive(what: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(f"{what} must be a number, got {value!r}")
    if not 0 < float(value) < math.inf:
        raise InputError(f"{what} must be positive and finite, got {float(value)}")
    return float(value)
