"""Where the first Inf or NaN arose: a second pass that looks at every result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fanin.observation.graph import Call
from fanin.observation.records import NonFinite


class Finder:
    """Watches a recording for the first call with finite operands and a result that is not.

    Infinities that a mask puts in are meant: only a NaN or an overflow counts.
    """

    def __init__(self) -> None:
        self.found: NonFinite | None = None
        self.gradient: NonFinite | None = None

    def see(self, call: Call, operands: Sequence[Tensor], results: Sequence[Tensor]) -> None:
        tensor = results[0]
        if tensor.requires_grad and torch.is_grad_enabled():
            watch: Any = tensor.register_hook
            watch(lambda gradient: self._backward(call, gradient))
        if self.found is not None:
            return
        wrong = _nonfinite(tensor)
        if not wrong or _puts_in(call):
            return
        if call.in_place or all(_nonfinite(operand) == 0 for operand in operands):
            self.found = NonFinite(call.op, call.module, wrong)

    def _backward(self, call: Call, gradient: Tensor | None) -> None:
        if self.gradient is None and gradient is not None:
            wrong = _nonfinite(gradient)
            if wrong:
                self.gradient = NonFinite(call.op, call.module, wrong, gradient=True)


def _puts_in(call: Call) -> bool:
    """A mask: a number that is not finite stands among its arguments."""
    numbers = [value for value in (*call.args, *call.kwargs.values()) if isinstance(value, float)]
    constants = [operand.tensor for operand in call.operands if operand.tensor is not None]
    return any(not math.isfinite(number) for number in numbers) or any(
        _nonfinite(constant) > 0 for constant in constants
    )


def _nonfinite(tensor: Tensor) -> int:
    with torch.no_grad():
        plain = tensor.detach()
        if not (plain.is_floating_point() or plain.is_complex()) or plain.is_meta:
            return 0
        return plain.numel() - int(torch.isfinite(plain).sum())
