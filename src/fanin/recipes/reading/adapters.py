"""Low-rank adapters: two weights in series beside a third."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from fanin.observation.records import Step, Use
from fanin.recipes.reading.anatomy import Anatomy


@attrs.frozen
class Pair:
    """Two weights in series beside another.

    Args:
        down: the use of A, which reads what the other weight reads.
        up: the use of B, whose output is added to that of the other weight.
        beside: the name of the other weight.
    """

    down: Use
    up: Use
    beside: str


def pairs_of(anatomy: Anatomy) -> Iterator[Pair]:
    """The pairs, in the order of execution."""
    seen = anatomy.observation
    steps = {step.name: step for step in seen.steps}
    before: dict[str, list[str]] = {}
    for edge in seen.edges:
        before.setdefault(edge.target, []).append(edge.source)
    weights = [use for use in seen.uses if use.role == "weight"]
    uses = {use.signal: use for use in weights if use.signal is not None}
    for join in seen.steps:
        sources = before.get(join.name, [])
        if join.kind != "join" or len(sources) != 2:
            continue
        for up, beside in (sources, reversed(sources)):
            pair = _pair(up, beside, steps, before, uses)
            if pair is not None:
                yield pair


def _pair(
    up: str,
    beside: str,
    steps: Mapping[str, Step],
    before: Mapping[str, list[str]],
    uses: Mapping[str, Use],
) -> Pair | None:
    b, other = uses.get(up), uses.get(beside)
    sources = before.get(up, [])
    a = uses.get(sources[0]) if len(sources) == 1 else None
    if a is None or b is None or other is None or steps[beside].kind != "weight":
        return None
    if None in (a.layout, b.layout) or a.parameter == b.parameter:
        return None
    assert a.layout is not None and b.layout is not None  # noqa: S101, PT018 - just asked
    plain = b.source is not None and b.source.gain == 1 and not b.source.ops
    narrow = b.layout.fan_in < min(a.layout.fan_in, b.layout.fan_out)
    same = before.get(sources[0], []) == before.get(beside, [])
    return Pair(a, b, other.parameter) if plain and narrow and same else None
