"""What every scheme is: frozen, named, cited; it draws one tensor."""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, runtime_checkable

import attrs

from fanin.errors import InputError
from fanin.fans import Layout, of_plain_weight
from fanin.noise import Distribution

if TYPE_CHECKING:
    from torch import Tensor


def as_float(value: float) -> float:
    """A converter: numbers of NumPy and integers become Python's floats."""
    return value if isinstance(value, bool) or not isinstance(value, Real) else float(value)


def a_number(_: object, field: attrs.Attribute[float], value: object) -> None:
    """A validator that names its field.

    Raises:
        InputError: the value is no number.
    """
    if not isinstance(value, float):
        raise InputError(f"{field.alias} must be a number, got {value!r}")


@runtime_checkable
class Scheme(Protocol):
    """How one tensor is drawn. Whatever offers this can stand where a scheme is asked for."""

    @property
    def citation(self) -> str:
        """Author, title, year and the equation or section used."""
        ...

    def std(self, layout: Layout | None = None) -> float:
        """The standard deviation of one element for a weight of this layout."""
        ...

    def init_(
        self, tensor: Tensor, *, seed: int = 0, name: str = "", layout: Layout | None = None
    ) -> Tensor:
        """Draw the tensor in place and return it."""
        ...


class AbstractScheme:
    """A scheme whose elements are independent draws of one distribution.

    A subclass is a frozen attrs class (attrs, as a field ``_std`` is then given as ``std=``
    beside the method ``std``) that names itself, cites its source and gives the law.
    """

    __slots__ = ()

    name: ClassVar[str]
    """As in ``fanin.schemes`` and on the command line."""
    formula: ClassVar[str]
    """One line of plain text."""
    use: ClassVar[str]
    """When to take it."""
    citation: ClassVar[str]
    argument: ClassVar[str | None] = None
    """The field that a text such as ``"normal:0.01"`` sets."""

    def law(self, layout: Layout | None) -> Distribution:
        """The distribution of one element of a weight of this layout.

        Raises:
            FanError: the scheme needs fans and there is no layout.
        """
        raise NotImplementedError

    def std(self, layout: Layout | None = None) -> float:
        """The standard deviation of one element for a weight of this layout.

        Raises:
            FanError: the scheme needs fans and there is no layout.
        """
        return self.law(layout).std

    def init_(
        self, tensor: Tensor, *, seed: int = 0, name: str = "", layout: Layout | None = None
    ) -> Tensor:
        """Draw the tensor in place from the noise of (seed, name) and return it.

        Element i, in row-major order, is element i of that noise, scaled. Drawn in float32,
        rounded once to the tensor's type; autograd sees nothing.

        Args:
            tensor: any shape and strides; float64, float32, bfloat16 or float16, on any
                device but meta.
            seed: an integer.
            name: names the noise; tensors of one model need different ones.
            layout: how the weight is used; the tensor may be a part of it. Without it a
                tensor of two axes is read as a ``Linear`` weight, one of three to five as a
                ``Conv`` weight of one group.

        Returns:
            The tensor.

        Raises:
            InputError: a tensor that cannot be drawn (integers, meta, sparse).
            FanError: the scheme needs fans and the tensor has none.
        """
        from fanin.schemes.filling import fill_, require_fillable

        require_fillable(tensor, name)
        if tensor.numel() == 0:
            return tensor
        if layout is None and self.needs_layout:
            layout = of_plain_weight(tensor.shape)
        return fill_(tensor, self.law(layout), seed=seed, name=name)

    @classmethod
    def from_number(cls, value: float) -> Self:
        """The scheme with its ``argument`` set, as a text such as ``"normal:0.01"`` asks."""
        return cls(**{str(cls.argument): value})

    @property
    def needs_layout(self) -> bool:
        """Whether the scale depends on fans."""
        return False

    @classmethod
    def parameters(cls) -> tuple[attrs.Attribute[object], ...]:
        """The fields that a caller may set."""
        return tuple(attrs.fields(cls))  # type: ignore[arg-type]  # subclasses are attrs classes

    def __repr__(self) -> str:
        given = (
            f"{f.alias}={_literal(getattr(self, f.name))}"
            for f in self.parameters()
            if getattr(self, f.name) != f.default
        )
        return f"{self.name}({', '.join(given)})"


def _literal(value: object) -> str:
    """Text that evaluates back; an infinite float has no literal of its own."""
    if isinstance(value, float) and math.isinf(value):
        return f"float('{value}')"
    return repr(value)
