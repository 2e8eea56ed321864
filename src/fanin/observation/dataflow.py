"""The dataflow without its elementwise functions: stages and the ways between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from fanin.observation.graph import Call, Value
from fanin.observation.handwritten import Verdict, judged
from fanin.observation.matching import Reading
from fanin.observation.operations import (
    ATTENTIONS,
    GATHERING,
    INDICES,
    LOOKUPS,
    LOSSES,
    MOVEMENTS,
    NORMS,
    POINTWISE,
    POOLS,
    PRODUCTS,
    REDUCTIONS,
    SOFTMAXES,
    WEIGHT_OPS,
)

_ACCUMULATING: Final = frozenset(
    {"index_add", "scatter_add", "scatter_reduce", "index_reduce", "scatter"}
)
_SELECTING: Final = frozenset({"index", "index_select", "gather", "take", "take_along_dim"})
_OF_A_WEIGHT: Final = frozenset({"weight", "table"})


@attrs.define(eq=False, repr=False)
class Stage:
    """A call that is not elementwise, an input, or the output.

    Args:
        index: in the order of execution.
        kind: as ``Step.kind``, or "loss".
        op: the operation.
        module: that runs it.
        call: None for inputs and the output.
        readings: of parameters by the call.
        inputs: the stages before it, with the value at which each way ends.
        base: of a reduction, the stage whose output it sums up.
        is_index: integers of the model's input, or what follows from them alone.
        name: unique; given at the end.
        functions: what was found of the functions that follow it, by the value where they end.
        starts: the ids of the values that it puts out.
    """

    index: int
    kind: str
    op: str
    module: str
    call: Call | None = None
    readings: list[Reading] = attrs.field(factory=list)
    inputs: list[tuple[Stage, Value]] = attrs.field(factory=list)
    outputs: list[tuple[Stage, Value]] = attrs.field(factory=list)
    values: list[Value] = attrs.field(factory=list)
    base: Stage | None = None
    is_index: bool = False
    name: str = ""
    functions: dict[int, Any] = attrs.field(factory=dict)
    starts: set[int] = attrs.field(factory=set)

    def __repr__(self) -> str:
        return f"<{self.index} {self.kind} {self.op} {self.name}>"


class Dataflow:
    """All stages, in the order of execution, and which one each value comes from."""

    def __init__(
        self,
        calls: Sequence[Call],
        readings: Iterable[Reading],
        inputs: Mapping[str, tuple[Value, bool]],
        outputs: Iterable[Value],
    ) -> None:
        self.stages: list[Stage] = []
        self.scaled: dict[int, list[Reading]] = {}
        self._origins: dict[int, Stage] = {}
        self._readings: dict[int, list[Reading]] = {}
        for reading in readings:
            self._readings.setdefault(id(reading.call), []).append(reading)
        for name, (value, is_index) in inputs.items():
            stage = self._stage("input", name, "")
            stage.name, stage.is_index = name, is_index
            self._put_out(stage, [value])
        for call in calls:
            if any(output.is_data for output in call.outputs):
                self._follow(call)
        self.output = self._stage("output", "output", "")
        self.output.name = "output"
        self._lead_in(self.output, [value for value in outputs if value.is_data])
        self._drop_statistics()

    def origin(self, value: Value) -> Stage | None:
        """The stage that a value comes from by movements and elementwise functions."""
        return self._origins.get(id(value))

    def _drop_statistics(self) -> None:
        """What a norm written by hand sums up for itself is no way on."""
        for stage in reversed(self.stages):
            if stage.base is not None and not stage.outputs:
                for source, value in stage.inputs:
                    source.outputs.remove((stage, value))
                stage.inputs.clear()

    def _stage(self, kind: str, op: str, module: str, call: Call | None = None) -> Stage:
        stage = Stage(len(self.stages), kind, op, module, call)
        self.stages.append(stage)
        return stage

    def _put_out(self, stage: Stage, values: Iterable[Value]) -> None:
        for value in values:
            stage.values.append(value)
            stage.starts.add(id(value))
            self._origins[id(value)] = stage

    def _lead_in(self, stage: Stage, values: Iterable[Value]) -> None:
        for value in values:
            source = self.origin(value)
            if source is not None and source is not stage:
                stage.inputs.append((source, value))
                source.outputs.append((stage, value))

    def _follow(self, call: Call) -> None:
        operands = [operand for operand in call.operands if self.origin(operand) is not None]
        solid = [operand for operand in operands if not self._origins[id(operand)].is_index]
        sources = {id(self._origins[id(value)]): self._origins[id(value)] for value in solid}
        readings = self._readings.get(id(call), [])
        kind = self._kind(call, readings, list(sources.values()))
        if kind is None:
            self._pass_on(call, operands, solid)
            return
        stage = self._stage(kind, call.op, call.module, call)
        if kind == "norm" and call.op not in NORMS:
            stage.op = "by hand"
        stage.readings = readings
        if call.op in REDUCTIONS and len(sources) == 1:
            stage.base = next(iter(sources.values()))
        if kind not in {"weight", "join"} and call.op not in LOOKUPS:
            stage.is_index = call.op in INDICES or (bool(operands) and not solid)
        self._lead_in(stage, self._entering(stage, operands, solid, sources))
        self._put_out(stage, call.outputs)

    def _entering(
        self,
        stage: Stage,
        operands: Sequence[Value],
        solid: Sequence[Value],
        sources: Mapping[int, Stage],
    ) -> Iterable[Value]:
        assert stage.call is not None  # noqa: S101 - it follows a call
        if stage.op == "by hand":
            whole = {id(_base(source)): _base(source) for source in sources.values()}
            (base,) = whole.values()
            return [_entry(base, self._between(stage.call, whole))]
        if stage.kind == "norm":
            return solid[:1] or operands[:1]
        return operands if stage.kind == "weight" or not solid else solid

    def _pass_on(self, call: Call, operands: Sequence[Value], solid: Sequence[Value]) -> None:
        """An elementwise call or a movement: its results come from where its operand does."""
        source = None
        for value in solid or operands:
            stage = self._origins[id(value)]
            if source is None or (source.base is stage):
                source = stage
        if source is None:
            return
        for output in call.outputs:
            self._origins[id(output)] = source

    def _kind(
        self, call: Call, readings: Sequence[Reading], sources: Sequence[Stage]
    ) -> str | None:
        """None for what is passed through."""
        op = call.op
        if any(reading.role in _OF_A_WEIGHT for reading in readings):
            return "weight"
        if op in NORMS:
            return "norm"
        if op in SOFTMAXES:
            return "softmax"
        if op in LOSSES:
            return "loss"
        if op in REDUCTIONS or op in POOLS:
            return "pool"
        if op in ATTENTIONS or (op in PRODUCTS | WEIGHT_OPS and op not in _SELECTING):
            return "product"
        if op in _ACCUMULATING:
            return "join" if len(sources) > 1 else "pool"
        if op in POINTWISE or op in GATHERING or op in {"rdiv", "rpow"}:
            return self._joined(call, sources)
        if op in MOVEMENTS or op in _SELECTING:
            return None
        return "op"

    def _joined(self, call: Call, sources: Sequence[Stage]) -> str | None:
        if len(sources) < 2:
            return None
        whole = {id(_base(stage)): _base(stage) for stage in sources}
        if len(whole) > 1 or call.op in GATHERING:
            return "join"
        verdict = judged(call, next(iter(whole.values())).values, self._between(call, whole))
        if verdict is Verdict.NORM:
            return "norm"
        return None if verdict is Verdict.CENTERED else "op"

    def _between(self, call: Call, whole: Mapping[int, Stage]) -> list[Call]:
        """The calls from a stage to this one, by way of its reductions too."""
        (base,) = whole.values()
        starts = base.starts
        found: dict[int, Call] = {}
        stack = [call]
        while stack:
            current = stack.pop()
            if current.index in found:
                continue
            found[current.index] = current
            stack.extend(
                operand.producer
                for operand in current.operands
                if id(operand) not in starts and operand.is_data and operand.producer is not None
            )
        return [found[index] for index in sorted(found)]


def _entry(base: Stage, calls: Sequence[Call]) -> Value:
    """The last value that all the rest of a norm follows from, before its first statistic."""
    last_use: dict[int, int] = {}
    for place, call in enumerate(calls):
        for operand in call.operands:
            last_use[id(operand)] = place
    used = [value for value in base.values if id(value) in last_use]
    entry = used[0] if used else base.values[0]
    needed = max((last_use[id(value)] for value in used), default=0)
    for place, call in enumerate(calls):
        if call.op in REDUCTIONS:
            break
        if needed <= place:
            entry = call.outputs[0]
        needed = max(needed, *(last_use.get(id(value), 0) for value in call.outputs))
    return entry


def _base(stage: Stage) -> Stage:
    """Of a reduction, what it reduces; of another stage, itself."""
    while stage.base is not None:
        stage = stage.base
    return stage
