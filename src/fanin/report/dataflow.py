"""What is drawn of a dataflow: its steps, with the equal blocks of a stack drawn once."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from fanin.observation.observed import Observation
from fanin.observation.records import Edge, Step
from fanin.report.stacks import Run, folded, parts, pattern, runs

_SMALL, _LARGE = 40, 100


@dataclass(frozen=True, slots=True)
class Node:
    """A step, or the same step in each block of a stack.

    Args:
        steps: which it stands for.
        group: index of the stack that it is in.
    """

    steps: tuple[Step, ...]
    group: int | None = None

    @property
    def first(self) -> Step:
        return self.steps[0]

    @property
    def kind(self) -> str:
        return self.first.kind

    @property
    def rms(self) -> float | None:
        """Of its steps, their geometric mean; what is not finite or zero prevails."""
        known = [step.rms for step in self.steps if step.rms is not None]
        if not known:
            return None
        odd = [value for value in known if not math.isfinite(value) or value <= 0]
        return odd[0] if odd else math.exp(sum(map(math.log, known)) / len(known))

    @property
    def name(self) -> str:
        return folded([step.name for step in self.steps])


@dataclass(frozen=True, slots=True)
class Wire:
    """From node to node, through elementwise functions."""

    source: int
    target: int
    ops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stack:
    """Equal blocks, one after the other: their nodes from ``first`` to ``last``."""

    first: int
    last: int
    count: int
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn: nodes in the order of execution, wires and stacks."""

    nodes: tuple[Node, ...]
    wires: tuple[Wire, ...]
    stacks: tuple[Stack, ...]


def chart(observation: Observation, *, every: bool = False) -> Chart:
    """The dataflow of an observation; equal blocks of a long one are drawn once.

    Args:
        observation: what was seen.
        every: fold none.
    """
    known = {step.name for step in observation.steps}
    edges = [e for e in observation.edges if e.source in known and e.target in known]
    steps = _inputs_where_read(observation.steps, edges)
    places = {step.name: place for place, step in enumerate(steps)}
    entering: list[set[tuple[int, tuple[str, ...]]]] = [set() for _ in steps]
    for edge in edges:
        entering[places[edge.target]].add((places[edge.source], edge.ops))
    found: list[Run] = []
    if len(steps) > _SMALL and not every:

        def fits(run: Run) -> int:
            return _alike(run, entering)

        fans = {use.parameter: (use.fan_in, use.fan_out) for use in observation.uses if use.layout}
        tokens, names = [_token(step, fans) for step in steps], [step.name for step in steps]
        joins = {place for place, step in enumerate(steps) if step.kind == "join"}
        least = 3 if len(steps) <= _LARGE else 2
        found = runs(tokens, names, least=least, fits=fits, closing=joins)
    nodes, stacks, drawn_as = _nodes(steps, found)
    wires = _wires(edges, places, found, drawn_as)
    return Chart(tuple(nodes), tuple(wires), tuple(stacks))


def _inputs_where_read(steps: Sequence[Step], edges: Sequence[Edge]) -> list[Step]:
    """Each input right before the first step that reads it."""
    order = {step.name: float(place) for place, step in enumerate(steps)}
    for step in steps:
        if step.kind == "input":
            readers = [order[edge.target] for edge in edges if edge.source == step.name]
            order[step.name] = min(readers, default=order[step.name]) - 0.5
    return sorted(steps, key=lambda step: order[step.name])


def _token(step: Step, fans: Mapping[str, Hashable]) -> Hashable:
    """Equal for steps that can be drawn as one."""
    used = tuple((pattern(name), fans.get(name)) for name in step.parameters)
    return step.kind, step.op, pattern(step.module), used


def _alike(run: Run, entering: Sequence[set[tuple[int, tuple[str, ...]]]]) -> int:
    """How many copies, from the first on, are wired in the same way."""

    def wiring(copy: int, offset: int, *, inside_only: bool) -> set[tuple[str, int, Hashable]]:
        begin = run.start + copy * run.period
        found: set[tuple[str, int, Hashable]] = set()
        for source, ops in entering[begin + offset]:
            if source >= begin:
                found.add(("inside", source - begin, ops))
            elif source >= max(run.start, begin - run.period):
                found.add(("before", source - begin, ops))
            elif source < run.start:
                found.add(("outside", source, ops))
            else:
                found.add(("long ago", source - begin, ops))
        return {one for one in found if one[0] == "inside" or not inside_only}

    for copy in range(1, run.count):
        for offset in range(run.period):
            if copy == 1:
                same = wiring(1, offset, inside_only=True) == wiring(0, offset, inside_only=True)
            else:
                same = wiring(copy, offset, inside_only=False) == wiring(
                    1, offset, inside_only=False
                )
            if not same or any(
                one[0] == "long ago" for one in wiring(copy, offset, inside_only=False)
            ):
                return copy
    return run.count


def _nodes(
    steps: Sequence[Step], found: Sequence[Run]
) -> tuple[list[Node], list[Stack], list[int]]:
    """Nodes, stacks, and for each step the node that stands for it."""
    nodes: list[Node] = []
    stacks: list[Stack] = []
    drawn_as = [0] * len(steps)
    at = 0
    for run in [*found, Run(len(steps), 0, 0)]:
        for place in range(at, run.start):
            drawn_as[place] = len(nodes)
            nodes.append(Node((steps[place],)))
        first = len(nodes)
        for offset in range(run.period):
            for place in run.copies_of(offset):
                drawn_as[place] = len(nodes)
            own = tuple(steps[place] for place in run.copies_of(offset))
            nodes.append(Node(own, len(stacks)))
        if run.period:
            label = _label(nodes[first:])
            stacks.append(Stack(first, len(nodes) - 1, run.count, label))
        at = run.stop
    return nodes, stacks, drawn_as


def _label(nodes: Sequence[Node]) -> str:
    """The path that all nodes of a stack share, as far as its last counter."""
    paths = [parts(node.name.partition(":")[0]) for node in nodes]
    shared: list[str] = []
    for level in zip(*paths, strict=False):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    while shared and "{" not in shared[-1]:
        shared.pop()
    return ".".join(shared)


def _wires(
    edges: Sequence[Edge], places: dict[str, int], found: Sequence[Run], drawn_as: Sequence[int]
) -> list[Wire]:
    def copy_of(place: int) -> tuple[int, int] | None:
        for number, run in enumerate(found):
            if run.start <= place < run.stop:
                return number, (place - run.start) // run.period
        return None

    wires: dict[Wire, None] = {}
    for edge in edges:
        source, target = places[edge.source], places[edge.target]
        here, there = copy_of(source), copy_of(target)
        # What goes from block to block is what enters the first and leaves the last.
        if here is not None and there is not None and here[0] == there[0] and here != there:
            continue
        wires[Wire(drawn_as[source], drawn_as[target], edge.ops)] = None
    return sorted(wires, key=lambda wire: (wire.source, wire.target))
