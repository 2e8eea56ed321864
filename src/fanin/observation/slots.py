"""What each operand of an operation is to it: its signal, its weight, its bias, its scale."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import torch

from fanin import fans
from fanin.fans import Layout
from fanin.observation.graph import Call, Value
from fanin.observation.operations import (
    ATTENTIONS,
    GATHERING,
    LOSSES,
    NORMS,
    POINTWISE,
    POOLS,
    RECURRENT,
)
from fanin.observation.recurrent_slots import cell, recurrent
from fanin.observation.slot import Slot, fans_of
from fanin.observation.table_slots import embedding, embedding_bag, lookup

_DISTANCES: Final = frozenset({"cdist", "cosine_similarity", "pairwise_distance", "dist"})


def slots(call: Call) -> tuple[Slot, ...] | None:
    """The operands of a call; None for an operation that is not known."""
    rule = _RULES.get(call.op)
    if rule is not None:
        return tuple(slot for slot in rule(call) if isinstance(slot.value, Value))
    role = _role(call.op)
    return None if role is None else tuple(Slot(value, role) for value in call.operands)


def _role(op: str) -> str | None:
    if op in {"add", "sub", "rsub"}:
        return "shift"
    if op in {"mul", "div", "rdiv"}:
        return "scale"
    if op in GATHERING or op in ATTENTIONS or op in POOLS:
        return "input"
    if op in POINTWISE or op in LOSSES or op in _DISTANCES | {"rpow"}:
        return "elementwise"
    return None


def _linear(call: Call) -> Iterator[Slot]:
    yield Slot(call.argument(0, "input"), "signal")
    weight = call.argument(1, "weight")
    yield Slot(weight, "weight", _of_rows(weight))
    yield Slot(call.argument(2, "bias"), "bias")


def _linear_loss(call: Call) -> Iterator[Slot]:
    yield Slot(call.argument(0, "input"), "signal")
    weight = call.argument(1, "linear_weight")
    yield Slot(weight, "weight", _of_rows(weight))
    yield Slot(call.kwargs.get("linear_bias"), "bias")


def _of_rows(value: Any) -> Layout | None:
    """W x: outputs count along the last axis but one."""
    if not isinstance(value, Value):
        return None
    shape = value.shape
    if len(shape) == 1:
        return Layout("linear", shape, shape[0], 1, (), (0,))
    if len(shape) == 2:
        return fans.linear(shape)
    last = len(shape) - 1
    return Layout(
        "matmul", shape, shape[-1], shape[-2], (last - 1,), (last,), tuple(range(last - 1))
    )


def _of_columns(value: Any) -> Layout | None:
    """X W: outputs count along the last axis."""
    if not isinstance(value, Value):
        return None
    shape = value.shape
    if len(shape) == 1:
        return Layout("linear", shape, shape[0], 1, (), (0,))
    return fans.transposed_linear(shape) if len(shape) == 2 else fans_of(fans.matmul, shape)


def _product(first: int, second: int, bias: int | None = None) -> Callable[[Call], Iterator[Slot]]:
    """A product of two operands at these places; either may be the weight."""

    def rule(call: Call) -> Iterator[Slot]:
        left = call.argument(first, ("input", "mat1", "batch1", "mat", "self", "tensor1")[0])
        right = call.argument(second, "other")
        if len(call.args) <= second:
            left, right = list(call.operands)[-2:]
        yield from _factors(left, right)
        if bias is not None:
            yield Slot(call.argument(bias, "input"), "bias")

    return rule


def _factors(left: Any, right: Any) -> Iterator[Slot]:
    yield Slot(left, "weight", _of_rows(left))
    yield Slot(right, "weight", _of_columns(right))


def _reversed_product(call: Call) -> Iterator[Slot]:
    yield from _factors(call.argument(1, "other"), call.argument(0, "self"))


def _inner(call: Call) -> Iterator[Slot]:
    for place, name in ((0, "input"), (1, "other")):
        value = call.argument(place, name)
        yield Slot(value, "weight", _of_rows(value))


def _outer(call: Call) -> Iterator[Slot]:
    for value in call.operands:
        yield Slot(value, "weight")


def _einsum(call: Call) -> Iterator[Slot]:
    equation = call.args[0]
    factors = call.args[1] if isinstance(call.args[1], tuple | list) else call.args[1:]
    for place, value in enumerate(factors):
        layout = None
        if isinstance(equation, str):
            layout = fans_of(fans.einsum, equation, value.shape, place)
        yield Slot(value, "weight", layout)


def _tensordot(call: Call) -> Iterator[Slot]:
    dims = call.argument(2, "dims", 2)
    for place, name in ((0, "a"), (1, "b")):
        value = call.argument(place, name)
        yield Slot(value, "weight", _contracted(value, dims, place))


def _contracted(value: Value, dims: Any, place: int) -> Layout | None:
    axes = len(value.shape)
    if isinstance(dims, int):
        inner = tuple(range(axes - dims, axes)) if place == 0 else tuple(range(dims))
    elif isinstance(dims, tuple | list) and len(dims) == 2:
        chosen = dims[place] if isinstance(dims[place], tuple | list) else (dims[place],)
        inner = tuple(int(axis) % axes for axis in chosen)
    else:
        return None
    outer = tuple(axis for axis in range(axes) if axis not in inner)
    sizes = value.shape
    return Layout(
        "tensordot", sizes, math.prod(sizes[axis] for axis in inner),
        math.prod(sizes[axis] for axis in outer), outer, inner,
    )  # fmt: skip


def _conv(call: Call) -> Iterator[Slot]:
    yield Slot(call.argument(0, "input"), "signal")
    weight = call.argument(1, "weight")
    groups = call.argument(6, "groups", 1)
    yield Slot(weight, "weight", fans_of(fans.conv, weight.shape, groups=groups))
    yield Slot(call.argument(2, "bias"), "bias")


def _conv_transpose(call: Call) -> Iterator[Slot]:
    yield Slot(call.argument(0, "input"), "signal")
    weight = call.argument(1, "weight")
    yield Slot(
        weight,
        "weight",
        fans_of(
            fans.conv_transpose,
            weight.shape,
            stride=_sizes(call.argument(3, "stride", 1)),
            groups=call.argument(6, "groups", 1),
        ),
    )
    yield Slot(call.argument(2, "bias"), "bias")


def _sizes(stride: Any) -> int | Sequence[int]:
    if isinstance(stride, tuple | list):
        return tuple(stride) if len(stride) > 1 else int(stride[0])
    return int(stride)


def _bilinear(call: Call) -> Iterator[Slot]:
    yield Slot(call.argument(0, "input1"), "signal")
    yield Slot(call.argument(1, "input2"), "signal")
    weight = call.argument(2, "weight")
    yield Slot(weight, "weight", fans_of(fans.bilinear, weight.shape))
    yield Slot(call.argument(3, "bias"), "bias")


def _grouped(call: Call) -> Iterator[Slot]:
    yield Slot(call.argument(0, "input"), "signal")
    weight = call.argument(1, "mat2")
    yield Slot(weight, "weight", fans_of(fans.experts, weight.shape))
    yield Slot(call.argument(3, "bias"), "bias")


def _norm(call: Call) -> Iterator[Slot]:
    yield Slot(call.argument(0, "input"), "signal")
    first = 2
    if call.op in {"batch_norm", "instance_norm"}:
        first = 1 if call.function in {torch.batch_norm, torch.instance_norm} else 3
    if call.op == "native_batch_norm":
        first = 1
    yield Slot(call.argument(first, "weight"), "scale")
    if call.op not in {"rms_norm", "_fused_rms_norm"}:
        yield Slot(call.argument(first + 1, "bias"), "shift")


def _plain_norm(call: Call) -> Iterator[Slot]:
    for value in call.operands:
        yield Slot(value, "signal")


def _prelu(call: Call) -> Iterator[Slot]:
    yield Slot(call.argument(0, "input"), "elementwise")
    yield Slot(call.argument(1, "weight"), "slope")


def _attention(call: Call) -> Iterator[Slot]:
    for place, name in enumerate(("query", "key", "value")):
        yield Slot(call.argument(place, name), "input")
    yield Slot(call.argument(3, "attn_mask"), "shift")


_RULES: Final[dict[str, Callable[[Call], Iterator[Slot]]]] = {
    "linear": _linear,
    "linear_cross_entropy": _linear_loss,
    "bilinear": _bilinear,
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _conv),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _conv_transpose),
    **dict.fromkeys(("matmul", "mm", "bmm", "mv", "dot", "vdot"), _product(0, 1)),
    **dict.fromkeys(("addmm", "addmv", "addbmm", "baddbmm"), _product(1, 2, 0)),
    "rmatmul": _reversed_product,
    "inner": _inner,
    **dict.fromkeys(("outer", "ger", "kron", "addr", "chain_matmul", "multi_dot"), _outer),
    "linalg_multi_dot": _outer,
    "einsum": _einsum,
    "tensordot": _tensordot,
    **dict.fromkeys(("_grouped_mm", "grouped_mm"), _grouped),
    "embedding": embedding,
    "embedding_bag": embedding_bag,
    **dict.fromkeys(("index_select", "gather", "take", "take_along_dim", "getitem"), lookup),
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), recurrent),
    **dict.fromkeys((name for name in RECURRENT if name.endswith("_cell")), cell),
    **dict.fromkeys((name for name in NORMS if name.endswith("norm")), _norm),
    **dict.fromkeys(("normalize", "local_response_norm"), _plain_norm),
    "prelu": _prelu,
    "scaled_dot_product_attention": _attention,
}
