"""Attention roles: which weights make queries, keys and values, and which reads the result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from fanin.observation.dataflow import Dataflow, Stage
from fanin.observation.graph import Call, Value
from fanin.observation.operations import ATTENTIONS, PRODUCTS

_FIRST_FACTOR: Final = {"addmm": 1, "baddbmm": 1, "addbmm": 1}
_ORDER: Final = ("query", "key", "value", "output")


def attention_roles(dataflow: Dataflow) -> dict[int, list[tuple[str, Value]]]:
    """For the index of a weight's stage: its roles, each with the value that plays it."""
    found: dict[int, list[tuple[str, Value]]] = {}
    for stage in dataflow.stages:
        if stage.kind != "product" or stage.call is None:
            continue
        slots = tuple(attention_slots(stage.call, dataflow))
        for role, value in slots:
            for weight in weights_before(value, dataflow):
                _add(found, weight, role, value)
        if slots:
            for weight in _weights_after(stage):
                _add(found, weight, "output", stage.values[0])
    return found


def scorers(dataflow: Dataflow) -> dict[int, tuple[list[Stage], list[Stage]]]:
    """For the call of a softmax inside an attention: the weights of its queries and keys."""
    found: dict[int, tuple[list[Stage], list[Stage]]] = {}
    for stage in dataflow.stages:
        if stage.kind != "product" or stage.call is None:
            continue
        sides = {role: list(weights_before(value, dataflow)) for role, value in
                 attention_slots(stage.call, dataflow) if role != "value"}  # fmt: skip
        if not sides:
            continue
        call = stage.call
        for value in () if call.op in ATTENTIONS else _factors(call):
            weighting = dataflow.origin(value)
            if weighting is not None and weighting.kind == "softmax" and weighting.call:
                call = weighting.call
        found[call.index] = (sides.get("query", []), sides.get("key", []))
    return found


def joined(roles: Iterable[tuple[str, Value]]) -> str | None:
    """Roles as one text, in the usual order."""
    names = {role for role, _ in roles}
    return "+".join(role for role in _ORDER if role in names) or None


def _add(found: dict[int, list[tuple[str, Value]]], weight: Stage, role: str, value: Value) -> None:
    found.setdefault(weight.index, []).append((role, value))


def attention_slots(call: Call, dataflow: Dataflow) -> Iterator[tuple[str, Value]]:
    """Query, key and value of an attention that ends with this call."""
    if call.op in ATTENTIONS:
        for place, role in enumerate(_ORDER[:3]):
            value = call.argument(place, role)
            if isinstance(value, Value):
                yield role, value
        return
    factors = _factors(call)
    for place, value in enumerate(factors):
        weighting = dataflow.origin(value)
        if weighting is None or weighting.kind != "softmax" or len(factors) != 2:
            continue
        scores = _scores(weighting)
        if scores is None or scores.call is None:
            continue
        yield "value", factors[1 - place]
        yield from zip(_ORDER[:2], _factors(scores.call), strict=False)


def _scores(softmax: Stage) -> Stage | None:
    """The product of queries and keys before a softmax: past masks and biases of positions."""
    stack, seen = [softmax], {softmax.index}
    while stack:
        stage = stack.pop()
        if stage.kind == "product":
            return stage
        if stage.kind in {"softmax", "join", "op"}:
            for source, _ in stage.inputs:
                if source.index not in seen:
                    seen.add(source.index)
                    stack.append(source)
    return None


def _factors(call: Call) -> list[Value]:
    if call.op not in PRODUCTS:
        return []
    values = [operand for operand in call.operands if operand.is_data]
    if call.op in _FIRST_FACTOR:
        values = [
            argument
            for argument in (*call.args, *call.kwargs.values())[_FIRST_FACTOR[call.op] :]
            if isinstance(argument, Value) and argument.is_data
        ]
    return values[:2]


def weights_before(value: Value, dataflow: Dataflow) -> Iterator[Stage]:
    """The nearest weights that a value comes from: past norms, rotations and caches."""
    start = dataflow.origin(value)
    stack = [] if start is None else [start]
    seen = {stage.index for stage in stack}
    while stack:
        stage = stack.pop()
        if stage.kind == "weight":
            if any(reading.role == "weight" for reading in stage.readings):
                yield stage
            continue
        if stage.kind in {"norm", "join", "op"}:
            for source, _ in stage.inputs:
                if source.index not in seen:
                    seen.add(source.index)
                    stack.append(source)


def _weights_after(stage: Stage) -> Iterator[Stage]:
    for target, _ in stage.outputs:
        if target.kind == "weight":
            yield target
        elif target.kind == "norm":
            yield from _weights_after(target)
