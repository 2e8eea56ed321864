"""Put a stream of float32 numbers into a torch tensor of any type, strides and device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from fanin.errors import InputError
from fanin.noise import Distribution, Stream
from fanin.noise.threads import in_pieces

FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
# Types that distributions write by themselves, and how NumPy, which has no bfloat16, sees them.
_DIRECT = {torch.float32: torch.float32, torch.bfloat16: torch.uint16}
# 128 KiB of float32 a thread: stays in a core's cache, and is all the memory a fill needs.
_WINDOW = 1 << 15


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
def fill_(tensor: Tensor, distribution: Distribution, *, seed: int, name: str) -> Tensor:
    """Write elements 0, 1, ... of the stream of (seed, name) in row-major order."""
    stream = Stream(seed, name)
    plain = tensor.detach()
    if plain.device.type == "cpu" and plain.is_contiguous() and plain.dtype in _DIRECT:
        distribution.fill(plain.view(-1).view(_DIRECT[plain.dtype]).numpy(), stream, 0)
        if not plain.is_inference():
            # Written behind torch's back; autograd must know that saved values are stale.
            increment_version(plain)
        return tensor
    target = (
        plain.view(-1)
        if plain.is_contiguous()
        else torch.empty_like(plain, memory_format=torch.contiguous_format).view(-1)
    )

    def fill_part(low: int, high: int) -> None:
        window = np.empty(min(_WINDOW, high - low), np.float32)
        # The mode belongs to a thread, and the piece may be another thread's.
        with torch.inference_mode(target.is_inference()):
            for start in range(low, high, _WINDOW):
                part = window[: min(_WINDOW, high - start)]
                distribution.fill(part, stream, start)
                target[start : start + part.size].copy_(torch.from_numpy(part))

    in_pieces(fill_part, target.numel())
    if not plain.is_contiguous():
        plain.copy_(target.view(plain.shape))
    return tensor
