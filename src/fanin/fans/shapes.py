"""Checks of shapes, and the numbers in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral

from fanin.errors import FanError


def axes_of(op: str, shape: Sequence[int], count: int, meaning: str) -> tuple[int, ...]:
    """The sizes of a shape that has so many axes.

    Raises:
        FanError: it has another number of them.
    """
    sizes = sizes_of(op, shape)
    if len(sizes) != count:
        raise FanError(f"the weight of {op} has shape {meaning}, got {tuple(shape)}")
    return sizes


def sizes_of(op: str, shape: Sequence[int]) -> tuple[int, ...]:
    """The shape as a tuple of Python's integers.

    Raises:
        FanError: it is none.
    """
    if not isinstance(shape, Sequence) or not all(
        isinstance(size, Integral) and size >= 0 for size in shape
    ):
        raise FanError(f"the shape of {op}'s weight must be a tuple of sizes, got {shape!r}")
    return tuple(int(size) for size in shape)


def whole(fan: float) -> float:
    """A fan that is whole but for rounding as an integer, another as it is."""
    nearest = round(fan)
    return nearest if math.isclose(fan, nearest, rel_tol=1e-12) else fan
