"""Where single values go: past residual branches, and into the values of attention."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import attrs
import torch
from torch import nn

from fanin.observation import passing
from fanin.observation.branches import Span, spans
from fanin.observation.dataflow import Dataflow, Stage
from fanin.observation.demands import require_observable
from fanin.observation.graph import Call, Value
from fanin.observation.matching import Matching, Reading
from fanin.observation.operations import ATTENTIONS, MOVEMENTS, POINTWISE
from fanin.observation.pullback import Move, carried
from fanin.observation.regions import function_of
from fanin.observation.restoring import untouched
from fanin.observation.roles import attention_slots, weights_before
from fanin.observation.whereabouts import named

_FACTORS = frozenset({"mul", "div"})


@attrs.frozen
class Way:
    """One of the two ways into a residual join.

    Args:
        factor: by which forward code multiplies the signal; None where it does other things.
        parameters: that scale the signal, in the order of execution.
    """

    factor: float | None
    parameters: tuple[str, ...] = ()


@attrs.frozen
class Join:
    """Where a residual branch is added.

    Args:
        skip: past the branch.
        branch: after the last stage of the branch.
    """

    skip: Way
    branch: Way


@attrs.frozen
class Scores:
    """The logits of an attention, q.k times a factor.

    Args:
        width: of a query in one head: how many products a logit sums.
        factor: by which forward code multiplies the sum, 1 / sqrt(width) as a rule.
    """

    width: int
    factor: float


@attrs.frozen
class Trace:
    """What one pass showed of single values.

    Args:
        joins: one for each of ``Observation.branches``, in their order.
        values: for a weight of attention, those of its outputs that are the values.
        scores: for a weight that makes queries, the logits that these go into.
    """

    joins: tuple[Join, ...]
    values: Mapping[str, frozenset[int]]
    scores: Mapping[str, Scores]


def trace(model: nn.Module, inputs: object) -> Trace:
    """Run one forward pass and follow single values; the model is as before, bit for bit.

    Args:
        model: the model.
        inputs: as ``fanin.observe`` takes them.

    Raises:
        ModelError: the model has no parameters or lazy ones.
        InputError: inputs are not finite or on another device.
        Exception: whatever the model raises.

    Example:
        >>> class Block(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.inner = nn.Linear(4, 4)
        ...     def forward(self, x):
        ...         return 3.0 * x + self.inner(x)
        >>> (join,) = trace(Block(), torch.ones(2, 4)).joins
        >>> round(join.skip.factor, 6), join.branch.factor
        (3.0, 1.0)
    """
    parameters = named(model) if isinstance(model, nn.Module) else ()
    require_observable(model, inputs, None, parameters)
    with untouched(model), passing.ordinary_surroundings():
        done = passing.run(
            model, inputs, None, None, parameters, _Nothing(), with_loss=False
        )  # fmt: skip
        names = {name: one.name for one in parameters for name in one.names}
        matching = Matching(done.recorder.calls, done.ends)
        dataflow = Dataflow(done.recorder.calls, matching.readings, done.inputs, done.outputs)
        scaling = _scaling(matching.readings)
        return Trace(
            tuple(_join(span, scaling, names) for span in spans(dataflow.stages)),
            _values(dataflow, names),
            _scores(dataflow, names),
        )


class _Nothing:
    """A watcher that measures nothing."""

    def see(self, *_: object) -> None:
        return None


def _scaling(readings: list[Reading]) -> dict[int, str]:
    """The parameter that scales a signal, by the id of the call."""
    return {id(one.call): one.name for one in readings if one.role == "scale"}


def _join(span: Span, scaling: Mapping[int, str], names: Mapping[str, str]) -> Join:
    made: dict[bool, Way] = {}
    for stage, value in span.join.inputs:
        made[stage is span.entry] = _way(stage, value, scaling, names)
    unknown = Way(None)
    return Join(made.get(False, unknown), made.get(True, unknown))


def _way(stage: Stage, value: Value, scaling: Mapping[int, str], names: Mapping[str, str]) -> Way:
    scales = [
        scaling[id(call)] for call in _back(value, stage) if id(call) in scaling
    ]  # fmt: skip
    parameters = tuple(names.get(name, name) for name in reversed(scales))
    function = function_of(value, stage)
    if function.gain is None or not set(function.ops) <= _FACTORS:
        return Way(None, parameters)
    return Way(1 / function.gain, parameters)


def _back(value: Value, stage: Stage) -> Iterator[Call]:
    """The calls from a value to the stage that it comes from, the last first."""
    while id(value) not in stage.starts and value.producer is not None:
        yield value.producer
        before = [operand for operand in value.producer.operands if operand.is_data]
        if len(before) != 1:
            return
        value = before[0]


def _scores(dataflow: Dataflow, names: Mapping[str, str]) -> dict[str, Scores]:
    found: dict[str, Scores] = {}
    for stage in dataflow.stages:
        if stage.kind != "product" or stage.call is None:
            continue
        slots = dict(attention_slots(stage.call, dataflow))
        query = slots.get("query")
        if query is None:
            continue
        scores = Scores(query.shape[-1], _of_logits(stage, dataflow) * _of_sides(slots, dataflow))
        for weight in weights_before(query, dataflow):
            for reading in weight.readings:
                if reading.role == "weight":
                    found[names.get(reading.name, reading.name)] = scores
    return found


def _of_logits(stage: Stage, dataflow: Dataflow) -> float:
    """The factor between the sum and the softmax."""
    call = stage.call
    assert call is not None  # noqa: S101 - a product is a call
    if call.op in ATTENTIONS:
        query, scale = call.argument(0, "query"), call.argument(6, "scale")
        if isinstance(scale, int | float):
            return float(scale)
        return 1 / math.sqrt(query.shape[-1]) if isinstance(query, Value) else 1.0
    softmaxes = (dataflow.origin(operand) for operand in call.operands if operand.is_data)
    at = next((one for one in softmaxes if one is not None and one.kind == "softmax"), None)
    factor = 1.0
    while at is not None and at.kind != "product":
        # Past masks and biases of positions, which are added on the way.
        ahead = [way for way in at.inputs if way[0].kind in {"product", "join", "op"}]
        if not ahead:
            return factor
        source, value = ahead[0]
        factor *= _plain_factor(value, source)
        at = source
    alpha = None if at is None or at.call is None else at.call.kwargs.get("alpha")
    return factor * float(alpha) if isinstance(alpha, int | float) else factor


def _of_sides(slots: Mapping[str, Value], dataflow: Dataflow) -> float:
    """The factors that queries and keys get on their way."""
    sides = [(slots[role], dataflow.origin(slots[role])) for role in ("query", "key")]
    return math.prod(_plain_factor(value, stage) for value, stage in sides if stage is not None)


def _plain_factor(value: Value, stage: Stage) -> float:
    """The numbers by which a signal is multiplied, past masks and rotations."""
    factor = 1.0
    for call in _back(value, stage):
        if call.op not in _FACTORS or len(call.args) < 2:
            continue
        numbers = [number for number in map(_number, call.args[:2]) if number is not None]
        if len(numbers) == 1:
            factor *= numbers[0] if call.op == "mul" else 1 / numbers[0]
    return factor


def _number(operand: object) -> float | None:
    if isinstance(operand, int | float):
        return float(operand) or None
    if isinstance(operand, Value) and operand.tensor is not None and not operand.is_data:
        return float(operand.tensor) or None if operand.tensor.numel() == 1 else None
    return None


def _values(dataflow: Dataflow, names: Mapping[str, str]) -> dict[str, frozenset[int]]:
    found: dict[str, frozenset[int]] = {}
    unclear: set[str] = set()
    for stage in dataflow.stages:
        if stage.kind != "product" or stage.call is None:
            continue
        for role, value in attention_slots(stage.call, dataflow):
            weight = dataflow.origin(value)
            if role != "value" or weight is None or weight.kind != "weight":
                continue
            units = _units(value, weight)
            for reading in weight.readings:
                if reading.role != "weight":
                    continue
                name = names.get(reading.name, reading.name)
                if units is None:
                    unclear.add(name)
                    continue
                first = reading.window[0] if reading.window else 0
                shifted = frozenset(first + unit for unit in units)
                found[name] = found.get(name, frozenset()) | shifted
    return {name: units for name, units in found.items() if name not in unclear}


def _units(value: Value, weight: Stage) -> frozenset[int] | None:
    """Which outputs of a weight a value holds; None where they are mixed on the way."""
    assert weight.call is not None  # noqa: S101 - a weight's stage is a call
    moves: list[Move] = []
    while id(value) not in weight.starts:
        call = value.producer
        before = [] if call is None else [one for one in call.operands if one.is_data]
        if call is None or len(before) != 1:
            return None
        moves.append(Move(call, before[0], value))
        value = before[0]
    axis = 1 if weight.call.op.startswith("conv") else len(value.shape) - 1
    line = torch.arange(value.shape[axis], dtype=torch.int32)
    line = line.view([-1 if place == axis else 1 for place in range(len(value.shape))])
    coordinates = line.expand(value.shape)
    for move in reversed(moves):
        if move.call.op in POINTWISE and move.operand.shape == move.result.shape:
            continue
        moved = carried(move, coordinates) if move.call.op in MOVEMENTS or _written(move) else None
        if moved is None:
            return None
        coordinates = moved
    return frozenset(int(unit) for unit in torch.unique(coordinates).tolist() if unit >= 0)


def _written(move: Move) -> bool:
    """Beside constants, as into an empty cache."""
    return move.call.op in {"cat", "concat", "concatenate"}
