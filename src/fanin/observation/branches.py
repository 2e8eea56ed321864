"""Residual branches: what leaves a signal, is transformed, and is added to it again."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from fanin.observation.dataflow import Stage
from fanin.observation.records import Branch

_MOST_PARALLEL: Final = 4
_ADDING: Final = frozenset({"add", "sub", "rsub", "lerp", "addcmul", "baddbmm", "addmm"})


@attrs.define(eq=False)
class Span:
    """A branch as stages.

    Args:
        start: what feeds both branch and skip.
        join: where it ends.
        inner: the stages of the branch.
        skip: those of the skip path; empty for the identity.
        entry: the stage of the branch that the join reads.
    """

    start: Stage
    join: Stage
    inner: list[Stage]
    skip: list[Stage]
    entry: Stage

    @property
    def weights(self) -> list[Stage]:
        return [stage for stage in self.inner if stage.kind == "weight"]


def spans(stages: Iterable[Stage]) -> list[Span]:
    """Every residual branch, in the order of the joins."""
    found: dict[int, Span] = {}
    for stage in stages:
        if stage.kind == "join" and stage.op in _ADDING:
            span = _span(stage, found)
            if span is not None and span.weights:
                found[stage.index] = span
    return list(found.values())


def _span(join: Stage, known: Mapping[int, Span]) -> Span | None:
    sources = list(dict.fromkeys(source for source, _ in join.inputs))
    if len(sources) != 2:
        return None
    early, late = sorted(sources, key=lambda stage: stage.index)
    above = _between(early, late)
    if above is not None:
        return Span(early, join, above, [], late)
    return _beside(join, early, late, known) or _with_shortcut(join, early, late)


def _beside(join: Stage, early: Stage, late: Stage, known: Mapping[int, Span]) -> Span | None:
    """A branch parallel to one that was added before: both start where that one does."""
    for stream, entry in ((early, late), (late, early)):
        span = known.get(stream.index)
        for _ in range(_MOST_PARALLEL):
            if span is None:
                break
            inner = _between(span.start, entry)
            if inner is not None and stream not in inner:
                return Span(span.start, join, inner, [], entry)
            span = known.get(span.start.index)
    return None


def _with_shortcut(join: Stage, early: Stage, late: Stage) -> Span | None:
    common = _common(early, late)
    if common is None or common.kind == "input":
        return None
    paths = [(_between(common, stage) or [], stage) for stage in (early, late)]
    paths.sort(key=lambda path: sum(stage.kind == "weight" for stage in path[0]))
    (skip, _), (inner, entry) = paths
    if not _is_shortcut(skip) or len(skip) == len(inner):
        return None
    return Span(common, join, inner, skip, entry)


def _between(start: Stage, end: Stage) -> list[Stage] | None:
    """The stages on ways from one stage to another, with the latter; None if there is none."""
    if start is end:
        return None
    seen = {end.index: end}
    reached = False
    stack = [end]
    while stack:
        for source, _ in stack.pop().inputs:
            if source is start:
                reached = True
            elif source.index > start.index and source.index not in seen:
                seen[source.index] = source
                stack.append(source)
    if not reached:
        return None
    from_start = {start.index}
    inner = []
    for index in sorted(seen):
        if any(source.index in from_start for source, _ in seen[index].inputs):
            from_start.add(index)
            inner.append(seen[index])
    return inner


def _common(first: Stage, second: Stage) -> Stage | None:
    """The last stage that both follow from."""
    colours = {first.index: 1, second.index: 2}
    stages = {first.index: first, second.index: second}
    queue = [-first.index, -second.index]
    heapq.heapify(queue)
    while queue:
        index = -heapq.heappop(queue)
        if colours[index] == 3:
            return stages[index]
        for source, _ in stages[index].inputs:
            if source.index not in colours:
                colours[source.index] = 0
                stages[source.index] = source
                heapq.heappush(queue, -source.index)
            colours[source.index] |= colours[index]
    return None


def _is_shortcut(skip: list[Stage]) -> bool:
    """One weight at most, with norms and pools."""
    weights = sum(stage.kind == "weight" for stage in skip)
    return weights <= 1 and all(stage.kind in {"weight", "norm", "pool"} for stage in skip)


def last_weights(span: Span) -> list[Stage]:
    """The weights of a branch after which no other follows."""
    inner = {stage.index for stage in span.inner}
    found: dict[int, Stage] = {}
    seen = {span.entry.index}
    stack = [span.entry]
    while stack:
        stage = stack.pop()
        if stage.kind == "weight":
            found[stage.index] = stage
            continue
        for source, _ in stage.inputs:
            if source.index in inner and source.index not in seen:
                seen.add(source.index)
                stack.append(source)
    return [found[index] for index in sorted(found)]


def records(found: Iterable[Span]) -> tuple[Branch, ...]:
    """The branches for an observation; stages have their names by then."""
    return tuple(
        Branch(
            index,
            span.join.name,
            span.start.name,
            next((stage.name for stage in span.skip if stage.kind == "weight"), None),
            tuple(stage.name for stage in span.weights),
            tuple(stage.name for stage in last_weights(span)),
        )
        for index, span in enumerate(found)
    )
