"""Values that are packed with queries and keys in one weight, and are drawn apart from them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Literal

import attrs

from fanin.errors import ModelError
from fanin.fans import Layout, packed
from fanin.observation.records import Use
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy
from fanin.schemes import AbstractScheme, blocks, normal, uniform, xavier_normal, xavier_uniform

Law = Literal["normal", "uniform"]


@attrs.frozen
class Cut:
    """A run of outputs of a packed weight.

    Args:
        size: how many.
        is_value: they are values.
        fan_out: of the weight that they are, or are a part of.
    """

    size: int
    is_value: bool
    fan_out: float


def roles(anatomy: Anatomy, name: str) -> frozenset[str]:
    """What a weight makes in attention, over all its uses."""
    joined = (use.attention for use in anatomy.uses_of(name) if use.role == "weight")
    return frozenset(role for one in joined if one for role in one.split("+"))


def are_packed(anatomy: Anatomy, name: str) -> bool:
    """A weight makes values beside queries or keys."""
    return "value" in roles(anatomy, name) and bool(roles(anatomy, name) & {"query", "key"})


def cuts(layout: Layout, values: Collection[int]) -> tuple[Cut, ...]:
    """The runs of a packed weight: its blocks, where they are known, and its values.

    Where blocks are not known, as heads hold queries and keys in turn or rotate them, these
    have the mean of their fan_out, which is that of both unless queries are grouped.

    Args:
        layout: of the weight.
        values: which of its outputs are values.
    """
    size = layout.shape[layout.out_axes[0]]
    edges = {0, *itertools.accumulate(layout.blocks)}
    starts = [
        unit
        for unit in range(size)
        if unit in edges or unit == 0 or (unit in values) != (unit - 1 in values)
    ]
    made = []
    for start, stop in itertools.pairwise([*starts, size]):
        is_value = start in values
        others = float(stop - start) if layout.blocks else (size - len(values)) / 2
        made.append(Cut(stop - start, is_value, float(len(values)) if is_value else others))
    return tuple(made)


def xavier(gain: float, law: Law) -> AbstractScheme:
    """Xavier's scheme of one weight."""
    return xavier_normal(gain=gain) if law == "normal" else xavier_uniform(gain=gain)


def packed_row(
    anatomy: Anatomy,
    use: Use,
    values: Collection[int] | None,
    gain: Callable[[bool], float],
    *,
    law: Law,
    recipe: str,
    reason: str,
    source: str,
) -> Row:
    """Xavier for each of the weights that are packed in one tensor.

    Args:
        anatomy: of the model.
        use: of the weight.
        values: which of its outputs are values; None where that is not known.
        gain: Xavier's, of values (True) and of queries and keys (False).
        law: of one element.
        recipe: its name, for the message.
        reason: of the row.
        source: of the row.

    Raises:
        ModelError: it is not known which outputs are values.
    """
    layout = use.layout
    if layout is None or not values or len(layout.out_axes) != 1:
        raise ModelError(
            f"recipe {recipe!r} scales values and not queries and keys, and the pass did not show "
            f"which outputs of {use.parameter!r} are values. Give query, key and value weights of "
            "their own"
        )
    runs = cuts(layout, values)

    def scheme(run: Cut) -> AbstractScheme:
        std = gain(run.is_value) * math.sqrt(2 / (layout.fan_in + run.fan_out))
        return (
            normal(std=std) if law == "normal" else uniform(-math.sqrt(3) * std, math.sqrt(3) * std)
        )

    sizes = tuple(run.size for run in runs)
    size = layout.shape[layout.out_axes[0]]
    apart = packed(replace(layout, blocks=(), fan_out=size), sizes)
    row = anatomy.row(use.parameter, blocks(*map(scheme, runs), sizes=sizes), reason, source)
    return replace(row, layout=apart)
