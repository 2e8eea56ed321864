"""Layouts of tables that are looked up."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Literal

from fanin.errors import FanError
from fanin.fans.layout import Layout
from fanin.fans.shapes import axes_of, whole


def embedding(shape: Sequence[int]) -> Layout:
    """A table of shape (rows, width) that is looked up: each output copies one number.

    fan_in = 1, fan_out = width.

    Raises:
        FanError: the shape has not two axes.
    """
    rows, width = axes_of("embedding", shape, 2, "(rows, width)")
    return Layout("embedding", (rows, width), 1, width, (1,), (0,))


def embedding_bag(
    shape: Sequence[int], mode: Literal["mean", "sum", "max"] = "mean", *, bag: float
) -> Layout:
    """A table of shape (rows, width) of which bags of different rows are summed or averaged.

    fan_in = bag for the sum and 1 / bag for the mean, bag the number of rows in one; where
    it varies, its mean for the sum and its harmonic mean for the mean. fan_out = width.

    Raises:
        FanError: the shape has not two axes, a mode that sums nothing, or an empty bag.

    Example:
        >>> embedding_bag((1000, 64), "mean", bag=4).fan_in
        0.25
    """
    rows, width = axes_of("embedding_bag", shape, 2, "(rows, width)")
    where = f"embedding_bag's weight of shape {(rows, width)}"
    if mode == "max":
        raise FanError(
            f"no fan_in for {where} with mode='max': a maximum sums no products. Give a scheme "
            "without fans, e.g. normal(std=1)"
        )
    if mode not in ("mean", "sum"):
        raise FanError(f"mode of {where} must be 'mean' or 'sum', got {mode!r}")
    if not isinstance(bag, Real) or not 0 < bag < float("inf"):
        raise FanError(f"bag of {where} must be a positive number of rows, got {bag!r}")
    fan_in = float(bag) if mode == "sum" else 1 / float(bag)
    return Layout("embedding_bag", (rows, width), whole(fan_in), width, (1,), (0,))
