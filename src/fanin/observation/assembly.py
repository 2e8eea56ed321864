"""From stages to records: names, uses, signals, steps and edges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import attrs

from fanin.errors import FanError
from fanin.fans import Layout, packed
from fanin.observation.branches import Span, last_weights
from fanin.observation.dataflow import Dataflow, Stage
from fanin.observation.graph import Value
from fanin.observation.matching import Reading
from fanin.observation.packing import with_blocks
from fanin.observation.readouts import Signal
from fanin.observation.records import Edge, Norm, Region, Source, Step, Use
from fanin.observation.regions import IDENTITY, Function, function_of, regions
from fanin.observation.roles import joined
from fanin.observation.sampling import Shown
from fanin.observation.statistics import Numbers, units
from fanin.observation.whereabouts import Named

_OF_A_WEIGHT: Final = frozenset({"weight", "table"})
_WITH_SIGNAL: Final = frozenset({"weight", "norm", "join", "product"})
_RECURRENT: Final = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu"})


def give_names(stages: Iterable[Stage], names: Mapping[str, Named]) -> None:
    """A weight's stage bears its parameter's name, others module and operation."""
    wanted = [(stage, _plain_name(stage, names)) for stage in stages if not stage.name]
    totals = Counter(name for _, name in wanted)
    seen: Counter[str] = Counter()
    for stage, name in wanted:
        stage.name = name if totals[name] == 1 else f"{name}#{seen[name]}"
        seen[name] += 1


def _plain_name(stage: Stage, names: Mapping[str, Named]) -> str:
    for reading in stage.readings:
        if reading.role in _OF_A_WEIGHT:
            named = names.get(reading.name)
            return named.name if named else reading.name
    if stage.kind == "norm" and stage.module:
        return stage.module
    return f"{stage.module}:{stage.op}" if stage.module else f":{stage.op}"


@attrs.frozen
class Findings:
    """What is known of the stages beside themselves.

    Args:
        dataflow: the stages.
        spans: the residual branches.
        roles: of attention, by the index of a weight's stage.
        names: of the parameters.
        feeding: indices of the stages whose output reaches the model's with no other weight.
        recurrent: indices of the stages whose output reaches a later use of their parameter.
        shown: what was measured, by the index of the call.
        numbers: of what was measured.
    """

    dataflow: Dataflow
    spans: Sequence[Span]
    roles: Mapping[int, list[tuple[str, Value]]]
    names: Mapping[str, Named]
    feeding: frozenset[int]
    recurrent: frozenset[int]
    shown: Mapping[int, Shown]
    numbers: Mapping[int, Numbers]


def uses(readings: Sequence[Reading], found: Findings) -> list[Use]:
    """A use for each reading, in the order of execution."""
    stages = {id(stage.call): stage for stage in found.dataflow.stages if stage.call is not None}
    branches = _branches_of(found.spans)
    totals = Counter(_identity(reading) for reading in readings)
    seen: Counter[tuple[str, str, str]] = Counter()
    contexts: dict[int, _Context] = {}
    layouts = _whole_layouts(readings)
    made = []
    for reading in readings:
        stage = stages.get(id(reading.call)) or found.dataflow.origin(reading.call.outputs[0])
        context = _Context()
        if stage is not None:
            if stage.index not in contexts:
                contexts[stage.index] = _context(stage)
            context = contexts[stage.index]
        identity = _identity(reading)
        made.append(
            _use(
                reading, stage, context, branches, layouts, found, seen[identity], totals[identity]
            )
        )
        seen[identity] += 1
    return made


def _identity(reading: Reading) -> tuple[str, str, str]:
    return (reading.name, reading.role, reading.call.module)


@attrs.frozen
class _Context:
    """What stands around a stage: the same for all parameters that it reads."""

    source: Source | None = None
    regions: tuple[Region, ...] = ()
    norm_before: Norm | None = None
    norm_after: Norm | None = None


def _context(stage: Stage) -> _Context:
    source = before = None
    if stage.inputs:
        first, value = stage.inputs[0]
        function = function_of(value, first)
        source = Source(first.kind, first.name, function.ops, function.gain, function.responses)
        if first.kind == "norm":
            before = Norm(first.op, first.module)
    elif stage.readings:
        learned = next((one for one in stage.readings if one.role == "input"), None)
        kind, name = ("constant", "") if learned is None else ("parameter", learned.name)
        source = Source(kind, name, (), 1.0)
    after = next((target for target, _ in stage.outputs if target.kind == "norm"), None)
    return _Context(
        source, regions(stage), before, None if after is None else Norm(after.op, after.module)
    )


def _use(
    reading: Reading,
    stage: Stage | None,
    context: _Context,
    branches: Mapping[int, tuple[int, bool]],
    layouts: Mapping[int, Layout],
    found: Findings,
    call: int,
    calls: int,
) -> Use:
    named = found.names.get(reading.name)
    names = named.names if named else (reading.name,)
    op = reading.call.op
    layout = layouts.get(id(reading), reading.layout)
    at = -1 if stage is None else stage.index
    is_weight = reading.role in _OF_A_WEIGHT
    own = reading.layout if layout is reading.layout and reading.window is None else None
    if is_weight and own is not None and stage is not None and stage.call is reading.call:
        layout = with_blocks(own, stage, found.dataflow)
    branch, last = branches.get(at, (None, False))
    roles = found.roles.get(at, []) if is_weight or reading.role == "bias" else []
    return Use(
        parameter=names[0],
        names=names,
        module=reading.call.module,
        op=op,
        role=reading.role,
        layout=layout,
        through=reading.through,
        source=context.source,
        regions=context.regions,
        norm_before=context.norm_before,
        norm_after=context.norm_after,
        branch=branch,
        last_of_branch=last,
        attention=joined(roles),
        feeds_output=at in found.feeding,
        recurrent=op.removesuffix("_cell") in _RECURRENT or at in found.recurrent,
        time_steps=_time_steps(reading) if op in _RECURRENT else None,
        call=call,
        calls=calls,
        signal=None if stage is None or _shown(stage, found) is None else stage.name,
    )


def _whole_layouts(readings: Sequence[Reading]) -> dict[int, Layout]:
    """Of parameters that are read in windows side by side: packed, with a block a window."""
    groups: dict[str, list[Reading]] = {}
    for reading in readings:
        if reading.role in _OF_A_WEIGHT and reading.window and reading.layout is not None:
            groups.setdefault(reading.name, []).append(reading)
    layouts: dict[int, Layout] = {}
    for group in groups.values():
        windows = sorted({reading.window for reading in group if reading.window})
        layout = group[0].layout
        assert layout is not None  # noqa: S101 - chosen so above
        size = layout.shape[layout.out_axes[0]]
        stops = [stop for _, stop in windows]
        if [start for start, _ in windows] != [0, *stops[:-1]] or stops[-1] != size:
            continue
        total = sum(one.fan_out for one in {r.window: r.layout for r in group}.values() if one)
        try:
            shared = packed(
                replace(layout, fan_out=total), tuple(stop - start for start, stop in windows)
            )
        except FanError:
            continue
        for reading in group:
            layouts[id(reading)] = shared
    return layouts


def _branches_of(spans: Sequence[Span]) -> dict[int, tuple[int, bool]]:
    """For the index of a stage: its innermost branch, and whether it is a last weight of it."""
    found: dict[int, tuple[int, bool]] = {}
    order = sorted(range(len(spans)), key=lambda number: -len(spans[number].inner))
    for number in order:
        span = spans[number]
        last = {stage.index for stage in last_weights(span)}
        for stage in span.inner:
            found[stage.index] = (number, stage.index in last)
    return found


def _time_steps(reading: Reading) -> int | None:
    call = reading.call
    first = call.args[0]
    if not isinstance(first, Value):
        return None
    if len(first.shape) == 2 and isinstance(call.args[1], Value):
        return call.args[1].shape[0]  # packed: the batch sizes, one a step
    batch_first = bool(call.args[-1])
    return first.shape[1 if batch_first and len(first.shape) == 3 else 0]


def _shown(stage: Stage, found: Findings) -> Shown | None:
    if stage.call is None or stage.kind not in _WITH_SIGNAL:
        return None
    return found.shown.get(stage.call.index)


def signals(found: Findings) -> list[Signal]:
    """What was measured, in the order of execution."""
    made = []
    for stage in found.dataflow.stages:
        shown = _shown(stage, found)
        if shown is None:
            continue
        own = found.numbers[id(shown)]
        gradient = None if shown.gradient is None else found.numbers[id(shown.gradient)]
        kind = stage.kind
        if kind == "weight" and all(one.role != "weight" for one in stage.readings):
            kind = "table"
        made.append(
            Signal(
                stage.name, kind, stage.module, stage.op, shown.shape,
                str(shown.dtype).removeprefix("torch."), own.statistics,
                None if gradient is None else gradient.statistics,
                units(shown, own, _following(stage)), own.spread.correlation,
                own.spread.varying, own.spread.rank, own.spread.examples, shown.entering,
            )
        )  # fmt: skip
    return made


def _following(stage: Stage) -> Function | None:
    """The function that follows a stage; of several that are flat in the same places, one."""
    ends = {id(value): value for _, value in stage.outputs}
    found = [function_of(value, stage) for value in ends.values()]
    if not found or any((one.flat, one.dead) != (found[0].flat, found[0].dead) for one in found):
        return None
    function = found[0]
    return function if function.ops or function is IDENTITY else None


def steps(found: Findings, hidden: frozenset[int]) -> tuple[tuple[Step, ...], tuple[Edge, ...]]:
    """The dataflow for pictures."""
    made, edges = [], []
    for stage in found.dataflow.stages:
        if stage.index in hidden:
            continue
        shown = _shown(stage, found)
        own = gradient = None
        if shown is not None:
            own = found.numbers[id(shown)].statistics.rms
            if shown.gradient is not None:
                gradient = found.numbers[id(shown.gradient)].statistics.rms
        parameters = tuple(
            dict.fromkeys(
                found.names[one.name].name if one.name in found.names else one.name
                for one in stage.readings
            )
        )
        made.append(Step(stage.name, stage.kind, stage.op, stage.module, parameters, own, gradient))
        edges += [
            Edge(source.name, stage.name, function_of(value, source).ops)
            for source, value in stage.inputs
            if source.index not in hidden
        ]
    return tuple(made), tuple(dict.fromkeys(edges))
