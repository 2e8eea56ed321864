"""Weights of which most are zero."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs
import numpy as np

from fanin.errors import InputError
from fanin.noise import Normal, Stream
from fanin.noise.subsets import mark, subsets, zero_marked
from fanin.noise.threads import each
from fanin.schemes.matrices import Matrix, MatrixScheme
from fanin.schemes.scheme import a_number, as_float, in_range

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# Nonzero elements worked on at once: about 700 KiB of places and values.
_PART = 1 << 14
# Columns that share a word of marks.
_BITS = 64


def _as_count(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _as_share(value: float | None) -> float | None:
    return None if value is None else as_float(value)


@attrs.frozen(repr=False)
class sparse(MatrixScheme):
    """Each unit has k nonzero incoming weights, N(0, std^2), at random places; the rest are 0.

    Units stay apart however wide the layer is: the input of a unit has a scale of std sqrt k
    whatever fan_in is, and two units rarely share inputs.

    Args:
        k: nonzero weights a unit; all, where it has fewer inputs.
        fraction: instead of k, the share of nonzero weights, rounded up.
        std: of the nonzero weights.

    Raises:
        InputError: k and fraction both, neither or out of range, or a negative std.
        FanError: from ``std`` and ``init_``, without a layout.

    Example:
        >>> import torch
        >>> w = sparse(k=15).init_(torch.empty(20, 100))
        >>> bool(((w != 0).sum(1) == 15).all())
        True

    References:
        Martens, Deep learning via Hessian-free optimization, ICML 2010, section 5. (Of
        ``torch.nn.init.sparse_`` the zeros are counted per input, so the nonzero weights of a
        unit vary.)
    """

    k: int = attrs.field(default=15, converter=_as_count)
    fraction: float | None = attrs.field(default=None, converter=_as_share)
    _std: float = attrs.field(default=1.0, converter=as_float, validator=a_number)

    name = "sparse"
    formula = "k (default 15) weights of each unit ~ N(0, std^2), the rest 0"
    use = "wide layers whose units shall start apart; saturating activations"
    citation = "Martens. Deep learning via Hessian-free optimization. ICML 2010. Section 5"
    argument = "k"

    def __attrs_post_init__(self) -> None:
        in_range("std", self._std, 0.0)
        if isinstance(self.k, bool) or not isinstance(self.k, int) or self.k < 0:
            raise InputError(f"k must be a number of weights, 0 or more, got {self.k!r}")
        if self.fraction is None:
            return
        if self.k != attrs.fields(sparse).k.default:
            raise InputError(f"sparse takes k={self.k} or fraction={self.fraction}, not both")
        if not isinstance(self.fraction, float) or not 0.0 <= self.fraction <= 1.0:
            raise InputError(f"fraction must lie between 0 and 1, got {self.fraction!r}")

    @property
    def std_of_nonzero(self) -> float:
        """Of the weights that are not zero."""
        return self._std

    def nonzero(self, fan_in: int) -> int:
        """Nonzero weights of a unit with so many inputs."""
        if self.fraction is not None:
            return math.ceil(self.fraction * fan_in)
        return min(self.k, fan_in)

    def square_sum(self, outputs: int, inputs: int, taps: int) -> float:
        return outputs * self.nonzero(inputs * taps) * self._std**2

    def make_(self, weight: Matrix, stream: Stream) -> None:
        import torch

        weight.view.zero_()
        fan_in = weight.inputs * weight.taps
        k = self.nonzero(fan_in)
        law = Normal(0.0, self._std)
        units = max(1, _PART // max(k, 1))
        for first in range(0, weight.outputs, units):
            count = min(units, weight.outputs - first)
            values = np.empty(count * k, np.float32)
            law.fill(values, stream, first * k)
            columns = subsets(stream.aside(), first, count, fan_in, k).reshape(-1)
            outputs = np.repeat(np.arange(first, first + count), k)
            weight.write_at_(outputs, columns, torch.from_numpy(values).to(weight.view))


def zeros_in_columns(
    rows: int, columns: int, zeros: int, stream: Stream
) -> Callable[[int, NDArray[np.float32]], None]:
    """What sets so many elements of each column of a matrix to zero, at random places.

    Args:
        rows, columns: of the matrix.
        zeros: in each column, from none to all rows.
        stream: subset c of it gives the rows of column c: those that are zeroed, or those that
            are kept if these are fewer.

    Returns:
        A function that does it to a window of the matrix in row-major order, for ``fill_``.
    """
    few = min(zeros, rows - zeros)
    marks = np.zeros((rows, -(-columns // _BITS)), np.uint64)

    def choose(word: int) -> None:
        first = word * _BITS
        chosen = subsets(stream, first, min(_BITS, columns - first), rows, few)
        mark(marks[:, word], chosen)

    each(choose, range(marks.shape[1]))
    return lambda start, values: zero_marked(values, start, columns, marks, few == zeros)
