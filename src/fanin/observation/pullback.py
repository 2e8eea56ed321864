"""From the layout of what an operation reads to the layout of the parameter behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import attrs
import torch
from torch import Tensor

from fanin.fans import Layout
from fanin.fans.shapes import whole
from fanin.observation.graph import Call, Value, mapped
from fanin.observation.operations import MOVEMENTS, NORMS, POINTWISE, SHAPED

CASTS: Final = frozenset(
    {
        "to",
        "type",
        "type_as",
        "float",
        "half",
        "bfloat16",
        "double",
        "contiguous",
        "clone",
        "detach",
        "data",
    }
)
_JOINED: Final = frozenset({"cat", "stack", "hstack", "vstack"})
_MATRIX_PRODUCTS: Final = frozenset({"matmul", "mm"})
_IDENTITIES: Final = POINTWISE | NORMS | {"_weight_norm"}
_WRITERS: Final = frozenset({"setitem", "copy"})


@attrs.frozen
class Move:
    """One call on a way, with the operand it comes from and the result it goes on with."""

    call: Call
    operand: Value
    result: Value


@attrs.frozen
class Origin:
    """The way from a parameter to a value that is made of parameters alone."""

    parameter: Value
    way: tuple[Move, ...] = ()

    @property
    def through(self) -> tuple[str, ...]:
        return tuple(move.call.op for move in self.way if move.call.op not in CASTS)

    @property
    def cost(self) -> int:
        """Low for the way by which the parameter is the weight, high for that by its norm."""
        return sum(
            0 if move.call.op in MOVEMENTS | _JOINED
            else 1 if move.operand.shape == move.result.shape
            else 5 if move.call.op in _MATRIX_PRODUCTS else 20
            for move in self.way
        )  # fmt: skip


@attrs.frozen
class Pulled:
    """A parameter's layout, and the rows of its first out axis that the operation reads."""

    layout: Layout
    window: tuple[int, int] | None = None


def origins(value: Value, known: dict[int, dict[int, Origin]]) -> dict[int, Origin]:
    """Every parameter behind a value, each by its best way; ``known`` remembers."""
    if id(value) in known:
        return known[id(value)]
    found: dict[int, Origin] = {}
    known[id(value)] = found
    if value.is_parameter:
        found[id(value)] = Origin(value)
    elif value.producer is not None:
        # A second operand of these only gives its shape or type.
        most = 1 if value.producer.op in SHAPED else None
        for operand in value.producer.operands[:most]:
            if not operand.is_weight:
                continue
            for key, origin in origins(operand, known).items():
                move = Move(value.producer, operand, value)
                longer = Origin(origin.parameter, (*origin.way, move))
                if key not in found or longer.cost < found[key].cost:
                    found[key] = longer
    return found


def pulled_back(origin: Origin, layout: Layout) -> Pulled | None:
    """The layout of a parameter that reaches an operation by the way of ``origin``.

    Axes are followed through views, splits and stacks by sending coordinates along the same
    way; of a product of matrices, each factor is a weight of its own. None where what lies on
    the way is none of these, nor elementwise.
    """
    shape, way = origin.parameter.shape, origin.way
    for place, move in enumerate(way):
        if move.call.op in _MATRIX_PRODUCTS and len(move.result.shape) == 2:
            product = _pulled(move.result.shape, way[place + 1 :], layout)
            factor = None if product is None else _factor(move, product.layout)
            return None if factor is None else _pulled(shape, way[:place], factor)
    return _pulled(shape, way, layout)


def _factor(move: Move, product: Layout) -> Layout | None:
    """The layout of a factor of a matrix product that is used as a weight (W = B A)."""
    if len(product.in_axes) != 1 or len(product.out_axes) != 1 or len(move.operand.shape) != 2:
        return None
    is_left = move.operand is move.call.args[0]
    kept = 0 if is_left else 1
    inner = move.operand.shape[1 - kept]
    if product.out_axes == (kept,):
        return replace(
            product, shape=move.operand.shape, fan_in=inner, out_axes=(kept,), in_axes=(1 - kept,)
        )
    return replace(
        product, shape=move.operand.shape, fan_out=inner, out_axes=(1 - kept,), in_axes=(kept,)
    )


def _pulled(shape: tuple[int, ...], way: Sequence[Move], layout: Layout) -> Pulled | None:
    if all(move.call.op in CASTS or move.call.op in _IDENTITIES for move in way):
        return Pulled(layout) if layout.shape == shape else None
    sent: list[Tensor] = []
    for axis, size in enumerate(shape):
        line = torch.arange(size, dtype=torch.int32)
        line = line.view([size if other == axis else 1 for other in range(len(shape))])
        arrived = _sent(line.expand(shape), way)
        if arrived is None or tuple(arrived.shape) != layout.shape:
            return None
        sent.append(arrived)
    found = _relabelled(shape, [_varying(arrived) for arrived in sent], layout)
    if found is None or not found.out_axes:
        return None if found is None else Pulled(found)
    axis = found.out_axes[0]
    rows = sent[axis][sent[axis] >= 0] if _has_gaps(sent[axis]) else sent[axis]
    window = (int(rows.min()), int(rows.max()) + 1) if rows.numel() else None
    return Pulled(found, None if window == (0, shape[axis]) else window)


