"""What the results of a call hang on, and which calls are recorded at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from torch import Tensor

from fanin.observation.graph import Call, Kind
from fanin.observation.operations import (
    GATHERING,
    INDICES,
    LIKE,
    LOOKUPS,
    METADATA,
    MOVEMENTS,
    POINTWISE,
    SHAPED,
    WEIGHT_OPS,
    name_of,
)

SMALL: Final = 4096
"""Constants up to this size are kept for replays; masks of attention are not."""

_PASSING: Final = POINTWISE | MOVEMENTS | GATHERING


def kind_of(call: Call) -> tuple[Kind, bool]:
    """What the results of a call hang on, and whether a weight's operation is on the way."""
    if call.op in LIKE:
        return Kind.CONSTANT, False
    operands = call.operands
    if call.op in SHAPED or _is_selected(call):
        operands = operands[:1]
    kinds = {operand.kind for operand in operands}
    if Kind.DATA in kinds:
        return Kind.DATA, False
    if Kind.WEIGHT not in kinds:
        return Kind.CONSTANT, False
    if call.op in LOOKUPS or (call.op == "getitem" and _is_looked_up(call)):
        return Kind.DATA, False
    pending = call.op in WEIGHT_OPS or any(operand.pending for operand in call.operands)
    return Kind.WEIGHT, pending


def root_of(call: Call) -> int:
    """Elementwise calls and movements of one signal have its root; all others are one."""
    if call.op in INDICES:
        return -1
    if call.op not in _PASSING:
        return call.index
    roots = {operand.root for operand in call.operands if operand.is_data and operand.root != -1}
    if len(roots) > 1:
        return call.index
    return roots.pop() if roots else -1


def is_small_index(tensor: Tensor) -> bool:
    """Offsets of bags say how many rows each has."""
    return tensor.numel() <= SMALL and not (tensor.is_floating_point() or tensor.is_complex())


def _is_looked_up(call: Call) -> bool:
    """Indexing by a tensor of integers, not by slices."""
    return len(call.operands) > 1 and not _is_selected(call)


def _is_selected(call: Call) -> bool:
    """Indexing of parameters by single numbers in tensors: one matrix of a stack is taken."""
    return (
        call.op == "getitem"
        and call.operands[0].is_weight
        and all(index.shape == () for index in call.operands[1:])
    )


def recorded_op(function: Callable[..., Any]) -> str:
    """The name of a function that is recorded; empty for one that gives no signal."""
    raw = getattr(function, "__name__", "")
    op = name_of(function)
    if raw == "__get__":
        return op if op in MOVEMENTS or op in {"real", "imag"} else ""
    return "" if raw in METADATA or op in METADATA or raw in {"__set__", "__delete__"} else op
