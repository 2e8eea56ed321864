"""All exercises, from easy to hard."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Final

from fanin.guide.exercises.exercise import Exercise, require_known

NAMES: Final = (
    "zeros",
    "constant",
    "head",
    "saturated",
    "small",
    "dead",
    "depth",
    "copies",
    "inputs",
    "half",
    "residual",
    "depthwise",
    "tied",
    "lora",
    "memory",
)
"""Modules of this package, in the order of their numbers, from 1."""


@lru_cache(maxsize=1)
def exercises() -> tuple[Exercise, ...]:
    """All exercises in the order of their numbers, the first being number 1."""
    return tuple(import_module(f"{__package__}.{name}").EXERCISE for name in NAMES)


def number_of(which: str) -> int:
    """The number of an exercise, from 1, by number or name.

    Raises:
        InputError: there is none.
    """
    return require_known(exercises(), which)
