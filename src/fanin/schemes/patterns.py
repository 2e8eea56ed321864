"""Weights that are laid out rather than drawn: identity, Dirac, Hadamard, given numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs
import numpy as np
from numpy.typing import NDArray

from fanin.errors import FanError, InputError
from fanin.schemes.matrices import Matrix, MatrixScheme, MatrixShape, Places
from fanin.schemes.scheme import GREATEST, AbstractScheme, Source, a_number, as_float, in_range

if TYPE_CHECKING:
    from torch import Tensor

    from fanin.fans import Layout
    from fanin.noise import Stream

# Numbers that a repr spells out.
_SHORT = 16
# Elements worked on at once: with their places less than 1 MiB.
_PART = 1 << 13


@attrs.frozen(repr=False)
class identity(MatrixScheme):
    """Output i copies input i, times ``gain``; outputs or inputs without a partner get 0.

    Args:
        gain: the diagonal.

    Raises:
        InputError: the gain is no number or out of range.
        FanError: from ``std`` and ``init_``, on a weight with a kernel (take ``dirac``).

    Example:
        >>> import torch
        >>> identity().init_(torch.empty(2, 3))
        tensor([[1., 0., 0.],
                [0., 1., 0.]])

    References:
        Le, Jaitly, Hinton, 2015, arXiv:1504.00941 (recurrent weights of ReLU networks).
    """

    gain: float = attrs.field(default=1.0, converter=as_float, validator=a_number)

    name = "identity"
    formula = "W[i, i] = gain, elsewhere 0"
    use = "recurrent weights of ReLU networks (IRNN); residual-like starts"
    citation = (
        "Le, Jaitly, Hinton. A simple way to initialize recurrent networks of rectified linear "
        "units. 2015. arXiv:1504.00941"
    )
    argument = "gain"

    def __attrs_post_init__(self) -> None:
        in_range("gain", self.gain, -GREATEST)

    def require(self, weight: MatrixShape) -> None:
        if weight.kernel:
            raise FanError(f"identity is for matrices; take dirac for a {weight.layout.op} weight")

    def square_sum(self, outputs: int, inputs: int, taps: int) -> float:
        return self.gain**2 * min(outputs, inputs)

    def make_(self, weight: Matrix, stream: Stream) -> None:
        weight.view.zero_()
        diagonal = np.arange(min(weight.outputs, weight.inputs))
        weight.write_at_(diagonal, diagonal, self.gain)


@attrs.frozen(repr=False)
class dirac(MatrixScheme):
    """A convolution that copies: the centre tap is the identity, all other taps are 0.

    With an odd kernel and 'same' padding the layer gives back its input, exactly. Outputs
    beyond the inputs get 0.

    Args:
        groups: divides the outputs into so many groups that each copy the inputs from the
            first on, as torch.nn.init.dirac_ does. The groups of the layout come from the
            layout: there each group of outputs copies its own inputs, without this argument.

    Raises:
        InputError: groups is no positive integer.
        FanError: from ``std`` and ``init_``, on a weight without a kernel (take ``identity``),
            or whose outputs ``groups`` does not divide.

    Example:
        >>> import torch
        >>> x = torch.randn(1, 4, 9)
        >>> w = dirac().init_(torch.empty(4, 4, 3))
        >>> bool((torch.nn.functional.conv1d(x, w, padding=1) == x).all())
        True

    References:
        Zagoruyko, Komodakis, 2017, arXiv:1706.00388.
    """

    groups: int = 1

    name = "dirac"
    formula = "W[i, i, centre] = 1, elsewhere 0"
    use = "convolutions that shall begin as the identity"
    citation = (
        "Zagoruyko, Komodakis. DiracNets: training very deep neural networks without "
        "skip-connections. 2017. arXiv:1706.00388"
    )

    def __attrs_post_init__(self) -> None:
        if isinstance(self.groups, bool) or not isinstance(self.groups, int) or self.groups < 1:
            raise InputError(f"groups must be a positive integer, got {self.groups!r}")

    def require(self, weight: MatrixShape) -> None:
        op = weight.layout.op
        if not weight.kernel:
            raise FanError(f"dirac is for convolutions; take identity for a {op} weight")
        if weight.outputs % self.groups:
            raise FanError(
                f"dirac(groups={self.groups}) does not divide the {weight.outputs} outputs of "
                f"this {op} weight"
            )

    def square_sum(self, outputs: int, inputs: int, taps: int) -> float:
        return float(self.groups * min(outputs // self.groups, inputs))

    def make_(self, weight: Matrix, stream: Stream) -> None:
        weight.view.zero_()
        outputs = weight.outputs // self.groups
        diagonal = np.arange(min(outputs, weight.inputs))
        for group in range(self.groups):
            weight.write_at_(group * outputs + diagonal, weight.at_centre(diagonal), 1.0)


@attrs.frozen(repr=False)
class zero_hadamard(MatrixScheme):
    """ZerO: identity where a layer narrows or keeps its width, a Hadamard matrix where it widens.

    With out <= in: W[i, i] = 1. With out > in: W = 2^(-k/2) H[:out, :in], H the Hadamard matrix
    of order 2^k, k = ceil(log2 out): entries plus or minus 2^(-k/2), so that a constant
    matrix cannot hold the rank of the network to that of its input. Its singular values
    are 1 where out is a power of two, less elsewhere. Nothing is random. In a convolution
    this is the centre tap.

    Raises:
        FanError: from ``std`` and ``init_``, without a layout.

    Example:
        >>> import torch
        >>> zero_hadamard().init_(torch.empty(4, 2)) * 2
        tensor([[ 1.,  1.],
                [ 1., -1.],
                [ 1.,  1.],
                [ 1., -1.]])

    References:
        Zhao, Schaefer, Anandkumar, 2022, arXiv:2110.12661, algorithms 1 and 2.
    """

    name = "zero_hadamard"
    formula = "W = I (out <= in), else W = H / sqrt(2^k), k = ceil(log2 out)"
    use = "ZerO: residual networks from a start without randomness"
    citation = (
        "Zhao, Schaefer, Anandkumar. ZerO initialization: initializing neural networks with only "
        "zeros and ones. TMLR 2022. arXiv:2110.12661. Algorithms 1, 2"
    )

    def square_sum(self, outputs: int, inputs: int, taps: int) -> float:
        if outputs <= inputs:
            return float(outputs)
        return outputs * inputs * 0.5 ** _order(outputs)

    def make_(self, weight: Matrix, stream: Stream) -> None:
        weight.view.zero_()
        if weight.outputs <= weight.inputs:
            diagonal = np.arange(weight.outputs)
            weight.write_at_(diagonal, weight.at_centre(diagonal), 1.0)
            return
        import torch

        entry = math.sqrt(0.5 ** _order(weight.outputs))
        for output, input in _places(weight.outputs, weight.inputs):
            signs = np.where(_has_odd_bits(output & input), -entry, entry)
            values = torch.from_numpy(signs).to(weight.view)
            weight.write_at_(output, weight.at_centre(input), values)


def _order(outputs: int) -> int:
    return (outputs - 1).bit_length()


def _has_odd_bits(values: Places) -> NDArray[np.bool_]:
    """Whether an odd number of bits is set in each; NumPy counts them from version 2 only."""
    for shift in (32, 16, 8, 4, 2, 1):
        values = values ^ (values >> shift)
    return (values & 1).astype(bool)


def _places(outputs: int, inputs: int) -> Iterator[tuple[Places, Places]]:
    """Every pair of an output and an input, some rows at a time."""
    rows = max(1, _PART // max(inputs, 1))
    for first in range(0, outputs, rows):
        output = np.arange(first, min(first + rows, outputs))
        yield np.repeat(output, inputs), np.tile(np.arange(inputs), output.size)


def _as_numbers(values: object) -> Tensor:
    """A copy in float64, which holds every number of a narrower type."""
    import torch

    try:
        copied = torch.as_tensor(values).detach().to("cpu", torch.float64, copy=True)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"values must be numbers, as a tensor or in lists: {error}") from None
    if not bool((copied.abs() <= float(np.finfo(np.float32).max)).all()):
        raise InputError("values must be finite numbers within the range of float32")
    return copied + 0.0  # there is one zero


def _same_numbers(values: Tensor) -> tuple[tuple[int, ...], bytes]:
    return tuple(values.shape), values.numpy().tobytes()


@attrs.frozen(repr=False)
class given(AbstractScheme):
    """These numbers and no others: measured biases, log frequencies of classes.

    Args:
        values: a tensor, or numbers in lists, of the shape of the tensor; a copy is kept.

    Raises:
        InputError: what is given are no finite numbers; from ``init_``, a tensor of another
            shape.

    Example:
        >>> import math, torch
        >>> priors = given([math.log(0.9), math.log(0.1)])
        >>> priors.init_(torch.empty(2))
        tensor([-0.1054, -2.3026])

    References:
        Lin et al., 2017, arXiv:1708.02002, section 4.1 (a bias from the share of a class).
    """

    values: Tensor = attrs.field(converter=_as_numbers, eq=_same_numbers)

    name = "given"
    formula = "W = values"
    use = "biases that were measured, priors of classes, weights of another model"
    citation = (
        "Lin, Goyal, Girshick, He, Dollar. Focal loss for dense object detection. ICCV 2017. "
        "arXiv:1708.02002. Section 4.1 (the prior of a class as bias)"
    )

    def std(self, layout: Layout | None = None) -> float:
        """The root mean square of the numbers."""
        return math.sqrt(float(self.values.square().mean())) if self.values.numel() else 0.0

    def require_fit(self, shape: tuple[int, ...], layout: Layout | None) -> None:
        if tuple(self.values.shape) != shape:
            raise InputError(f"the values have shape {tuple(self.values.shape)}, not {shape}")

    def draw_(self, tensor: Tensor, layout: Layout | None, source: Source) -> None:
        import torch

        source.stream()  # refuses a wrong seed or name
        self.require_fit(tuple(tensor.shape), layout)
        with torch.no_grad():
            tensor.detach().copy_(self.values)

    def __repr__(self) -> str:
        if self.values.numel() <= _SHORT:
            return f"given({self.values.tolist()!r})"
        return f"given(<shape {tuple(self.values.shape)}, RMS {self.std():g}>)"
