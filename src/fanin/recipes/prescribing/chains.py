"""Plain chains: weights that feed each other through elementwise functions alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import cached_property

import attrs

from fanin.observation.records import Response, Use
from fanin.recipes.reading.anatomy import Anatomy

_GROWTH = math.log(4.0)
"""Of the mean square of gradients along a chain: what it may gain or lose."""

_LONG = 10
"""From so many weights on, pairs of opposite sign pay for the units that they cost."""


@attrs.frozen
class Link:
    """How one weight of a chain is to be drawn.

    Args:
        q: second moment of what it puts out.
        gain: of its input's function at that second moment.
        reads_pairs: its inputs come in pairs of opposite sign.
        writes_pairs: its outputs do.
        length: weights in the chain.
        sensitivity: factor of the mean square of gradients at the function before it.
    """

    q: float
    gain: float
    reads_pairs: bool = False
    writes_pairs: bool = False
    length: int = 1
    sensitivity: float = 1.0


class Chains:
    """The chains of a model.

    Args:
        anatomy: of the model.
    """

    def __init__(self, anatomy: Anatomy) -> None:
        self._anatomy = anatomy
        self._by_name = {use.parameter: use for use in anatomy.weights}

    @cached_property
    def _next(self) -> Mapping[str, str]:
        """Weight -> the only thing that it feeds, where that is a weight which it alone feeds."""
        found = {}
        for name, use in self._by_name.items():
            if use.calls > 1 or len(use.regions) != 1 or use.regions[0].ends != "weight":
                continue
            after = self._by_name.get(use.regions[0].at)
            if after is None or after.calls > 1 or after.source is None:
                continue
            if after.source.kind == "weight" and after.source.name == name:
                found[name] = after.parameter
        return found

    @cached_property
    def links(self) -> Mapping[str, Link]:
        """For each weight that is in a chain of two or more."""
        found: dict[str, Link] = {}
        heads = self._next.keys() - set(self._next.values())
        for first in (name for name in self._by_name if name in heads):
            chain = [first]
            while chain[-1] in self._next:
                chain.append(self._next[chain[-1]])
            found |= self._linked(chain)
        return found

    def _linked(self, chain: Sequence[str]) -> Mapping[str, Link]:
        before = [self._responses(name) for name in chain[1:]]
        if not all(before):
            return {}
        pairs = [self._pairs(a, b) for a, b in itertools.pairwise(chain)]
        q, growth = _largest(before, [False] * len(before))
        paired_q, paired_growth = _largest(before, pairs)
        # Pairs where nothing else keeps the gradient, or where the chain is long and the functions
        # are not odd: gradients of units of one sign come to look like noise (Balduzzi, 2017).
        mirrored = any(pairs) and (
            growth > max(_GROWTH, paired_growth)
            or (len(chain) >= _LONG and paired_growth <= max(growth, _GROWTH))
        )
        if mirrored:
            q = paired_q
        used = pairs if mirrored else [False] * len(pairs)
        made = {}
        for place, name in enumerate(chain):
            reads = place > 0 and used[place - 1]
            writes = place < len(used) and used[place]
            answer = _at(before[place - 1], q) if place else None
            gain = chi = 1.0
            if answer is not None:
                gain = answer.mirrored_gain if reads else answer.gain
                chi = answer.mirrored_sensitivity if reads else answer.sensitivity
            made[name] = Link(q, gain, reads, writes, len(chain), chi)
        return made

    def _responses(self, name: str) -> tuple[Response, ...]:
        source = self._by_name[name].source
        return () if source is None else source.responses

    def _pairs(self, first: str, second: str) -> bool:
        """Whether units of the first may come in pairs: the second reads them one for one."""
        one, other = self._by_name[first], self._by_name[second]
        if not (_is_plain(one) and _is_plain(other)):
            return False
        a, b = one.layout, other.layout
        assert a is not None  # noqa: S101 - plain
        assert b is not None  # noqa: S101 - plain
        width = a.shape[a.out_axes[0]]
        response = self._responses(second)[0]
        is_odd = math.isclose(2 * response.mirrored_gain, response.gain, rel_tol=1e-3)
        return (
            width % 2 == 0
            and width == b.shape[b.in_axes[0]]
            and math.isfinite(response.mirrored_gain)
            and not is_odd
            and bool(one.regions[0].ops)
        )


def _is_plain(use: Use) -> bool:
    layout = use.layout
    return (
        layout is not None
        and not layout.blocks
        and layout.groups == 1
        and not layout.batch_axes
        and len(layout.out_axes) == len(layout.in_axes) == 1
        and not any("norm" in op for op in use.through)
    )


def _at(responses: Sequence[Response], q: float) -> Response:
    return next((one for one in responses if one.q == q), responses[-1])


def _largest(before: Sequence[Sequence[Response]], pairs: Sequence[bool]) -> tuple[float, float]:
    """The largest q at which the gradient keeps its scale along the chain, and what it gains.

    Returns:
        q and the sum of the logarithms of the sensitivities, as an absolute value. Where no q
        suits, that with the least.
    """
    best = (1.0, math.inf)
    for at in range(min(len(one) for one in before)):
        total = 0.0
        for answers, paired in zip(before, pairs, strict=True):
            chi = answers[at].mirrored_sensitivity if paired else answers[at].sensitivity
            total += math.log(chi) if chi > 0 else -math.inf
        q = before[0][at].q
        if abs(total) <= _GROWTH:
            return q, abs(total)
        if abs(total) < best[1]:
            best = (q, abs(total))
    return best
