"""What a residual branch adds: which weights put it out, and how many signals are summed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from fanin.observation.records import Branch, Edge
from fanin.recipes.reading.ways import Ways

_ADDING: Final = frozenset({"add", "sub", "rsub", "lerp", "addcmul", "baddbmm", "addmm"})
_MULTIPLYING: Final = frozenset({"mul", "div", "rdiv"})


@attrs.frozen
class Added:
    """What a branch adds to its stream.

    Args:
        weights: the steps of the weights that put it out, in no order.
        number: how many signals are summed; experts that share out the tokens, or that a softmax
            weighs, are one.
        weighed: a softmax weighs it.
    """

    weights: frozenset[str] = frozenset()
    number: int = 0
    weighed: bool = False


@attrs.frozen
class Summing:
    """Reads what a branch adds off the dataflow.

    Args:
        ways: the dataflow.
    """

    ways: Ways

    def entry(self, branch: Branch) -> str:
        """The step of a branch that its join reads."""
        weights = set(branch.weights)
        sources = self.ways.before.get(branch.join, ())
        for source in sources:
            behind = self.ways.first_weights(source, self.ways.before, branch.start) | {source}
            if source != branch.start and behind & weights:
                return source
        return sources[-1] if sources else branch.join

    def added(self, branch: Branch) -> Added:
        """By a branch to its stream."""
        weights = set(branch.weights)
        inner = self._inside(branch)
        known: dict[str, Added] = {}
        waiting = [self.entry(branch)]
        while waiting:
            at = waiting[-1]
            missing = [
                one
                for one in self.ways.before.get(at, ())
                if one in inner and one not in known and at not in weights
            ]
            if missing:
                waiting.extend(missing)
                continue
            waiting.pop()
            known[at] = self._added_at(at, weights, known)
        return known[self.entry(branch)]

    def _inside(self, branch: Branch) -> set[str]:
        """The steps after the start that lead to the join by way of the branch."""
        first = self.ways.order.get(branch.start, -1)
        stack, inner = [self.entry(branch)], {self.entry(branch)}
        while stack:
            for one in self.ways.before.get(stack.pop(), ()):
                if self.ways.order.get(one, -1) > first and one not in inner:
                    inner.add(one)
                    stack.append(one)
        return inner

    def _added_at(self, at: str, weights: set[str], known: Mapping[str, Added]) -> Added:
        if at in weights:
            return Added(frozenset({at}), 1)
        step = self.ways.steps.get(at)
        ways = [
            (edge, known[edge.source])
            for edge in self.ways.edges.get(at, ())
            if edge.source in known and known[edge.source].weights
        ]
        if not ways:
            return Added()
        if step is not None and step.kind == "join" and step.op in _MULTIPLYING:
            return self._product(ways)
        if step is not None and step.kind == "join" and step.op in _ADDING:
            plain = sum(one.number for _, one in ways if not one.weighed)
            weighed = max((one.number for _, one in ways if one.weighed), default=0)
            together = frozenset[str]().union(*(one.weights for _, one in ways))
            return Added(together, plain + weighed, plain == 0)
        if step is not None and step.kind == "product":
            ways = [way for way in ways if not self._only_scores(way[1].weights)] or ways
        together = frozenset[str]().union(*(one.weights for _, one in ways))
        return Added(
            together, max(one.number for _, one in ways), any(one.weighed for _, one in ways)
        )

    def _product(self, ways: list[tuple[Edge, Added]]) -> Added:
        """Of factors, the signal: no gate, that is, no softmax and no function before it."""
        scores = [
            (self.ways.follows_softmax(edge.source), bool(edge.ops), place)
            for place, (edge, _) in enumerate(ways)
        ]
        signal = ways[min(scores)[2]][1]
        weighed = any(softmax for softmax, _, _ in scores)
        return Added(signal.weights, signal.number, signal.weighed or weighed)

    def _only_scores(self, weights: frozenset[str]) -> bool:
        """They make queries and keys."""
        roles = {
            role
            for use in self.ways.observation.uses
            if use.signal in weights and use.attention
            for role in use.attention.split("+")
        }
        return bool(roles) and roles <= {"query", "key"}
