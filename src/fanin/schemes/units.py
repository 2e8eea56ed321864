"""A factor for each unit of a weight."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import attrs

from fanin.errors import FanError, InputError
from fanin.fans import Layout
from fanin.schemes.blockwise import Shape, blocks, out_axis
from fanin.schemes.matrices import require_shape
from fanin.schemes.scheme import GREATEST, AbstractScheme, Scheme, Source, as_float
from fanin.schemes.wrappers import Wrapper, a_scheme, scaled

if TYPE_CHECKING:
    from torch import Tensor

# Factors that a repr spells out.
_SHORT = 16


def _factors(values: object) -> tuple[float, ...]:
    listed = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(listed, (str, bytes)) or not isinstance(listed, Iterable):
        raise InputError(f"factors must be numbers, one for each unit, got {values!r}")
    found = []
    for factor in map(as_float, listed):
        if not isinstance(factor, float) or not abs(factor) <= GREATEST:
            raise InputError(f"a factor must be a number up to {GREATEST:g}, got {factor!r}")
        found.append(factor)
    return tuple(found)


@attrs.frozen(repr=False)
class per_unit(Wrapper):
    """A scheme times a factor of its own for each unit of the out axis.

    Computed in float32 or better and rounded once.

    Args:
        base: the scheme.
        factors: one for each index of the first out axis of the layout, of axis 0 without one;
            numbers, an array or a tensor.

    Raises:
        InputError: the base is no scheme, or a factor no number.
        FanError: from ``std`` and ``init_``, where there are more or fewer units than factors,
            or the base refuses the weight.

    ``std`` supposes that the base draws all units of a block alike.

    Example:
        >>> import torch
        >>> from fanin.schemes import ones
        >>> per_unit(ones(), [1, 2]).init_(torch.empty(2, 3))
        tensor([[1., 1., 1.],
                [2., 2., 2.]])

    References:
        Mishkin, Matas, 2016, arXiv:1511.06422 (a factor that is measured, there for a layer);
        Salimans, Kingma, 2016, arXiv:1602.07868, section 3 (for each unit).
    """

    base: Scheme = attrs.field(validator=a_scheme)
    factors: tuple[float, ...] = attrs.field(converter=_factors)

    name = "per_unit"
    formula = "W[i, :] = factors[i] * base[i, :]"
    use = "a scale that is measured for each unit; units of different importance"
    citation = (
        "Salimans, Kingma. Weight normalization: a simple reparameterization to accelerate "
        "training of deep neural networks. NIPS 2016. arXiv:1602.07868. Section 3"
    )

    def axis(self, shape: Shape, layout: Layout | None) -> int:
        """The axis that counts units.

        Raises:
            FanError: the weight has another number of units than there are factors.
        """
        axis = 0
        if isinstance(layout, Layout):
            axis = out_axis(layout)
            if layout.groups > 1 and axis != 0:
                raise FanError(
                    "per_unit is not for a grouped weight whose axis 0 counts inputs: every group "
                    f"has units of its own in this {layout.op} weight of shape {layout.shape}"
                )
        if not shape:
            raise InputError(f"{self!r} needs an axis of units, and the tensor has none")
        size = shape[axis]
        if size != len(self.factors):
            raise FanError(f"{len(self.factors)} factors are not for the {size} units of {shape}")
        return axis

    def std(self, layout: Layout | None = None) -> float:
        if not isinstance(layout, Layout):
            return self.base.std(layout) * _rms(self.factors)
        self.axis(layout.shape, layout)
        squares, start = 0.0, 0
        for size, std in _runs(self.base, layout):
            squares += size * (std * _rms(self.factors[start : start + size])) ** 2
            start += size
        return math.sqrt(squares / max(start, 1))

    def require_fit(self, shape: Shape, layout: Layout | None) -> None:
        self.axis(shape, layout)
        super().require_fit(shape, layout)

    def draw_(self, tensor: Tensor, layout: Layout | None, source: Source) -> None:
        import torch

        if isinstance(layout, Layout):
            require_shape(tensor, layout)
        axis = self.axis(tuple(tensor.shape), layout)
        wide = tensor.dtype in (torch.float32, torch.float64)
        values = tensor.detach() if wide else torch.empty_like(tensor, dtype=torch.float32)
        self.base.init_(values, seed=source.seed, name=source.name, layout=layout)
        factors = torch.tensor(self.factors, dtype=values.dtype, device=values.device)
        others = (1,) * (tensor.ndim - axis - 1)
        with torch.no_grad():
            values.mul_(factors.view(-1, *others))
            if not wide:
                tensor.detach().copy_(values)

    def __repr__(self) -> str:
        if len(self.factors) <= _SHORT:
            return f"per_unit({self.base!r}, {self.factors!r})"
        return f"per_unit({self.base!r}, <{len(self.factors)} factors, RMS {_rms(self.factors):g}>)"


def _rms(values: Sequence[float]) -> float:
    return math.sqrt(math.fsum(value * value for value in values) / max(len(values), 1))


def _runs(scheme: Scheme, layout: Layout) -> Iterator[tuple[int, float]]:
    """Units in a row that a scheme draws with one std: how many, and which."""
    axis = layout.out_axes[0]
    if isinstance(scheme, scaled):
        yield from ((size, scheme.factor * std) for size, std in _runs(scheme.base, layout))
    elif isinstance(scheme, blocks):
        for part, known in zip(scheme.schemes, scheme.layouts(layout), strict=True):
            yield from _runs(part, known)
    elif layout.blocks and isinstance(scheme, AbstractScheme) and scheme.needs_layout:
        for known in layout.parts():
            yield known.shape[axis], scheme.std(known)
    else:
        yield layout.shape[axis], scheme.std(layout)
