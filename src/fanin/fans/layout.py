"""What is known of a weight once the operation is known that reads it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fanin.errors import FanError
from fanin.fans.shapes import whole


@dataclass(frozen=True, slots=True)
class Layout:
    """How one operation reads one weight.

    Axes that are none of out, in and batch are the receptive field: the taps of a kernel,
    the second input of a bilinear form.

    Args:
        op: the operation, e.g. ``"linear"``, ``"conv"``, ``"embedding"``.
        shape: of the weight.
        fan_in: products summed by one output (its mean over positions, where they differ).
        fan_out: products summed by the gradient of one input, strides left out. With blocks
            it is that of one block, their mean where blocks differ in size.
        out_axes: the axes that count output units.
        in_axes: the axes that count input units.
        batch_axes: axes along which every slice is a weight of its own, with inputs and
            outputs of its own.
        groups: equal parts of axis 0 that do not see each other.
        blocks: sizes, along the first of ``out_axes``, of weights of their own that read the
            same input and are packed into one tensor (query, key and value; the gates of an
            LSTM). None: the tensor is one weight.

    Raises:
        FanError: axes, groups or blocks do not fit the shape.

    Example:
        >>> from fanin.fans import conv
        >>> conv((64, 1, 3, 3), groups=64).fan_out  # depthwise; torch.nn.init would take 576
        9
    """

    op: str
    shape: tuple[int, ...]
    fan_in: float
    fan_out: float
    out_axes: tuple[int, ...] = (0,)
    in_axes: tuple[int, ...] = (1,)
    batch_axes: tuple[int, ...] = ()
    groups: int = 1
    blocks: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        axes = (*self.out_axes, *self.in_axes, *self.batch_axes)
        if len(set(axes)) < len(axes) or not set(axes) <= set(range(len(self.shape))):
            raise self._error(
                f"out_axes={self.out_axes}, in_axes={self.in_axes} and batch_axes="
                f"{self.batch_axes} must name different axes, 0 to {len(self.shape) - 1}"
            )
        if self.groups < 1 or (self.groups > 1 and self.shape[0] % self.groups):
            raise self._error(f"groups={self.groups} does not divide axis 0")
        if self.blocks:
            self._require_blocks_that_fit()

    def _require_blocks_that_fit(self) -> None:
        if not self.out_axes:
            raise self._error("there is no out axis that blocks could lie along")
        axis = self.out_axes[0]
        size = self.shape[axis]
        if any(block < 0 for block in self.blocks) or sum(self.blocks) != size:
            raise self._error(f"blocks={self.blocks} do not add up to the {size} of axis {axis}")
        if self.groups == 1:
            return
        if axis != 0:
            raise self._error(
                "blocks of a grouped weight whose axis 0 counts inputs are not known: every "
                "group holds a part of each block. Draw the blocks by themselves"
            )
        if any(block % (size // self.groups) for block in self.blocks):
            raise self._error(
                f"blocks={self.blocks} cut through groups of {size // self.groups} channels"
            )

    def _error(self, what: str) -> FanError:
        return FanError(f"no layout of {self.op}'s weight of shape {self.shape}: {what}")

    def parts(self) -> tuple[Layout, ...]:
        """The layouts of the blocks, in order; the layout alone where there are no blocks.

        Example:
            >>> from fanin.fans import linear, packed
            >>> heads = packed(linear((96, 64)), (64, 16, 16))  # keys and values are shared
            >>> [(part.shape, part.fan_in, part.fan_out) for part in heads.parts()]
            [((64, 64), 64, 64), ((16, 64), 64, 16), ((16, 64), 64, 16)]
        """
        if not self.blocks:
            return (self,)
        axis = self.out_axes[0]
        total = self.shape[axis]
        return tuple(
            replace(
                self,
                shape=(*self.shape[:axis], size, *self.shape[axis + 1 :]),
                fan_out=self._fan_out_of(size, total),
                groups=max(self.groups * size // total, 1) if total else self.groups,
                blocks=(),
            )
            for size in self.blocks
        )

    def _fan_out_of(self, size: int, total: int) -> float:
        if self.groups > 1 or not total:
            return self.fan_out  # blocks hold whole groups, and an input sees one group only
        return whole(self.fan_out * len(self.blocks) * size / total)

    @classmethod
    def of(cls, module: object, name: str = "weight") -> Layout:
        """The layout of a module's parameter, for modules of torch.nn and subclasses of them.

        A module does not show all of its use: a table that is also the output layer
        (``tied_head``), or query, key and value in one ``Linear`` (``packed``), is known to
        the model around it only.

        Args:
            module: a Linear, Conv1d to 3d, ConvTranspose1d to 3d, Embedding, EmbeddingBag
                (read as a look-up, as the module does not know the size of a bag), Bilinear,
                RNN, LSTM, GRU or a cell of these, MultiheadAttention; Conv1D of transformers,
                or its stacks of experts.
            name: of the parameter, e.g. ``"in_proj_weight"`` or ``"weight_hh_l0"``.

        Raises:
            FanError: the parameter has no fans, or they are not known.

        Example:
            >>> import torch
            >>> layout = Layout.of(torch.nn.ConvTranspose2d(8, 12, 4, stride=2))
            >>> layout.fan_in, layout.fan_out
            (32, 192)
            >>> lstm = torch.nn.LSTM(3, 5)
            >>> Layout.of(lstm, "weight_ih_l0").blocks  # the gates i, f, g, o
            (5, 5, 5, 5)
        """
        from fanin.fans.modules import known_layout, refusal

        layout = known_layout(module, name)
        if layout is None:
            raise refusal(module, name)
        return layout
