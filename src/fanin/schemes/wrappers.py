"""Schemes made of another scheme: scaled, masked, copied for upsampling, mirrored for ReLU."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import attrs

from fanin.errors import FanError, InputError
from fanin.fans import Layout
from fanin.schemes.independent import IndependentScheme
from fanin.schemes.matrices import require_shape
from fanin.schemes.orthogonality import delta_orthogonal, orthogonal
from fanin.schemes.scheme import (
    AbstractScheme,
    Scheme,
    Source,
    a_number,
    as_float,
    in_range,
    needed_layout,
    one_of,
)

if TYPE_CHECKING:
    from torch import Tensor


# Elements that are masked at once.
_PART = 1 << 18


def a_scheme(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """A validator that names its field.

    Raises:
        InputError: the value is no scheme.
    """
    if isinstance(value, type) or not isinstance(value, Scheme):
        raise InputError(f"{field.name} must be a scheme, e.g. he_normal(), got {value!r}")


class Wrapper(AbstractScheme):
    """What all of them take from the scheme inside."""

    __slots__ = ()

    base: Scheme | None

    @property
    def needs_layout(self) -> bool:
        return isinstance(self.base, AbstractScheme) and self.base.needs_layout

    @property
    def shares_noise(self) -> bool:
        return isinstance(self.base, AbstractScheme) and self.base.shares_noise

    def require_fit(self, shape: tuple[int, ...], layout: Layout | None) -> None:
        if isinstance(self.base, AbstractScheme):
            self.base.require_fit(shape, layout)
        else:
            super().require_fit(shape, layout)


@attrs.frozen(repr=False)
class scaled(Wrapper):
    """A scheme times a factor, e.g. 1 / sqrt(2 L) for the last weight of each residual branch.

    Rounded once: half-precision tensors pass through a float32 copy, unless the elements of the
    base are independent.

    Args:
        base: the scheme.
        factor: 0 or more.

    Raises:
        InputError: the base is no scheme, or the factor negative or no number.
        FanError: as the base does.

    Example:
        >>> from fanin.schemes import normal
        >>> scaled(normal(std=0.02), 0.5).std()
        0.01

    References:
        Radford et al., Language models are unsupervised multitask learners, 2019, section 2.3
        (the factor of GPT-2).
    """

    base: Scheme = attrs.field(validator=a_scheme)
    factor: float = attrs.field(converter=as_float, validator=a_number)

    name = "scaled"
    formula = "W = factor * base"
    use = "the last weight of a residual branch, heads, small starts"
    citation = "Radford et al. Language models are unsupervised multitask learners. 2019. 2.3"

    def __attrs_post_init__(self) -> None:
        in_range("factor", self.factor, 0.0)

    def std(self, layout: Layout | None = None) -> float:
        return self.factor * self.base.std(layout)

    def draw_(self, tensor: Tensor, layout: Layout | None, source: Source) -> None:
        if isinstance(self.base, IndependentScheme):
            self.base.draw_(tensor, layout, source, self.factor)
            return
        import torch

        wide = tensor.dtype in (torch.float32, torch.float64)
        values = tensor.detach() if wide else torch.empty_like(tensor, dtype=torch.float32)
        self.base.init_(values, seed=source.seed, name=source.name, layout=layout)
        with torch.no_grad():
            values.mul_(self.factor)
            if not wide:
                tensor.detach().copy_(values)


@attrs.frozen(repr=False)
class masked(Wrapper):
    """A scheme under a mask: where the mask is 0 or False the weight is 0.

    The other elements have the bits that the base gives them, so a pruned network can start
    from the weights that the dense one starts from.

    Args:
        base: the scheme.
        mask: a tensor of the weight's shape.

    Raises:
        InputError: the base is no scheme, or the mask no tensor or of another shape.
        FanError: as the base does.

    Example:
        >>> import torch
        >>> from fanin.schemes import ones
        >>> masked(ones(), torch.eye(2)).init_(torch.empty(2, 2))
        tensor([[1., 0.],
                [0., 1.]])

    References:
        Frankle, Carbin, The lottery ticket hypothesis, 2019, arXiv:1803.03635, section 1.
    """

    base: Scheme = attrs.field(validator=a_scheme)
    mask: Tensor = attrs.field(eq=lambda mask: (tuple(mask.shape), tuple(mask.ravel().tolist())))

    name = "masked"
    formula = "W = mask * base"
    use = "pruned networks, block-diagonal and autoregressive weights"
    citation = "Frankle, Carbin. The lottery ticket hypothesis. ICLR 2019. arXiv:1803.03635"

    def __attrs_post_init__(self) -> None:
        if not hasattr(self.mask, "count_nonzero"):
            raise InputError(f"mask must be a tensor, got {type(self.mask).__name__}")
        # The caller may write into its tensor later; a scheme is a value.
        object.__setattr__(self, "mask", self.mask.detach().bool().clone())

    def std(self, layout: Layout | None = None) -> float:
        kept = int(self.mask.count_nonzero()) / max(self.mask.numel(), 1)
        return math.sqrt(kept) * self.base.std(layout)

    def require_fit(self, shape: tuple[int, ...], layout: Layout | None) -> None:
        if tuple(self.mask.shape) != shape:
            raise InputError(f"the mask has shape {tuple(self.mask.shape)}, the tensor {shape}")
        super().require_fit(shape, layout)

    def draw_(self, tensor: Tensor, layout: Layout | None, source: Source) -> None:
        import torch

        self.require_fit(tuple(tensor.shape), layout)
        self.base.init_(tensor, seed=source.seed, name=source.name, layout=layout)
        shape = tensor.shape or (1,)
        plain, mask = tensor.detach().view(shape), self.mask.view(shape)
        rows = max(1, _PART * shape[0] // tensor.numel())
        with torch.no_grad():
            for first in range(0, shape[0], rows):
                part = slice(first, first + rows)
                plain[part].masked_fill_(~mask[part].to(plain.device), 0.0)

    def __repr__(self) -> str:
        kept = f"{int(self.mask.count_nonzero())} of {self.mask.numel()} kept"
        return f"masked({self.base!r}, <{kept}>)"


@attrs.frozen(repr=False)
class icnr(Wrapper):
    """For a convolution before PixelShuffle(r): each group of r^2 outputs starts out equal.

    So the layer begins as the base's convolution followed by upsampling to the nearest
    neighbour, without the checkerboard that independent outputs draw.

    Args:
        base: draws the weight of the r^2 times fewer outputs.
        r: the factor of the upsampling.

    Raises:
        InputError: the base is no scheme, or r no positive integer.
        FanError: from ``std`` and ``init_``, where r^2 does not divide the outputs.

    Example:
        >>> import torch
        >>> from fanin.schemes import he_normal
        >>> w = icnr(he_normal(), 2).init_(torch.empty(8, 3, 3, 3))
        >>> bool((w[0] == w[3]).all()), bool((w[0] == w[4]).all())
        (True, False)

    References:
        Aitken et al., 2017, arXiv:1707.02937, section 3.
    """

    base: Scheme = attrs.field(validator=a_scheme)
    r: int = 2

    name = "icnr"
    formula = "W[r^2 i + j] = base[i] for j < r^2"
    use = "the convolution before a PixelShuffle"
    citation = (
        "Aitken, Ledig, Theis, Caballero, Wang, Shi. Checkerboard artifact free sub-pixel "
        "convolution. 2017. arXiv:1707.02937. Section 3"
    )

    def __attrs_post_init__(self) -> None:
        if isinstance(self.r, bool) or not isinstance(self.r, int) or self.r < 1:
            raise InputError(f"r must be a positive integer, got {self.r!r}")

    @property
    def needs_layout(self) -> bool:
        return True

    def require_fit(self, shape: tuple[int, ...], layout: Layout | None) -> None:
        self.std(layout)

    def std(self, layout: Layout | None = None) -> float:
        return self.base.std(self.layout_of_base(needed_layout(self, layout)))

    def draw_(self, tensor: Tensor, layout: Layout | None, source: Source) -> None:
        import torch

        known = needed_layout(self, layout)
        of_base = self.layout_of_base(known)
        axis = known.out_axes[0]
        require_shape(tensor, known)
        copies = torch.unflatten(tensor.detach(), axis, (-1, self.r**2)).movedim(axis + 1, 0)
        self.base.init_(copies[0], seed=source.seed, name=source.name, layout=of_base)
        with torch.no_grad():
            for copy in copies[1:]:
                copy.copy_(copies[0])

    def layout_of_base(self, layout: Layout) -> Layout:
        """Of what the base draws.

        Raises:
            FanError: the weight cannot be cut so.
        """
        axis = layout.out_axes[0]
        outputs = layout.shape[axis]
        if outputs % self.r**2 or layout.blocks or layout.groups > 1:
            raise FanError(
                f"icnr(r={self.r}) needs a number of outputs that {self.r**2} divides, without "
                f"groups or blocks; this {layout.op} weight has shape {layout.shape}"
            )
        return with_size(layout, axis, outputs // self.r**2)


Place = Literal["first", "hidden", "last"]


@attrs.frozen(repr=False)
class looks_linear(Wrapper):
    """Mirrored blocks, such that a ReLU network starts as a linear one.

    Units come in pairs of opposite sign, so that relu(z) and relu(-z) together carry z:
    first layer [M; -M], hidden ones [[M, -M], [-M, M]], last [M, -M]. With orthogonal M a network
    of any depth starts as an isometry, with gradients that do not shatter.

    Args:
        place: of the layer: ``"first"`` (doubles its outputs), ``"hidden"``, or ``"last"``.
        base: draws M; orthogonal, or delta_orthogonal for a weight with a kernel, if None.

    Raises:
        UnknownNameError: no such place.
        InputError: the base is no scheme.
        FanError: from ``std`` and ``init_``, where outputs or inputs are odd and must be halved.

    Example:
        >>> import torch
        >>> looks_linear("first").init_(torch.empty(2, 1)).sum()
        tensor(0.)

    References:
        Balduzzi et al., 2017, arXiv:1702.08591, section 4.
    """

    place: Place = "hidden"
    base: Scheme | None = attrs.field(default=None, validator=attrs.validators.optional(a_scheme))

    name = "looks_linear"
    formula = "W = [[M, -M], [-M, M]], M orthogonal; first [M; -M], last [M, -M]"
    use = "deep ReLU networks without skip connections"
    citation = (
        "Balduzzi, Frean, Leary, Lewis, Ma, McWilliams. The shattered gradients problem. ICML "
        "2017. arXiv:1702.08591. Section 4"
    )

    def __attrs_post_init__(self) -> None:
        one_of("place", self.place, get_args(Place))

    @property
    def needs_layout(self) -> bool:
        return True

    def require_fit(self, shape: tuple[int, ...], layout: Layout | None) -> None:
        self.std(layout)

    def std(self, layout: Layout | None = None) -> float:
        known = needed_layout(self, layout)
        return self.base_of(known).std(self.layout_of_base(known))

    def draw_(self, tensor: Tensor, layout: Layout | None, source: Source) -> None:
        import torch

        known = needed_layout(self, layout)
        quarter = self.layout_of_base(known)
        require_shape(tensor, known)
        signs = self._signs()
        blocks = [
            (half, sign)
            for rows, row in zip(
                tensor.detach().chunk(len(signs), known.out_axes[0]), signs, strict=True
            )
            for half, sign in zip(rows.chunk(len(row), known.in_axes[0]), row, strict=True)
        ]
        (first, _), *others = blocks
        self.base_of(known).init_(first, seed=source.seed, name=source.name, layout=quarter)
        with torch.no_grad():
            for block, sign in others:
                block.copy_(first).mul_(sign)

    def _signs(self) -> list[list[int]]:
        return {"first": [[1], [-1]], "hidden": [[1, -1], [-1, 1]], "last": [[1, -1]]}[self.place]

    def base_of(self, layout: Layout) -> Scheme:
        """What draws M."""
        if self.base is not None:
            return self.base
        axes = len(layout.out_axes) + len(layout.in_axes) + len(layout.batch_axes)
        return delta_orthogonal() if len(layout.shape) > axes else orthogonal()

    def layout_of_base(self, layout: Layout) -> Layout:
        """Of what the base draws.

        Raises:
            FanError: the weight cannot be cut so.
        """
        if layout.blocks or layout.groups > 1 or not (layout.out_axes and layout.in_axes):
            raise FanError(
                f"looks_linear is for weights without groups or blocks; this {layout.op} weight "
                f"has shape {layout.shape}"
            )
        signs = self._signs()
        part = layout
        for axis, parts in ((layout.out_axes[0], len(signs)), (layout.in_axes[0], len(signs[0]))):
            if layout.shape[axis] % parts:
                raise FanError(
                    f"looks_linear({self.place!r}) mirrors axis {axis} of this {layout.op} "
                    f"weight of shape {layout.shape}, which must be even"
                )
            part = with_size(part, axis, layout.shape[axis] // parts)
        return part


def with_size(layout: Layout, axis: int, size: int) -> Layout:
    """The layout of a weight with another number of outputs or inputs, its fans in proportion."""
    share = size / layout.shape[axis] if layout.shape[axis] else 1.0
    shape = (*layout.shape[:axis], size, *layout.shape[axis + 1 :])
    if axis in layout.out_axes:
        return replace(layout, shape=shape, fan_out=layout.fan_out * share)
    return replace(layout, shape=shape, fan_in=layout.fan_in * share)
