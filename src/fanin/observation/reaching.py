"""What a stage's output reaches: the model's output, or a later use of its own parameter."""

from __future__ import annotations

from itertools import pairwise

from fanin.observation.dataflow import Dataflow, Stage


def feeding(dataflow: Dataflow) -> frozenset[int]:
    """Stages from which the model's output follows with no other weight between."""
    found: set[int] = set()
    stack: list[Stage] = [dataflow.output]
    while stack:
        for source, _ in stack.pop().inputs:
            if source.index not in found:
                found.add(source.index)
                if source.kind != "weight":
                    stack.append(source)
    return frozenset(found)


def recurring(dataflow: Dataflow) -> frozenset[int]:
    """Weights' stages whose output reaches a later use of the same parameter."""
    groups: dict[str, list[Stage]] = {}
    for stage in dataflow.stages:
        for reading in stage.readings:
            if reading.role == "weight":
                groups.setdefault(reading.name, []).append(stage)
    found: set[int] = set()
    for group in groups.values():
        for earlier, later in pairwise(group):
            if _follows(later, earlier):
                found |= {earlier.index, later.index}
    return frozenset(found)


def _follows(later: Stage, earlier: Stage) -> bool:
    seen: set[int] = set()
    stack = [later]
    while stack:
        for source, _ in stack.pop().inputs:
            if source is earlier:
                return True
            if source.index > earlier.index and source.index not in seen:
                seen.add(source.index)
                stack.append(source)
    return False
