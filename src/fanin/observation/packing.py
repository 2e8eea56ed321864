"""Packed weights: several in one tensor, known by where their outputs go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import torch

from fanin.errors import FanError
from fanin.fans import Layout, packed
from fanin.fans.shapes import whole
from fanin.observation.dataflow import Dataflow, Stage
from fanin.observation.graph import Call, Value
from fanin.observation.operations import GATHERING, MOVEMENTS, POINTWISE, SPLITS
from fanin.observation.pullback import CASTS, Move, carried

_LAST_AXIS: Final = frozenset({"linear", "addmm", "matmul", "mm", "bilinear", "rmatmul"})


def with_blocks(layout: Layout, stage: Stage, dataflow: Dataflow) -> Layout:
    """The layout, with blocks where the output is split into parts that go separate ways.

    Parts that are no intervals of the outputs, as where heads hold query, key and value in
    turn, give no blocks, but each has only its own share of the outputs.
    """
    if layout.blocks or len(layout.out_axes) != 1 or layout.groups > 1:
        return layout
    parts = list(_parts(stage, dataflow))
    if len(parts) < 2:
        return layout
    total = layout.shape[layout.out_axes[0]]
    if sum(len(part) for part in parts) != total or len(set().union(*parts)) != total:
        return layout
    parts.sort(key=min)
    if all(max(part) - min(part) + 1 == len(part) for part in parts):
        try:
            return packed(layout, tuple(len(part) for part in parts))
        except FanError:
            return layout
    return replace(layout, fan_out=whole(layout.fan_out / len(parts)))


def _parts(stage: Stage, dataflow: Dataflow) -> Iterator[frozenset[int]]:
    """The outputs that each part holds; nothing where parts are put together again."""
    assert stage.call is not None  # noqa: S101 - a weight's stage is a call
    value = stage.values[0]
    axis = _unit_axis(stage.call, value)
    if axis is None or not _may_split(value):
        return
    line = torch.arange(value.shape[axis], dtype=torch.int32)
    line = line.view([-1 if place == axis else 1 for place in range(len(value.shape))])
    stack = [(value, line.expand(value.shape))]
    found: list[frozenset[int]] = []
    while stack:
        current, coordinates = stack.pop()
        for call in dict.fromkeys(current.uses):
            if call.op in GATHERING and _same_origin(call, stage, dataflow) > 1:
                return
            if (
                call.op in POINTWISE
                and any(
                    operand.is_weight or operand.shape != current.shape for operand in call.operands
                )
                and call.outputs[0].shape == current.shape
            ):
                stack.append((call.outputs[0], coordinates))
                continue
            if call.op not in MOVEMENTS:
                continue
            for result in call.outputs:
                if not result.uses:
                    continue
                if call.op in CASTS or "dropout" in call.op:
                    stack.append((result, coordinates))
                    continue
                moved = carried(Move(call, current, result), coordinates)
                if moved is None:
                    return
                units = _units(moved)
                if call.op in SPLITS and len(units) < len(_units(coordinates)):
                    if _recombined(result, stage, dataflow):
                        return
                    found.append(units)
                else:
                    stack.append((result, moved))
    yield from found


def _may_split(value: Value) -> bool:
    """Something splits it later; a quick look before coordinates are sent."""
    stack, seen = [value], {id(value)}
    while stack:
        for call in stack.pop().uses:
            if call.op in SPLITS:
                return True
            if call.op in MOVEMENTS or call.op in POINTWISE:
                for output in call.outputs:
                    if id(output) not in seen:
                        seen.add(id(output))
                        stack.append(output)
    return False


def _recombined(value: Value, stage: Stage, dataflow: Dataflow) -> bool:
    """Halves that are rotated and put side by side again are no parts."""
    stack, seen = [value], {id(value)}
    while stack:
        for call in stack.pop().uses:
            if call.op in GATHERING and _same_origin(call, stage, dataflow) > 1:
                return True
            if call.op in MOVEMENTS or call.op in POINTWISE:
                for output in call.outputs:
                    if id(output) not in seen and dataflow.origin(output) is stage:
                        seen.add(id(output))
                        stack.append(output)
    return False


def _same_origin(call: Call, stage: Stage, dataflow: Dataflow) -> int:
    return sum(dataflow.origin(operand) is stage for operand in call.operands)


def _units(coordinates: torch.Tensor) -> frozenset[int]:
    for axis, (size, stride) in enumerate(
        zip(coordinates.shape, coordinates.stride(), strict=True)
    ):
        if stride == 0 and size > 1:
            coordinates = coordinates.narrow(axis, 0, 1)
    return frozenset(torch.unique(coordinates).tolist())


def _unit_axis(call: Call, value: Value) -> int | None:
    if call.op in _LAST_AXIS:
        return len(value.shape) - 1
    if call.op.startswith("conv") and len(value.shape) > 2:
        return 1
    return None
