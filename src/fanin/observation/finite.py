"""Where the first Inf or NaN arose: a second pass that looks at every result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fanin.observation.graph import Call, Kind, Value
from fanin.observation.readouts import NonFinite


class Finder:
    """Watches a recording for the first call that makes a NaN of none, or overflows.

    Infinities that a mask puts in are meant; what a parameter holds is told of the first
    operation that reads it.
    """

    def __init__(self) -> None:
        self.found: NonFinite | None = None
        self.gradient: NonFinite | None = None

    def see(self, call: Call, operands: Sequence[Tensor], results: Sequence[Tensor]) -> None:
        made = results[0]
        if made.requires_grad and torch.is_grad_enabled():
            watch: Any = made.register_hook
            watch(lambda gradient: self._backward(call, gradient))
        if self.found is not None:
            return
        nan, infinite = _counts(made)
        if not nan and not infinite:
            return
        there = [
            (value, tensor)
            for value, tensor in zip(call.operands, operands, strict=False)
            if tensor is not made  # written in place: what it was is gone
        ]
        read = [(value.kind is not Kind.DATA, *_counts(tensor)) for value, tensor in there]
        bad_parameter = any(
            a or (b and value.is_parameter)
            for (value, _), (own, a, b) in zip(there, read, strict=True)
            if own
        )
        new_nan = nan and not any(a for _, a, _ in read)
        overflow = infinite and not any(a or b for _, a, b in read) and not _puts_in(call)
        if bad_parameter or new_nan or overflow:
            self.found = NonFinite(
                call.op, call.module, nan + infinite, operand=_described(there, read),
                parameters=_nearest(call),
                dtype=str(made.dtype).removeprefix("torch."),
            )  # fmt: skip

    def _backward(self, call: Call, gradient: Tensor | None) -> None:
        if self.gradient is None and gradient is not None:
            wrong = sum(_counts(gradient))
            if wrong:
                self.gradient = NonFinite(
                    call.op, call.module, wrong, gradient=True, parameters=_nearest(call),
                    dtype=str(gradient.dtype).removeprefix("torch."),
                )  # fmt: skip


def _described(there: Sequence[tuple[Value, Tensor]], read: Sequence[tuple[bool, int, int]]) -> str:
    """The operand to blame: a parameter that is not finite, or the ones that were all finite."""
    parts = []
    for (value, tensor), (own, nan, infinite) in zip(there, read, strict=True):
        if own and (nan or infinite):
            what = f"parameter {value.name}" if value.name else "a buffer or constant"
            return f"{what} holds {nan} NaN and {infinite} Inf"
        if tensor.is_floating_point() and tensor.numel():
            low, high = torch.aminmax(tensor.detach())
            what = f"parameter {value.name}" if value.is_parameter else "an operand"
            parts.append(f"{what} in [{float(low):.3g}, {float(high):.3g}]")
    return ", ".join(parts[:2])


def _nearest(call: Call) -> tuple[str, ...]:
    """The parameters of the last calls before it that have any."""
    found: dict[str, None] = {}
    stack, seen = [call], {call.index}
    while stack:
        current = stack.pop()
        own = [value.name for value in current.operands if value.is_parameter and value.name]
        found.update(dict.fromkeys(own))
        if own:
            continue
        for value in current.operands:
            if value.producer is not None and value.producer.index not in seen:
                seen.add(value.producer.index)
                stack.append(value.producer)
    return tuple(found)


def _puts_in(call: Call) -> bool:
    """A mask: a number that is not finite stands among its arguments."""
    numbers = [value for value in (*call.args, *call.kwargs.values()) if isinstance(value, float)]
    constants = [operand.tensor for operand in call.operands if operand.tensor is not None]
    return any(not math.isfinite(number) for number in numbers) or any(
        sum(_counts(constant)) > 0 for constant in constants
    )


def _counts(tensor: Tensor) -> tuple[int, int]:
    """How many elements are NaN, and how many infinite."""
    with torch.no_grad():
        plain = tensor.detach()
        if not (plain.is_floating_point() or plain.is_complex()) or plain.is_meta:
            return 0, 0
        nan = int(torch.isnan(plain).sum())
        return nan, plain.numel() - int(torch.isfinite(plain).sum()) - nan
