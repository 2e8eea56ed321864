"""Layouts of convolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fanin.errors import FanError
from fanin.fans.layout import Layout
from fanin.fans.shapes import sizes_of, whole


def conv(shape: Sequence[int], *, groups: int = 1) -> Layout:
    """A convolution; W of shape (out, in / groups, *kernel), as ``torch.nn.Conv1d`` to ``3d``.

    fan_in = (in / groups) K and fan_out = (out / groups) K, K the kernel's size. Stride
    divides the gradient's sum, dilation changes nothing; schemes use the value without it.

    Raises:
        FanError: fewer than three axes, or ``groups`` does not divide the outputs.
    """
    sizes = _kernel("conv", shape, "(out, in / groups, *kernel)")
    out, in_, *kernel = sizes
    _divides("conv", groups, out, shape)
    taps = math.prod(kernel)
    return Layout("conv", sizes, in_ * taps, out // groups * taps, groups=groups)


def conv_transpose(
    shape: Sequence[int], *, stride: int | Sequence[int] = 1, groups: int = 1
) -> Layout:
    """A transposed convolution; W of shape (in, out / groups, *kernel).

    fan_in = (in / groups) K / S, S the product of the strides: only every S-th tap of the
    kernel meets an input. It is exact at every position where the stride divides the
    kernel, elsewhere the mean over positions. fan_out = (out / groups) K.

    Raises:
        FanError: fewer than three axes, ``groups`` does not divide the inputs, or a stride
            that is not positive or not one per axis of the kernel.
    """
    sizes = _kernel("conv_transpose", shape, "(in, out / groups, *kernel)")
    in_, out, *kernel = sizes
    _divides("conv_transpose", groups, in_, shape)
    strides = tuple(stride) if isinstance(stride, Sequence) else (stride,) * len(kernel)
    if len(strides) != len(kernel) or any(step < 1 for step in strides):
        raise FanError(
            f"stride={stride} does not fit conv_transpose's weight of shape {sizes}: "
            f"{len(kernel)} positive steps are needed"
        )
    taps = math.prod(kernel)
    fan_in = whole(in_ // groups * taps / math.prod(strides))
    return Layout("conv_transpose", sizes, fan_in, out * taps, (1,), (0,), groups=groups)


def _kernel(op: str, shape: Sequence[int], meaning: str) -> tuple[int, ...]:
    sizes = sizes_of(op, shape)
    if len(sizes) < 3:
        raise FanError(f"the weight of {op} has shape {meaning}, got {sizes}")
    return sizes


def _divides(op: str, groups: int, channels: int, shape: Sequence[int]) -> None:
    if groups < 1 or channels % groups:
        raise FanError(
            f"groups={groups} does not divide the {channels} channels of axis 0 "
            f"of {op}'s weight of shape {tuple(shape)}"
        )
