"""The slots of tables that are looked up."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch

from fanin import fans
from fanin.fans import Layout
from fanin.observation.graph import Call, Value
from fanin.observation.slot import Slot, fans_of


def embedding(call: Call) -> Iterator[Slot]:
    first, second = call.argument(0, "input"), call.argument(1, "weight")
    table, index = (second, first) if call.function is not torch.embedding else (first, second)
    yield Slot(index, "signal")
    yield Slot(table, "table", fans_of(fans.embedding, table.shape))


def embedding_bag(call: Call) -> Iterator[Slot]:
    index, table = call.argument(0, "input"), call.argument(1, "weight")
    if call.function is torch.embedding_bag:
        index, table = table, index
    yield Slot(index, "signal")
    mode = call.argument(6, "mode", "mean")
    bag = _mean_bag(index, call.argument(2, "offsets"), mode, call)
    yield Slot(table, "table", fans_of(fans.embedding_bag, table.shape, mode, bag=bag))
    yield Slot(call.kwargs.get("per_sample_weights"), "scale")


def _mean_bag(index: Value, offsets: Any, mode: str, call: Call) -> float:
    """Rows in a bag: their mean, for mode "mean" the harmonic one; empty bags do not count."""
    total = math.prod(index.shape)
    if not isinstance(offsets, Value):
        return float(index.shape[-1]) if index.shape else 1.0
    if offsets.tensor is None:
        return total / max(math.prod(offsets.shape), 1)
    starts: list[int] = offsets.tensor.tolist()
    stops = starts[1:] if call.kwargs.get("include_last_offset") else [*starts[1:], total]
    sizes = [stop - start for start, stop in zip(starts, stops, strict=False) if stop > start]
    if not sizes:
        return 1.0
    if mode == "mean":
        return len(sizes) / sum(1 / size for size in sizes)
    return sum(sizes) / len(sizes)


def lookup(call: Call) -> Iterator[Slot]:
    table = call.argument(0, "input")
    yield Slot(table, "table", _rows(table.shape, _looked_up_axis(call)))
    for value in call.operands:
        if value is not table:
            yield Slot(value, "signal")


def _looked_up_axis(call: Call) -> int | None:
    """The axis that the index runs along; None where there is no single one."""
    if call.op != "getitem":
        return int(call.argument(1, "dim", 0)) if call.op != "take" else 0
    index = call.args[1] if isinstance(call.args[1], tuple) else (call.args[1],)
    places = [place for place, item in enumerate(index) if isinstance(item, Value)]
    before = index[: places[0]] if places else ()
    if len(places) != 1 or any(item is None or item is Ellipsis for item in before):
        return None
    return places[0]


def _rows(shape: tuple[int, ...], axis: int | None) -> Layout | None:
    if not shape or axis is None:
        return None
    axis %= len(shape)
    if len(shape) == 2 and axis == 0:
        return fans.embedding(shape)
    axes = tuple(other for other in range(len(shape)) if other != axis)
    return Layout("embedding", shape, 1, math.prod(shape[other] for other in axes), axes, (axis,))
