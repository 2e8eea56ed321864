"""Layouts of matrices that multiply, and of several in one tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral

from fanin.errors import FanError
from fanin.fans.convolutions import conv
from fanin.fans.layout import Layout
from fanin.fans.shapes import axes_of, whole


def linear(shape: Sequence[int]) -> Layout:
    """Y = x W^T with W of shape (out, in), as ``torch.nn.Linear`` stores it.

    Raises:
        FanError: the shape has not two axes.
    """
    out, in_ = axes_of("linear", shape, 2, "(out, in)")
    return Layout("linear", (out, in_), in_, out)


def transposed_linear(shape: Sequence[int]) -> Layout:
    """Y = x W with W of shape (in, out), as ``Conv1D`` of transformers stores it (GPT-2).

    Raises:
        FanError: the shape has not two axes.

    Example:
        >>> transposed_linear((768, 3072)).fan_in  # torch.nn.init would take 3072
        768
    """
    in_, out = axes_of("transposed_linear", shape, 2, "(in, out)")
    return Layout("transposed_linear", (in_, out), in_, out, (1,), (0,))


def tied_head(shape: Sequence[int]) -> Layout:
    """A table E of shape (rows, width) that is the output layer x E^T as well.

    fan_in = width, fan_out = rows: the fans of the output layer, as those of a table are 1
    and width. No scale suits both: std 1 is right for the look-up and gives logits of std
    sqrt(width), 1 / sqrt(width) gives logits of std 1 and embeddings that small.

    Raises:
        FanError: the shape has not two axes.

    Example:
        >>> tied_head((50257, 768)).fan_in
        768
    """
    rows, width = axes_of("tied_head", shape, 2, "(rows, width)")
    return Layout("tied_head", (rows, width), width, rows)


def bilinear(shape: Sequence[int]) -> Layout:
    """y_o = x1^T W_o x2 with W of shape (out, in1, in2), as ``torch.nn.Bilinear``.

    fan_in = in1 in2; fan_out = out in2, as the gradient of x1 feels it.

    Raises:
        FanError: the shape has not three axes.
    """
    out, in1, in2 = axes_of("bilinear", shape, 3, "(out, in1, in2)")
    return Layout("bilinear", (out, in1, in2), in1 * in2, out * in2)


def recurrent(shape: Sequence[int], gates: int) -> Layout:
    """The weight (gates * hidden, in) of an RNN (1 gate), a GRU (3) or an LSTM (4).

    fan_in = in and fan_out = hidden, per gate. Input and state each have such a weight, and
    a gate adds the two, so that it sums the products of both.

    Raises:
        FanError: the shape has not two axes, or ``gates`` does not divide the first.

    Example:
        >>> layout = recurrent((2048, 300), gates=4)
        >>> layout.fan_in, layout.fan_out, layout.blocks
        (300, 512, (512, 512, 512, 512))
    """
    rows, in_ = axes_of("recurrent", shape, 2, "(gates * hidden, in)")
    return packed(replace(linear((rows, in_)), op="recurrent"), gates)


def packed(layout: Layout, blocks: int | Sequence[int]) -> Layout:
    """Several weights that read the same input, one after the other along the out axis.

    Each block has fans of its own; ``parts`` gives them. fan_in is that of every block,
    fan_out that of one block, their mean where blocks differ in size.

    Args:
        layout: of the whole tensor, e.g. ``linear((3 * width, width))``.
        blocks: the number of equal blocks, or their sizes along the out axis: grouped-query
            attention has fewer rows for key and value than for query.

    Raises:
        FanError: the blocks do not add up to the out axis, or the layout has blocks already.

    Example:
        >>> packed(linear((768, 256)), 3).fan_out  # Xavier on the whole would take 768
        256
    """
    where = f"{layout.op}'s weight of shape {layout.shape}"
    if layout.blocks:
        raise FanError(
            f"{where} is packed already, into blocks of {layout.blocks}. Give the layout of "
            "the whole tensor"
        )
    if not layout.out_axes:
        raise FanError(f"{where} has no out axis that blocks could lie along")
    axis = layout.out_axes[0]
    size = layout.shape[axis]
    sizes = _sizes_of_blocks(where, axis, size, blocks)
    if len(sizes) == 1:
        return layout
    share = 1 if layout.groups > 1 else len(sizes)
    return replace(layout, fan_out=whole(layout.fan_out / share), blocks=sizes)


def _sizes_of_blocks(
    where: str, axis: int, size: int, blocks: int | Sequence[int]
) -> tuple[int, ...]:
    if isinstance(blocks, Integral):
        count = int(blocks)
        if count < 1 or size % count:
            raise FanError(
                f"{count} equal blocks do not divide the {size} of axis {axis} of {where}. "
                "Give the size of each block"
            )
        return (size // count,) * count
    if not isinstance(blocks, Sequence) or not all(
        isinstance(block, Integral) and block >= 1 for block in blocks
    ):
        raise FanError(
            f"blocks of {where} must be a number of blocks or a sequence of positive sizes, "
            f"got {blocks!r}"
        )
    if sum(blocks) != size:
        raise FanError(
            f"blocks of {tuple(blocks)} add up to {sum(blocks)}, not to the {size} of axis {axis} "
            f"of {where}. Give the size of each block along that axis"
        )
    return tuple(int(block) for block in blocks)


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
