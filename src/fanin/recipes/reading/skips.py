"""Parameters that scale the signal on its way past a residual branch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fanin.observation.tracing import Trace
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Part
from fanin.schemes import constant


def gates_on_skips(anatomy: Anatomy, traced: Trace) -> dict[int, tuple[str, ...]]:
    """The trainable factors on the skip past a branch, by the branch's index; where there are."""
    gates = set(anatomy.of(Part.GATE))
    found: dict[int, tuple[str, ...]] = {}
    for branch in anatomy.branches:
        names = [one for one in traced.joins[branch.index].skip.parameters if one in gates]
        if names:
            found[branch.index] = tuple(names)
    return found


def set_on_skips(
    anatomy: Anatomy,
    traced: Trace,
    gates: Mapping[int, tuple[str, ...]],
    values: Mapping[int, float],
    source: str,
) -> Iterator[Row]:
    """Rows that multiply skips by some values, by the branch's index.

    What forward code multiplies the skip by, and divides the branch by, is counted in; of
    several factors the first is set and the others are 1.
    """
    for index, names in gates.items():
        join = traced.joins[index]
        there = (join.skip.factor or 1.0) / (join.branch.factor or 1.0)
        reason = f"the skip times {values[index]:.5g}"
        for place, name in enumerate(names):
            value = values[index] / there if place == 0 else 1.0
            yield anatomy.row(name, constant(value), reason, source)
