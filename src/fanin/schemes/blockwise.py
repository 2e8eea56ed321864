"""Blocks of one tensor, each by a scheme of its own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from numbers import Integral
from typing import TYPE_CHECKING, Any

import attrs

from fanin.errors import FanError, InputError
from fanin.fans import Layout, packed
from fanin.schemes.matrices import require_shape
from fanin.schemes.scheme import AbstractScheme, Scheme, Source, needed_layout
from fanin.schemes.wrappers import a_scheme

if TYPE_CHECKING:
    from torch import Tensor

Shape = tuple[int, ...]


def _schemes(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, tuple) or not value:
        raise InputError("blocks needs a scheme for each block, e.g. blocks(ones(), zeros())")
    for scheme in value:
        a_scheme(None, field, scheme)


@attrs.frozen(repr=False, init=False)
class blocks(AbstractScheme):
    """Blocks along the out axis, each drawn by a scheme of its own.

    The weights of query, key and value in one tensor, the gates of a recurrent layer. The first
    out axis of the layout is cut, axis 0 where there is none: into the blocks of a packed
    layout, else into equal ones or those of ``sizes``. Block i is drawn as a tensor of its own,
    with the fans of that block, from the noise of the name with ``#i`` behind it.

    Args:
        schemes: one for each block, as arguments or as one sequence.
        sizes: of the blocks along the axis; equal where None.

    Raises:
        InputError: there are no schemes, one is none, or sizes are not one positive integer for
            each.
        FanError: from ``std`` and ``init_``, where the blocks do not fit the tensor, or one of
            the schemes refuses its block. The tensor is then as it was.

    Example:
        >>> import torch
        >>> from fanin.schemes import constant, zeros
        >>> forget_gate_of_an_lstm = blocks(zeros(), constant(1), zeros(), zeros())
        >>> forget_gate_of_an_lstm.init_(torch.empty(8))
        tensor([0., 0., 1., 1., 0., 0., 0., 0.])

    References:
        Jozefowicz, Zaremba, Sutskever, 2015 (the gates); Wang et al., 2022, arXiv:2203.00555,
        figure 2 (value apart from query and key).
    """

    schemes: tuple[Scheme, ...] = attrs.field(validator=_schemes)
    sizes: tuple[int, ...] | None = None

    name = "blocks"
    formula = "W = [W_0; W_1; ...], W_i ~ schemes[i]"
    use = "packed query, key and value; gates of recurrent layers and their biases"
    citation = (
        "Jozefowicz, Zaremba, Sutskever. An empirical exploration of recurrent network "
        "architectures. ICML 2015 (gates). Wang et al. DeepNet. 2022. arXiv:2203.00555. Figure 2"
    )

    def __init__(
        self,
        *parts: Scheme | Sequence[Scheme],
        schemes: Iterable[Scheme] = (),
        sizes: Sequence[int] | None = None,
    ) -> None:
        given: Any = parts or tuple(schemes)
        if len(given) == 1 and isinstance(given[0], (tuple, list)):
            given = tuple(given[0])
        self.__attrs_init__(given, None if sizes is None else _whole_sizes(sizes, len(given)))

    @property
    def needs_layout(self) -> bool:
        return any(isinstance(s, AbstractScheme) and s.needs_layout for s in self.schemes)

    @property
    def shares_noise(self) -> bool:
        return any(isinstance(s, AbstractScheme) and s.shares_noise for s in self.schemes)

    def std(self, layout: Layout | None = None) -> float:
        """From the mean of the squares over the blocks; each has the standard deviation that
        its scheme says.
        """
        if layout is None:
            sizes = self.sizes or (1,) * len(self.schemes)
            parts: Iterable[Layout | None] = (None,) * len(self.schemes)
        else:
            known = self.layouts(layout)
            sizes, parts = tuple(math.prod(part.shape) for part in known), known
        drawn = zip(self.schemes, sizes, parts, strict=True)
        squares = sum(size * scheme.std(part) ** 2 for scheme, size, part in drawn if size)
        return math.sqrt(squares / max(sum(sizes), 1))

    def layouts(self, layout: Layout) -> tuple[Layout, ...]:
        """Of the blocks of a weight.

        Raises:
            FanError: the blocks do not fit the weight.
        """
        needed_layout(self, layout)
        count = len(self.schemes)
        where = f"this {layout.op} weight of shape {layout.shape}"
        if count == 1 and not self.sizes and not layout.blocks:
            return (layout,)
        if not layout.blocks:
            axis = out_axis(layout)
            if not layout.shape[axis]:
                return (layout,) * count
            return packed(layout, self.cut(layout.shape[axis])).parts()
        if (self.sizes or layout.blocks) != layout.blocks or count != len(layout.blocks):
            raise FanError(
                f"{self!r} does not fit {where}, which is packed into blocks of {layout.blocks}"
            )
        return layout.parts()

    def cut(self, length: int) -> tuple[int, ...]:
        """The sizes of the blocks along an axis of this length.

        Raises:
            FanError: they do not fit.
        """
        if self.sizes is not None:
            if sum(self.sizes) != length:
                raise FanError(
                    f"blocks of {self.sizes} add up to {sum(self.sizes)}, not to the {length} of "
                    "the axis"
                )
            return self.sizes
        count = len(self.schemes)
        if length % count:
            raise FanError(f"{count} equal blocks do not divide an axis of {length}. Give sizes=")
        return (length // count,) * count

    def parts(
        self, shape: Shape, layout: Layout | None
    ) -> tuple[int, tuple[tuple[Scheme, int, Layout | None], ...]]:
        """The axis that is cut, and of each block its scheme, its size and its layout.

        Raises:
            FanError: the blocks do not fit a tensor of this shape.
        """
        if layout is not None:
            of_blocks = self.layouts(layout)
            axis = out_axis(layout)
            sizes = tuple(part.shape[axis] for part in of_blocks)
            return axis, tuple(zip(self.schemes, sizes, of_blocks, strict=True))
        if not shape:
            raise InputError(f"{self!r} needs an axis to cut, and the tensor has none")
        sizes = self.cut(shape[0])
        return 0, tuple((s, size, None) for s, size in zip(self.schemes, sizes, strict=True))

    def require_fit(self, shape: Shape, layout: Layout | None) -> None:
        axis, parts = self.parts(shape, layout)
        for scheme, size, part in parts:
            if isinstance(scheme, AbstractScheme):
                scheme.require_fit((*shape[:axis], size, *shape[axis + 1 :]), part)
            else:
                with suppress(NotImplementedError):
                    scheme.std(part)

    def draw_(self, tensor: Tensor, layout: Layout | None, source: Source) -> None:
        source.stream()  # a wrong seed or name is refused before the first write
        if layout is not None:
            self.layouts(layout)
            require_shape(tensor, layout)
        self.require_fit(tuple(tensor.shape), layout)
        axis, parts = self.parts(tuple(tensor.shape), layout)
        ends = itertools.accumulate(size for _, size, _ in parts)
        for i, ((scheme, size, part), end) in enumerate(zip(parts, ends, strict=True)):
            view = tensor.detach().narrow(axis, end - size, size)
            scheme.init_(view, seed=source.seed, name=f"{source.name}#{i}", layout=part)

    def __repr__(self) -> str:
        sizes = () if self.sizes is None else (f"sizes={self.sizes!r}",)
        return f"blocks({', '.join((*map(repr, self.schemes), *sizes))})"


def out_axis(layout: Layout) -> int:
    """The axis along which a weight is cut.

    Raises:
        FanError: it has none.
    """
    if not layout.out_axes:
        raise FanError(f"a {layout.op} weight of shape {layout.shape} has no out axis to cut")
    return layout.out_axes[0]


def _whole_sizes(sizes: object, count: int) -> tuple[int, ...]:
    if (
        not isinstance(sizes, Sequence)
        or len(sizes) != count
        or any(isinstance(n, bool) or not isinstance(n, Integral) or n < 1 for n in sizes)
    ):
        raise InputError(f"sizes must be a positive integer for each of {count} blocks: {sizes!r}")
    return tuple(int(size) for size in sizes)
