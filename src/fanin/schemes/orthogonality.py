"""Orthogonal matrices: whole weights, and the centre tap of a convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from fanin.errors import FanError
from fanin.schemes.matrices import Matrix, MatrixScheme, MatrixShape
from fanin.schemes.scheme import a_number, as_float, in_range

if TYPE_CHECKING:
    from torch import Tensor

    from fanin.noise import Stream


def orthogonal_matrix(
    stream: Stream, rows: int, columns: int, gain: float, *, double: bool
) -> Tensor:
    """Gain * Q of shape (rows, columns) with orthonormal rows or columns, whichever are fewer.

    Args:
        stream: of the Gaussian vectors.
        rows, columns: of the matrix.
        gain: every singular value.
        double: computed in float64, otherwise in float32.
    """
    import torch

    from fanin.noise.haar import fill_orthogonal

    values = torch.empty(rows, columns, dtype=torch.float64 if double else torch.float32)
    fill_orthogonal(values.numpy(), stream, gain)
    return values


@attrs.frozen(repr=False)
class _Orthogonal(MatrixScheme):
    gain: float = attrs.field(default=1.0, converter=as_float, validator=a_number)

    argument = "gain"

    def __attrs_post_init__(self) -> None:
        in_range("gain", self.gain, 0.0)


@attrs.frozen(repr=False)
class orthogonal(_Orthogonal):
    """gain Q with Q uniform (Haar) among the matrices with orthonormal rows or columns.

    Of a weight with out units and in units times kernel taps, whichever side is shorter is
    orthonormal. With as many outputs as inputs every input keeps its norm, so the signal and
    the gradient keep their scale through any number of linear layers. A wide or tall weight
    keeps only one: the second moment is multiplied by gain^2 min(1, in / out) going forward
    and gain^2 min(1, out / in) going back; gain = sqrt(max(1, out / in)) keeps the forward one.

    float64 tensors are computed in float64; others in float32, where Q^T Q is within 1e-6 of
    the identity. Needs memory for two more matrices of that size.

    Args:
        gain: every singular value; that of the activation that follows, sqrt 2 for ReLU.

    Raises:
        InputError: the gain is negative or no number.
        FanError: from ``std`` and ``init_``, without a layout or on a tensor of fewer than two
            axes.

    Example:
        >>> import torch
        >>> w = orthogonal().init_(torch.empty(3, 5))
        >>> torch.allclose(w @ w.T, torch.eye(3), atol=1e-6)
        True

    References:
        Saxe, McClelland, Ganguli, 2014, arXiv:1312.6120, section 3; the product of reflections:
        Stewart, 1980; its signs: Mezzadri, 2007, math-ph/0609050.
    """

    name = "orthogonal"
    formula = "W = gain Q, Q^T Q = I or Q Q^T = I, uniform among all such Q"
    use = "deep linear, tanh and recurrent networks; the start of LSUV"
    citation = (
        "Saxe, McClelland, Ganguli. Exact solutions to the nonlinear dynamics of learning in "
        "deep linear neural networks. ICLR 2014. arXiv:1312.6120. Section 3"
    )

    def square_sum(self, outputs: int, inputs: int, taps: int) -> float:
        return self.gain**2 * min(outputs, inputs * taps)

    def make_(self, weight: Matrix, stream: Stream) -> None:
        columns = weight.inputs * weight.taps
        weight.write_(
            orthogonal_matrix(
                stream, weight.outputs, columns, self.gain, double=weight.double_precision
            )
        )


@attrs.frozen(repr=False)
class delta_orthogonal(_Orthogonal):
    """A convolution whose centre tap has orthonormal columns, and whose other taps are 0.

    The only orthogonal scheme that makes a convolution an isometry: with it a network of
    10,000 tanh layers trains. An orthogonal matrix over all taps does not.

    Args:
        gain: every singular value of the centre tap.

    Raises:
        InputError: the gain is negative or no number.
        FanError: from ``std`` and ``init_``, on a weight without a kernel or with fewer
            outputs than inputs.

    Example:
        >>> import torch
        >>> w = delta_orthogonal().init_(torch.empty(8, 4, 3, 3))
        >>> torch.allclose(w[:, :, 1, 1].T @ w[:, :, 1, 1], torch.eye(4), atol=1e-6)
        True

    References:
        Xiao et al., 2018, arXiv:1806.05393, section 3 and algorithm 1.
    """

    name = "delta_orthogonal"
    formula = "W[:, :, centre] = gain Q, Q^T Q = I; elsewhere 0"
    use = "very deep convolutional networks without norms"
    citation = (
        "Xiao, Bahri, Sohl-Dickstein, Schoenholz, Pennington. Dynamical isometry and a mean "
        "field theory of CNNs. ICML 2018. arXiv:1806.05393. Algorithm 1"
    )

    def require(self, weight: MatrixShape) -> None:
        if not weight.kernel:
            raise FanError(
                f"delta_orthogonal is for convolutions; a {weight.layout.op} weight has no "
                "kernel. Take orthogonal"
            )
        if weight.outputs < weight.inputs:
            raise FanError(
                f"delta_orthogonal keeps every input, so it needs as many outputs as inputs; this "
                f"{weight.layout.op} weight has {weight.inputs} inputs and {weight.outputs} "
                "outputs. Take orthogonal"
            )

    def square_sum(self, outputs: int, inputs: int, taps: int) -> float:
        return self.gain**2 * inputs

    def make_(self, weight: Matrix, stream: Stream) -> None:
        centre = orthogonal_matrix(
            stream, weight.outputs, weight.inputs, self.gain, double=weight.double_precision
        )
        weight.view.zero_()
        weight.centre.copy_(centre.reshape(weight.centre.shape))
