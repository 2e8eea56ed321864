"""Layouts: which axes of a weight are in, out and receptive field, as the operation uses them.

fan_in is the number of products that one output sums; fan_out is the number of outputs that
one input reaches, which is what its gradient sums. Both follow from the operation, never
from a bare shape: a transposed convolution stores its axes the other way round, a grouped
one joins only a part of its channels, an embedding looks one row up and sums nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from fanin.errors import FanError


@dataclass(frozen=True, slots=True)
class Layout:
    """How one operation reads one weight.

    Args:
        op: the operation, e.g. ``"linear"``, ``"conv"``, ``"embedding"``.
        shape: of the weight.
        fan_in: products summed by one output (its mean over positions, where they differ).
        fan_out: products summed by the gradient of one input, strides left out.
        out_axis: the axis that counts output units.
        groups: blocks of channels that do not see each other.

    Example:
        >>> conv((64, 1, 3, 3), groups=64)  # depthwise; torch.nn.init would take fan_out 576
        Layout(op='conv', shape=(64, 1, 3, 3), fan_in=9, fan_out=9, out_axis=0, groups=64)
    """

    op: str
    shape: tuple[int, ...]
    fan_in: float
    fan_out: float
    out_axis: int = 0
    groups: int = 1

    @classmethod
    def of(cls, module: object) -> Layout:
        """The layout of ``module.weight``, for a module of torch.nn or a subclass of one.

        Args:
            module: a Linear, Conv1d to 3d, ConvTranspose1d to 3d, Embedding, EmbeddingBag or
                Bilinear.

        Raises:
            FanError: another module: its weight has no fans, or they are not known.

        Example:
            >>> import torch
            >>> layout = Layout.of(torch.nn.ConvTranspose2d(8, 12, 4, stride=2))
            >>> layout.fan_in, layout.fan_out
            (32, 192)
        """
        for base in type(module).__mro__:
            layout = _OF_MODULE.get(f"{base.__module__}.{base.__name__}")
            if layout is not None and not _is_lazy(module):
                return layout(module)
        known = ", ".join(name.rpartition(".")[2].strip("_") for name in _OF_MODULE)
        raise FanError(
            f"no fan_in for the weight of {type(module).__name__}: fans are known for {known}, "
            "once they have a shape. "
            "Build the layout of the operation that uses it: fanin.fans.linear((out, in)), ..."
        )


def linear(shape: Sequence[int]) -> Layout:
    """Y = x W^T with W of shape (out, in), as ``torch.nn.Linear`` stores it.

    Raises:
        FanError: the shape has not two axes.
    """
    out, in_ = _axes("linear", shape, 2, "(out, in)")
    return Layout("linear", (out, in_), in_, out)


def conv(shape: Sequence[int], *, groups: int = 1) -> Layout:
    """A convolution; W of shape (out, in / groups, *kernel), as ``torch.nn.Conv1d`` to ``3d``.

    fan_in = (in / groups) K and fan_out = (out / groups) K, K the kernel's size. Stride
    divides the gradient's sum, dilation changes nothing; schemes use the value without it.

    Raises:
        FanError: fewer than three axes, or ``groups`` does not divide the outputs.
    """
    out, in_, kernel = _kernel("conv", shape, "(out, in / groups, *kernel)")
    _divides("conv", groups, out, shape)
    return Layout("conv", tuple(shape), in_ * kernel, out // groups * kernel, 0, groups)


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
    in_, out, kernel = _kernel("conv_transpose", shape, "(in, out / groups, *kernel)")
    _divides("conv_transpose", groups, in_, shape)
    strides = tuple(stride) if isinstance(stride, Sequence) else (stride,) * (len(shape) - 2)
    if len(strides) != len(shape) - 2 or any(step < 1 for step in strides):
        raise FanError(
            f"stride={stride} does not fit conv_transpose's weight of shape {tuple(shape)}: "
            f"{len(shape) - 2} positive steps are needed"
        )
    fan_in = _whole(in_ // groups * kernel / math.prod(strides))
    return Layout("conv_transpose", tuple(shape), fan_in, out * kernel, 1, groups)


def embedding(shape: Sequence[int]) -> Layout:
    """A table of shape (rows, width) that is looked up: each output copies one number.

    fan_in = 1, fan_out = width.

    Raises:
        FanError: the shape has not two axes.
    """
    rows, width = _axes("embedding", shape, 2, "(rows, width)")
    return Layout("embedding", (rows, width), 1, width, out_axis=1)


def bilinear(shape: Sequence[int]) -> Layout:
    """y_o = x1^T W_o x2 with W of shape (out, in1, in2), as ``torch.nn.Bilinear``.

    fan_in = in1 in2; fan_out = out in2, as the gradient of x1 feels it.

    Raises:
        FanError: the shape has not three axes.
    """
    out, in1, in2 = _axes("bilinear", shape, 3, "(out, in1, in2)")
    return Layout("bilinear", (out, in1, in2), in1 * in2, out * in2)


def of_plain_weight(shape: Sequence[int]) -> Layout:
    """The layout of a weight of which only the shape is known: ``Linear``'s or ``Conv``'s.

    This is a convention, the one of ``torch.nn.init``: two axes are (out, in), three to five
    are (out, in, *kernel) with one group. For anything else, build the layout of the
    operation.

    Raises:
        FanError: no such weight has this number of axes.
    """
    if len(shape) == 2:
        return linear(shape)
    if 3 <= len(shape) <= 5:
        return conv(shape)
    raise FanError(
        f"no fan_in for shape {tuple(shape)}: it has {len(shape)} axes, but a weight that "
        "maps inputs to outputs has 2 to 5. Give a layout (fanin.fans), or a scheme without fans "
        "(zeros, ones, constant, normal, uniform, truncated_normal)"
    )


# By name, so that torch is not imported here.
_OF_MODULE: Mapping[str, Callable[[Any], Layout]] = {
    "torch.nn.modules.linear.Linear": lambda m: linear(m.weight.shape),
    "torch.nn.modules.conv._ConvTransposeNd": lambda m: conv_transpose(
        m.weight.shape, stride=m.stride, groups=m.groups
    ),
    "torch.nn.modules.conv._ConvNd": lambda m: conv(m.weight.shape, groups=m.groups),
    "torch.nn.modules.sparse.Embedding": lambda m: embedding(m.weight.shape),
    "torch.nn.modules.sparse.EmbeddingBag": lambda m: embedding(m.weight.shape),
    "torch.nn.modules.linear.Bilinear": lambda m: bilinear(m.weight.shape),
}


def _is_lazy(module: Any) -> bool:
    return bool(type(module.weight).__name__ == "UninitializedParameter")


def _axes(op: str, shape: Sequence[int], count: int, meaning: str) -> tuple[int, ...]:
    sizes = _sizes(op, shape)
    if len(sizes) != count:
        raise FanError(f"the weight of {op} has shape {meaning}, got {tuple(shape)}")
    return sizes


def _kernel(op: str, shape: Sequence[int], meaning: str) -> tuple[int, int, int]:
    sizes = _sizes(op, shape)
    if len(sizes) < 3:
        raise FanError(f"the weight of {op} has shape {meaning}, got {tuple(shape)}")
    return sizes[0], sizes[1], math.prod(sizes[2:])


def _sizes(op: str, shape: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(shape, Sequence) or not all(
        isinstance(size, Integral) and size >= 0 for size in shape
    ):
        raise FanError(f"the shape of {op}'s weight must be a tuple of sizes, got {shape!r}")
    return tuple(int(size) for size in shape)


def _divides(op: str, groups: int, channels: int, shape: Sequence[int]) -> None:
    if groups < 1 or channels % groups:
        raise FanError(
            f"groups={groups} does not divide the {channels} channels of axis 0 "
            f"of {op}'s weight of shape {tuple(shape)}"
        )


def _whole(fan: float) -> float:
    return int(fan) if fan == int(fan) else fan
