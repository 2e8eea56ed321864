"""Put a stream of float32 numbers into a torch tensor of any type, strides and device."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.graph import increment_version

from fanin.errors import InputError
from fanin.noise import Distribution, Stream
from fanin.noise.threads import each

FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
# Types that distributions write by themselves, and how NumPy, which has no bfloat16, sees them.
_DIRECT = {torch.float32: torch.float32, torch.bfloat16: torch.uint16}
# 127 KiB of float32 a thread: stays in a core's cache, and is all the memory a fill needs. At
# 128 KiB torch would begin to copy on threads of its own, beside ours.
_WINDOW = 127 * 256

Change = Callable[[int, NDArray[np.float32]], None]
"""Told the first element of a window and its numbers, which it may change in place."""


def require_fillable(tensor: Tensor, name: str = "") -> None:
    """Raise unless the tensor can be drawn.

    Raises:
        InputError: naming the tensor and what is wrong with it.
    """
    called = f"tensor {name!r}" if name else "the tensor"
    if not isinstance(tensor, Tensor):
        raise InputError(f"{called} must be a torch.Tensor, got {type(tensor).__name__}")
    if tensor.is_meta:
        raise InputError(
            f"{called} is on the meta device and holds no values. "
            "Give it memory first: model.to_empty(device='cpu')"
        )
    if tensor.dtype not in FLOATS:
        types = ", ".join(str(t).removeprefix("torch.") for t in FLOATS)
        raise InputError(f"{called} has type {tensor.dtype}; a scheme can draw {types}")
    if tensor.layout is not torch.strided:
        raise InputError(f"{called} is sparse ({tensor.layout}); a scheme draws dense tensors")
    if _overlaps(tensor):
        raise InputError(
            f"{called} is a view whose elements share memory (expand, unfold). "
            "Give it memory of its own: tensor.contiguous()"
        )
    if tensor.is_neg():
        raise InputError(
            f"{called} is a lazily negated view. Give it values of its own: tensor.resolve_neg()"
        )


def _overlaps(tensor: Tensor) -> bool:
    """Whether two elements may share memory: an axis steps less far than those below it reach."""
    reach = 0
    axes = sorted(zip(tensor.stride(), tensor.shape, strict=True))
    for stride, size in axes:
        if size > 1:
            if stride <= reach:
                return True
            reach += stride * (size - 1)
    return False


@torch.no_grad()
def fill_(
    tensor: Tensor,
    distribution: Distribution,
    stream: Stream,
    change: Change | None = None,
) -> Tensor:
    """Write elements 0, 1, ... of the stream in row-major order.

    Args:
        tensor: one that ``require_fillable`` accepts.
        distribution: of the elements.
        stream: gives them.
        change: what becomes of the numbers before they are rounded to the tensor's type;
            windows come in any order.
    """
    plain = tensor.detach()
    types = _DIRECT if change is None else {torch.float32: torch.float32}
    if plain.device.type == "cpu" and plain.is_contiguous() and plain.dtype in types:
        memory = plain.view(-1).view(types[plain.dtype]).numpy()
        if change is None:
            distribution.fill(memory, stream, 0)
        else:
            _fill_changed(memory, distribution, stream, change)
        if not plain.is_inference():
            # Written behind torch's back; autograd must know that saved values are stale.
            increment_version(plain)
        return tensor

    def fill_window(window: tuple[int, Tensor]) -> None:
        start, part = window
        values = np.empty(part.numel(), np.float32)
        distribution.fill(values, stream, start)
        if change is not None:
            change(start, values)
        # The mode belongs to a thread, and the window may be another thread's.
        with torch.inference_mode(plain.is_inference()):
            part.copy_(torch.from_numpy(values).view(part.shape))

    each(fill_window, list(_windows(plain, 0)))
    return tensor


def _fill_changed(
    memory: NDArray[np.float32], distribution: Distribution, stream: Stream, change: Change
) -> None:
    def fill_window(start: int) -> None:
        part = memory[start : start + _WINDOW]
        distribution.fill(part, stream, start)
        change(start, part)

    each(fill_window, range(0, memory.size, _WINDOW))


def _windows(tensor: Tensor, start: int) -> Iterator[tuple[int, Tensor]]:
    """Views that make up the tensor, with the row-major place of their first element."""
    if tensor.numel() <= _WINDOW:
        yield start, tensor
        return
    row = tensor.numel() // len(tensor)
    if row > _WINDOW:
        for i in range(len(tensor)):
            yield from _windows(tensor[i], start + i * row)
        return
    rows = _WINDOW // row
    for i in range(0, len(tensor), rows):
        yield start + i * row, tensor[i : i + rows]
