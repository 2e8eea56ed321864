"""What every scheme is: frozen, named, cited; it draws one tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, runtime_checkable

import attrs

from fanin.errors import FanError, InputError, UnknownNameError
from fanin.fans import Layout, of_plain_weight
from fanin.noise import Stream

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


# Its square is still a number, and a weight of that size has left float32's useful range.
GREATEST = 1e18


def in_range(what: str, value: float, least: float) -> None:
    """Check a number that scales weights.

    Raises:
        InputError: it is less than ``least``, or too large to be meant.
    """
    if not least <= value <= GREATEST:
        raise InputError(f"{what} must lie between {least:g} and {GREATEST:g}, got {value!r}")


def one_of(what: str, value: object, known: Sequence[str]) -> None:
    """Check a word among a few.

    Raises:
        UnknownNameError: it is another.
    """
    if value not in known:
        raise UnknownNameError(what, str(value), known)


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


@dataclass(frozen=True, slots=True)
class Source:
    """Where a tensor's numbers come from: the streams of (seed, name)."""

    seed: int
    name: str

    def stream(self, draw: int = 0) -> Stream:
        return Stream(self.seed, self.name, draw)


class AbstractScheme:
    """A scheme of fanin's own kind: frozen, named, cited.

    A subclass is a frozen attrs class that names itself and cites its source: an
    ``IndependentScheme`` with a law for one element, or a ``MatrixScheme`` that makes whole
    matrices. (A field called std is declared ``_std``: attrs then takes it as ``std=``, beside
    the method.)
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

    def std(self, layout: Layout | None = None) -> float:
        """The standard deviation of one element for a weight of this layout.

        Of a scheme that lays a matrix out, the root mean square of its elements.

        Raises:
            FanError: the scheme needs a layout and there is none, or does not suit it.
        """
        raise NotImplementedError

    def init_(
        self, tensor: Tensor, *, seed: int = 0, name: str = "", layout: Layout | None = None
    ) -> Tensor:
        """Draw the tensor in place from the noise of (seed, name) and return it.

        Drawn in float32 or better, rounded once to the tensor's type; autograd sees nothing.

        Args:
            tensor: any shape and strides; float64, float32, bfloat16 or float16, on any
                device but meta.
            seed: an integer.
            name: names the noise; tensors of one model need different ones.
            layout: how the weight is used. Without it a tensor of two axes is read as a
                ``Linear`` weight, one of three to five as a ``Conv`` weight of one group.

        Returns:
            The tensor.

        Raises:
            InputError: a tensor that cannot be drawn (integers, meta, sparse).
            FanError: the scheme needs a layout and the tensor has none, or does not suit it.
                The tensor is then as it was.
        """
        from fanin.schemes.filling import require_fillable

        require_fillable(tensor, name)
        if tensor.numel() == 0:
            return tensor
        if layout is None and self.needs_layout:
            layout = of_plain_weight(tensor.shape)
        self.draw_(tensor, layout, Source(seed, name))
        return tensor

    def require_fit(self, shape: tuple[int, ...], layout: Layout | None) -> None:
        """Refuse a tensor that ``draw_`` would refuse, before anything is drawn.

        Raises:
            InputError: saying why.
        """
        self.std(layout)

    def draw_(self, tensor: Tensor, layout: Layout | None, source: Source) -> None:
        """Fill a tensor that can be filled and has elements."""
        raise NotImplementedError

    @classmethod
    def from_number(cls, value: float) -> Self:
        """The scheme with its ``argument`` set, as a text such as ``"normal:0.01"`` asks."""
        return cls(**{str(cls.argument): value})

    @property
    def needs_layout(self) -> bool:
        """Whether it must know how the weight is used."""
        return False

    @property
    def shares_noise(self) -> bool:
        """Whether tensors of other names get the same noise by design, as a pair's two do."""
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


def needed_layout(scheme: AbstractScheme, layout: object) -> Layout:
    """The layout, where a scheme cannot do without.

    Raises:
        FanError: it is none.
    """
    if isinstance(layout, Layout):
        return layout
    raise FanError(
        f"{scheme!r} depends on the layout of the weight, e.g. "
        f"fanin.fans.linear((out, in)); got {layout!r}"
    )


def _literal(value: object) -> str:
    """Text that evaluates back; an infinite float has no literal of its own."""
    if isinstance(value, float) and math.isinf(value):
        return f"float('{value}')"
    return repr(value)
