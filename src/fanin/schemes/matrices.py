"""Schemes that make whole matrices: views of a weight as matrices, and the base class."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fanin.errors import FanError
from fanin.fans import Layout
from fanin.noise import Stream
from fanin.schemes.scheme import AbstractScheme, Source, needed_layout

if TYPE_CHECKING:
    from torch import Tensor


Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MatrixShape:
    """Sizes of one weight: a linear map for each tap of a kernel.

    Args:
        outputs, inputs: units.
        kernel: sizes of the receptive field; () where there is none.
        layout: of this weight alone, but for batch axes.
    """

    outputs: int
    inputs: int
    kernel: tuple[int, ...]
    layout: Layout

    @property
    def taps(self) -> int:
        return math.prod(self.kernel)

    def at_centre(self, inputs: Places) -> Places:
        """The columns of the centre tap of these inputs; columns count inputs times taps."""
        return inputs * self.taps + np.ravel_multi_index(
            tuple(size // 2 for size in self.kernel), self.kernel
        )


@dataclass(frozen=True, slots=True)
class Matrix(MatrixShape):
    """One weight within a tensor.

    Args:
        outputs, inputs, kernel, layout: as MatrixShape.
        view: of the tensor, with axes (out, ..., in, ..., receptive field, ...).
    """

    view: Tensor

    @property
    def double_precision(self) -> bool:
        return str(self.view.dtype) == "torch.float64"

    @property
    def centre(self) -> Tensor:
        """The centre tap, as a view."""
        tap = self.view
        for size in reversed(self.kernel):
            tap = tap.select(-1, size // 2)
        return tap

    def write_(self, values: Tensor) -> None:
        """Copy values of shape (outputs, inputs * taps), rounding them once."""
        self.view.copy_(values.reshape(self.view.shape))

    def write_at_(self, outputs: Places, columns: Places, values: float | Tensor) -> None:
        """Set single elements."""
        outs = len(self.layout.out_axes)
        where = (
            *np.unravel_index(outputs, self.view.shape[:outs]),
            *np.unravel_index(columns, self.view.shape[outs:]),
        )
        self.view[where] = values


def shapes_of(layout: Layout) -> Iterator[tuple[MatrixShape, int]]:
    """The weights of a layout, block by block, and how many of each there are."""
    for block in layout.parts():
        group = _of_one_group(block)
        batch = math.prod(group.shape[axis] for axis in group.batch_axes)
        yield _shape_of(group), block.groups * batch


def matrices_of(tensor: Tensor, layout: Layout) -> Iterator[Matrix]:
    """The weights that a tensor holds: for each block, group and batch index one."""
    for block_view, block in zip(blocks_of(tensor.detach(), layout), layout.parts(), strict=True):
        group = _of_one_group(block)
        shape = _shape_of(group)
        batch = group.batch_axes
        order = (*batch, *group.out_axes, *group.in_axes, *_taps_of(group))
        for view in block_view.chunk(block.groups, 0) if block.groups > 1 else (block_view,):
            turned = view.permute(order)
            for index in itertools.product(*(range(group.shape[axis]) for axis in batch)):
                yield Matrix(shape.outputs, shape.inputs, shape.kernel, shape.layout, turned[index])


def _of_one_group(layout: Layout) -> Layout:
    if layout.groups == 1:
        return layout
    shape = (layout.shape[0] // layout.groups, *layout.shape[1:])
    return replace(layout, shape=shape, groups=1)


def _shape_of(layout: Layout) -> MatrixShape:
    outputs, inputs, kernel = (
        tuple(layout.shape[axis] for axis in axes)
        for axes in (layout.out_axes, layout.in_axes, _taps_of(layout))
    )
    return MatrixShape(math.prod(outputs), math.prod(inputs), kernel, layout)


def _taps_of(layout: Layout) -> tuple[int, ...]:
    counted = (*layout.out_axes, *layout.in_axes, *layout.batch_axes)
    return tuple(axis for axis in range(len(layout.shape)) if axis not in counted)


def blocks_of(tensor: Tensor, layout: Layout) -> tuple[Tensor, ...]:
    """Views of the weights that are packed into a tensor.

    Raises:
        FanError: the tensor has another shape than the layout.
    """
    require_shape(tensor, layout)
    if not layout.blocks:
        return (tensor,)
    ends = itertools.accumulate(layout.blocks)
    return tuple(
        tensor.narrow(layout.out_axes[0], end - size, size)
        for end, size in zip(ends, layout.blocks, strict=True)
    )


def require_shape(tensor: Tensor, layout: Layout) -> None:
    """Refuse a tensor that is not the weight that the layout describes.

    Raises:
        FanError: it has another shape.
    """
    if tuple(tensor.shape) != layout.shape:
        raise FanError(
            f"a tensor of shape {tuple(tensor.shape)} is not the weight of the layout, which has "
            f"shape {layout.shape}"
        )


class MatrixScheme(AbstractScheme):
    """A scheme that makes a matrix as a whole.

    Each block, group and batch index of a weight is a matrix of its own, made from a draw of
    its own of the noise: 0, 1, 2, ... in that order.
    """

    __slots__ = ()

    @property
    def needs_layout(self) -> bool:
        return True

    def std(self, layout: Layout | None = None) -> float:
        known = needed_layout(self, layout)
        squares = 0.0
        for shape, count in shapes_of(known):
            self.require(shape)
            squares += count * self.square_sum(shape.outputs, shape.inputs, shape.taps)
        size = math.prod(known.shape)
        return math.sqrt(squares / size) if size else 0.0

    def draw_(self, tensor: Tensor, layout: Layout | None, source: Source) -> None:
        known = needed_layout(self, layout)
        for shape, _ in shapes_of(known):
            self.require(shape)
        for draw, weight in enumerate(matrices_of(tensor, known)):
            if weight.view.numel():
                self.make_(weight, source.stream(draw))

    def require(self, weight: MatrixShape) -> None:
        """Refuse a weight that the scheme is not for.

        Raises:
            FanError: saying why.
        """

    def square_sum(self, outputs: int, inputs: int, taps: int) -> float:
        """The expected sum of squares of one matrix."""
        raise NotImplementedError

    def make_(self, weight: Matrix, stream: Stream) -> None:
        """Fill one matrix."""
        raise NotImplementedError
