"""Schemes whose elements are independent draws of one distribution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from fanin.fans import Layout
from fanin.noise import Distribution
from fanin.schemes.scheme import AbstractScheme, Source

if TYPE_CHECKING:
    from torch import Tensor


class IndependentScheme(AbstractScheme):
    """Every element is an independent draw of the law that a subclass gives.

    Element i, in row-major order, is element i of the noise of (seed, name), so any window of
    a weight can be drawn alone. Where the scale depends on fans, each block of a packed weight
    is drawn as a weight of its own: block b in its row-major order from draw b of the noise.
    """

    __slots__ = ()

    by_block: ClassVar[bool] = True
    """Whether the blocks of a packed weight have laws of their own, where fans matter."""

    def law(self, layout: Layout | None) -> Distribution:
        """The distribution of one element of a weight of this layout, which has no blocks.

        Raises:
            FanError: the scheme needs fans and there is no layout.
        """
        raise NotImplementedError

    def std(self, layout: Layout | None = None) -> float:
        parts = self._parts(layout)
        stds = [self.law(part).std for part in parts]
        if len(set(stds)) == 1:
            return stds[0]
        sizes = [math.prod(part.shape) if part else 1 for part in parts]
        squares = sum(size * std**2 for size, std in zip(sizes, stds, strict=True))
        return math.sqrt(squares / max(sum(sizes), 1))

    def draw_(
        self, tensor: Tensor, layout: Layout | None, source: Source, factor: float = 1.0
    ) -> None:
        from fanin.schemes.filling import fill_
        from fanin.schemes.matrices import blocks_of

        parts = self._parts(layout)
        laws = [self.law(part) for part in parts]
        if factor != 1.0:
            laws = [law.times(factor) for law in laws]
        views = blocks_of(tensor, layout) if layout and len(parts) > 1 else [tensor]
        for draw, (view, law) in enumerate(zip(views, laws, strict=True)):
            fill_(view, law, source.stream(draw))

    def _parts(self, layout: Layout | None) -> tuple[Layout | None, ...]:
        if isinstance(layout, Layout) and layout.blocks and self.needs_layout and self.by_block:
            return layout.parts()
        return (layout,)