def _has_gaps(sent: Tensor) -> bool:
    return all(stride != 0 for stride in sent.stride())


def _sent(coordinates: Tensor, way: Sequence[Move]) -> Tensor | None:
    """Coordinates at the end of a way; -1 where other tensors come in."""
    for move in way:
        op = move.call.op
        if op in CASTS:
            continue
        if op in MOVEMENTS | _JOINED:
            result = carried(move, coordinates)
        elif op in _IDENTITIES:
            result = _spread(coordinates, move.result.shape)
        else:
            result = None
        if result is None:
            return None
        coordinates = result
    return coordinates


def _spread(coordinates: Tensor, shape: tuple[int, ...]) -> Tensor | None:
    if tuple(coordinates.shape) == shape:
        return coordinates
    try:
        return coordinates.broadcast_to(shape)
    except RuntimeError:
        return None


def carried(move: Move, coordinates: Tensor) -> Tensor | None:
    """What a movement makes of coordinates in the place of its operand; -1 for all others."""
    if move.call.op in _WRITERS:
        return coordinates if tuple(coordinates.shape) == move.result.shape else None

    def change(leaf: object) -> object:
        if leaf is move.operand:
            return coordinates
        if not isinstance(leaf, Value):
            return leaf
        if leaf.tensor is not None and not leaf.is_weight:
            return leaf.tensor
        if move.call.op == "getitem":
            return torch.zeros(leaf.shape, dtype=torch.int64)
        return torch.full((1,) * len(leaf.shape), -1, dtype=torch.int32).expand(leaf.shape)

    args, kwargs = mapped((move.call.args, move.call.kwargs), change)
    try:
        made = move.call.function(*args, **kwargs)
    except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
        return None
    if isinstance(made, tuple | list):
        made = made[move.call.outputs.index(move.result)]
    return made if isinstance(made, Tensor) else None


def _varying(sent: Tensor) -> set[int]:
    """The axes along which coordinates differ."""
    if any(stride == 0 for stride in sent.stride()):
        return {
            axis
            for axis, (size, stride) in enumerate(zip(sent.shape, sent.stride(), strict=True))
            if size > 1 and stride != 0
        }
    there = sent >= 0
    lowest = torch.where(there, sent, torch.iinfo(torch.int32).max)
    return {
        axis
        for axis, size in enumerate(sent.shape)
        if size > 1 and bool((sent.amax(axis) > lowest.amin(axis)).any())
    }


def _relabelled(
    shape: tuple[int, ...], varies: Sequence[set[int]], layout: Layout
) -> Layout | None:
    parts: dict[str, list[int]] = {"out": [], "in": [], "batch": [], "field": []}
    for axis, along in enumerate(varies):
        labels = {_label(layout, other) for other in along}
        if len(labels) > 1:
            return None
        if labels:
            parts[labels.pop()].append(axis)
        elif shape[axis] > 1 and layout.shape != shape:
            parts["batch"].append(axis)
    outputs = math.prod(shape[axis] for axis in parts["out"])
    total = math.prod(layout.shape[axis] for axis in layout.out_axes)
    share, groups = min(outputs / total, 1) if total else 1, layout.groups
    if groups > 1 and outputs * groups == total:
        share, groups = 1, 1  # each example has a copy, under a style of its own
    if groups > 1 and (share < 1 or parts["out"][:1] != [0]):
        return None
    # An axis of size one shows no coordinates.
    named = {axis for axes in parts.values() for axis in axes}
    for axis in range(len(shape)):
        if axis not in named and len(shape) == len(layout.shape):
            parts[_label(layout, axis)].append(axis)
    op = layout.op
    if op in {"linear", "transposed_linear"} and len(shape) == 2:
        op = "linear" if parts["out"] == [0] else "transposed_linear"
    return Layout(
        op, shape, layout.fan_in, whole(layout.fan_out * share), tuple(sorted(parts["out"])),
        tuple(sorted(parts["in"])), tuple(sorted(parts["batch"])), groups,
    )  # fmt: skip


def _label(layout: Layout, axis: int) -> str:
    if axis in layout.out_axes:
        return "out"
    if axis in layout.in_axes:
        return "in"
    return "batch" if axis in layout.batch_axes else "field"
