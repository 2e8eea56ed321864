"""Gated units, w2(phi(w1 x) * w3 x): which weight makes the factor without an activation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fanin.observation.records import Branch, Use
from fanin.recipes.reading.anatomy import Anatomy


def linear_factors(anatomy: Anatomy, last: Mapping[str, Branch]) -> dict[str, Branch]:
    """The weights w3 of the gated units that end in some weights, with their branches.

    Args:
        anatomy: of the model.
        last: the weights w2.
    """
    ways = anatomy.residual.ways
    names = {use.signal: use.parameter for use in anatomy.weights}
    found: dict[str, Branch] = {}
    for use, branch in _ends(anatomy, last):
        source = use.source
        if source is None or source.kind != "join" or ways.steps[source.name].op != "mul":
            continue
        edges = [edge for edge in ways.edges[source.name] if edge.source in names]
        plain = [edge for edge in edges if not edge.ops]
        if len(edges) == 2 and len(plain) == 1:
            found[names[plain[0].source]] = branch
    return found


def packed_factors(anatomy: Anatomy, last: Mapping[str, Branch]) -> tuple[str, ...]:
    """The weights that hold w1 and w3 together."""
    uses = {use.signal: use for use in anatomy.weights}
    found = []
    for use, _ in _ends(anatomy, last):
        source = use.source
        if source is None or source.kind != "weight" or len(source.ops) < 2:
            continue
        before = uses.get(source.name)
        if before is None or before.layout is None or source.ops[-1] != "mul":
            continue
        layout = before.layout
        if layout.out_axes and layout.shape[layout.out_axes[0]] == 2 * (use.fan_in or 0):
            found.append(before.parameter)
    return tuple(found)


def _ends(anatomy: Anatomy, last: Mapping[str, Branch]) -> Iterator[tuple[Use, Branch]]:
    for use in anatomy.weights:
        if use.parameter in last:
            yield use, last[use.parameter]
