"""Residual streams: which branches add to one signal, how many times, and in which layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

import attrs

from fanin.observation.observed import Observation
from fanin.observation.records import Branch
from fanin.recipes.reading.addends import Added, Summing
from fanin.recipes.reading.ways import Ways


@attrs.frozen(eq=False, slots=False)
class Streams:
    """The residual streams of a model.

    Args:
        observation: of the model.
        branches: those that count, in the order of their joins.
    """

    observation: Observation
    branches: tuple[Branch, ...]

    @cached_property
    def ways(self) -> Ways:
        """The dataflow."""
        return Ways(self.observation)

    @cached_property
    def summing(self) -> Summing:
        """Tells what each branch adds."""
        return Summing(self.ways)

    @cached_property
    def all(self) -> tuple[tuple[Branch, ...], ...]:
        """The branches in chains: each starts from what the one before it was added to."""
        chains: dict[str, list[Branch]] = {}
        made: list[list[Branch]] = []
        for branch in self.branches:
            around = self._around(branch)
            beside = {one.join: one for one in self.branches if self._around(one) == around}
            before = self._join_before(branch, beside)
            chain = chains.get(before or "", [])
            if not chain or chain[-1].join != before:
                chain = []
                made.append(chain)
            chain.append(branch)
            chains[branch.join] = chain
        return tuple(map(tuple, made))

    def _around(self, branch: Branch) -> int | None:
        """The index of the innermost branch that holds all of a branch: its stream is inside."""
        return self._arounds[branch.index]

    @cached_property
    def _arounds(self) -> Mapping[int, int | None]:
        weights = {one.index: frozenset(one.weights) for one in self.branches}
        return {
            inner: min(
                (one for one, own in weights.items() if held < own),
                key=lambda one: len(weights[one]),
                default=None,
            )
            for inner, held in weights.items()
        }

    def of(self, branch: Branch) -> tuple[Branch, ...]:
        """The stream that a branch adds to."""
        return next(stream for stream in self.all if branch in stream)

    def outputs(self, branches: Iterable[Branch]) -> int:
        """How many signals some branches add: two where attention and MLP are parallel."""
        return sum(max(self.added[branch.index].number, 1) for branch in branches)

    @cached_property
    def added(self) -> Mapping[int, Added]:
        """What each branch adds, by its index."""
        return {branch.index: self.summing.added(branch) for branch in self.branches}

    def layer(self, branch: Branch) -> int:
        """The index of the layer, from 0: the branches of a stream repeat from layer to layer.

        Branches are of one kind where their weights play the same roles in attention. Where they
        do not repeat, each is a layer.
        """
        stream = self.of(branch)
        return stream.index(branch) // self._period(stream)

    def to_the_end_of_its_layer(self, branch: Branch) -> tuple[Branch, ...]:
        """The branches of the stream up to the last one in the same layer."""
        stream = self.of(branch)
        return stream[: (self.layer(branch) + 1) * self._period(stream)]

    def _period(self, stream: tuple[Branch, ...]) -> int:
        kinds = [self._kind(branch) for branch in stream]
        for period in range(1, len(kinds)):
            if kinds == (kinds[:period] * len(kinds))[: len(kinds)] and len(kinds) % period == 0:
                return period
        return len(kinds) if len(set(kinds)) == len(kinds) else 1

    def _kind(self, branch: Branch) -> frozenset[str]:
        return self.roles.get(branch.index, frozenset())

    @cached_property
    def roles(self) -> Mapping[int, frozenset[str]]:
        """The roles that the weights of a branch play in attention, by its index."""
        found: dict[int, frozenset[str]] = {}
        for use in self.observation.uses:
            if use.branch is not None and use.attention is not None and use.role == "weight":
                roles = frozenset(use.attention.split("+"))
                found[use.branch] = found.get(use.branch, frozenset()) | roles
        return found

    def crosses(self, branch: Branch) -> bool:
        """It attends to a signal from elsewhere, as a decoder does to its encoder."""
        roles = self.roles.get(branch.index, frozenset())
        return "query" in roles and "key" not in roles

    def fed_from(self, name: str) -> Branch | None:
        """The branch whose weights a signal from elsewhere first reaches: of keys and values."""
        found = self.ways.first_weights(name, self.ways.after)
        return next((branch for branch in self.branches if found & set(branch.weights)), None)

    def stream_before(self, name: str) -> tuple[Branch, ...] | None:
        """The stream that a step reads, by any way back with no weight on it."""
        joins = {branch.join: branch for branch in self.branches}
        found = self.ways.latest(self.ways.before.get(name, ()), joins)
        return None if found is None else self.of(joins[found])

    def after(self, name: str) -> tuple[str, ...]:
        """The steps that read a step."""
        return self.ways.after.get(name, ())

    def _join_before(self, branch: Branch, joins: Mapping[str, Branch]) -> str | None:
        """The join that the skip comes from with no weight between."""
        for source in self.ways.before.get(branch.join, ()):
            beside = joins.get(source)
            if beside is not None and beside.start == branch.start:
                return source  # parallel branches that are added one after the other
        return self.ways.latest((branch.start,), joins)
