"""Second moments through residual blocks and normalised layers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fanin.errors import InputError, UnknownNameError
from fanin.theory.activations import as_activation
from fanin.theory.kernels import Kernel, kernel_of
from fanin.theory.mean_field import moments, slope_square
from fanin.theory.ranges import LARGEST, require_count, require_square, require_std

Array = NDArray[np.float64]
Placement = Literal["plain", "pre_norm", "post_norm"]
Norm = Literal["batch", "layer"]


@dataclass(frozen=True, slots=True, eq=False)
class DepthProfile:
    """Second moments by depth, in the wide limit.

    Args:
        forward: float64 of shape (layers + 1,): of the stream before the first block, after the
            first, and so on.
        gradient: float64 of the same shape: of the loss's gradient at these places, relative to
            the last, which is 1.
        words: the rule in one sentence.
    """

    forward: Array
    gradient: Array
    words: str

    @property
    def forward_growth(self) -> float:
        """Last / first second moment of the stream."""
        return float(self.forward[-1] / self.forward[0])

    @property
    def gradient_growth(self) -> float:
        """First / last second moment of the gradient."""
        return float(self.gradient[0])


def residual_map(
    activation: object,
    layers: int,
    scale: float = 1.0,
    placement: Placement = "plain",
    q0: float = 1.0,
) -> DepthProfile:
    """Second moments through ``layers`` residual blocks with branches f(x) = W_2 phi(W_1 x).

    W_1 ~ N(0, 1 / fan_in), as its input is the stream and no activation; W_2 ~ N(0, gain^2 /
    fan_in). So f keeps a second moment of 1; b(q) = gain^2 E phi(sqrt(q) z)^2 is what it makes of
    q (q itself for relu), and chi(q) = gain^2 E phi'(sqrt(q) z)^2 what it makes of a gradient's.

    - ``"plain"``, x + a f(x): q + a^2 b(q); gradient times 1 + a^2 chi(q).
    - ``"pre_norm"``, x + a f(LN(x)): q + a^2; gradient times 1 + a^2 chi(1) / q.
    - ``"post_norm"``, LN(x + a f(x)): 1; gradient times (1 + a^2 chi(1)) / (1 + a^2).

    Args:
        activation: a name, a function or a module, as ``gain`` takes it.
        layers: the number of blocks; a transformer's layer holds two.
        scale: a. 1 / sqrt(layers) keeps a plain stream within a factor e.
        placement: ``"plain"``, ``"pre_norm"`` or ``"post_norm"``.
        q0: the second moment of the stream before the first block; with ``"post_norm"`` it is 1
            after the first block.

    Raises:
        InputError: no activation, or one that is 0; layers no positive integer; a scale that is
            negative or not finite; q0 not above 0.
        UnknownNameError: another placement.

    Example:
        >>> residual_map("relu", 12).forward_growth
        4096.0
        >>> round(residual_map("relu", 48, scale=48**-0.5).forward_growth, 2)
        2.69
        >>> pre_norm = residual_map("relu", 48, placement="pre_norm")
        >>> float(pre_norm.forward[-1]), round(pre_norm.gradient_growth, 9)
        (49.0, 49.0)

    References:
        He et al., 2016, arXiv:1603.05027; Xiong et al., On layer normalization in the transformer
        architecture, 2020, arXiv:2002.04745, section 3; Hayou et al., 2021, arXiv:2010.12859.
    """
    count = require_count("layers", layers)
    a2 = require_std("scale", scale) ** 2
    if placement not in get_args(Placement):
        raise UnknownNameError("placement", placement, get_args(Placement))
    start = require_square("q0", q0)
    branch = _Branch.of(activation)
    if placement == "plain":
        return branch.plain(a2, start, count)
    if placement == "pre_norm":
        return branch.pre_norm(a2, start, count)
    return branch.post_norm(a2, start, count)


@dataclass(frozen=True, slots=True)
class _Branch:
    """What W_2 phi(W_1 x) makes of second moments."""

    kernel: Kernel
    gain_square: float

    @classmethod
    def of(cls, activation: object) -> _Branch:
        kernel = kernel_of(activation)
        square = kernel.square(1.0)
        _require_signal(activation, carries=square > 0.0)
        return cls(kernel, 1.0 / square)

    def square(self, q: float) -> float:
        return self.gain_square * self.kernel.square(q)

    def gradient(self, q: float) -> float:
        return self.gain_square * slope_square(self.kernel, q)

    def plain(self, a2: float, q0: float, layers: int) -> DepthProfile:
        forward = [q0]
        for _ in range(layers):
            added = a2 * self.square(forward[-1]) if forward[-1] <= LARGEST else math.inf
            forward.append(forward[-1] + added)
        factors = [1.0 + a2 * self.gradient(q) for q in forward[:-1]]
        words = f"x + {math.sqrt(a2):.4g} f(x): from {q0:.4g} to {forward[-1]:.4g}"
        return DepthProfile(np.array(forward), _backward(factors), words)

    def pre_norm(self, a2: float, q0: float, layers: int) -> DepthProfile:
        forward = q0 + a2 * self.square(1.0) * np.arange(layers + 1, dtype=np.float64)
        factors = [1.0 + a2 * self.gradient(1.0) / q for q in forward[:-1]]
        words = f"x + {math.sqrt(a2):.4g} f(LN(x)): grows by {a2 * self.square(1.0):.4g} a block"
        return DepthProfile(forward, _backward(factors), words)

    def post_norm(self, a2: float, q0: float, layers: int) -> DepthProfile:
        forward = np.array([q0] + [1.0] * layers)
        before = [q0 + a2 * self.square(q0)] + [1.0 + a2 * self.square(1.0)] * (layers - 1)
        factors = [
            (1.0 + a2 * self.gradient(q)) / total
            for q, total in zip(forward[:-1], before, strict=True)
        ]
        words = f"LN(x + {math.sqrt(a2):.4g} f(x)): 1 after each block"
        return DepthProfile(forward, _backward(factors), words)


def normalised_map(activation: object, layers: int, norm: Norm = "batch") -> DepthProfile:
    """Second moments through layers x -> phi(norm(W x)) without skip connections.

    Whatever the scale of W, every signal is E phi^2 after a layer. Seen at the outputs of the
    norms, a gradient's second moment is multiplied, one layer towards the input, by

    - ``"batch"``: E phi'^2 / Var phi, as batch norm divides by the spread over the batch only:
      pi / (pi - 1) = 1.467 for relu, and above 1 for all but linear layers. For batches much
      larger than 1 and different inputs.
    - ``"layer"``: E phi'^2 / E phi^2, which is 1 for relu.

    Args:
        activation: a name, a function or a module, as ``gain`` takes it.
        layers: the number of layers.
        norm: ``"batch"`` or ``"layer"``, without learned scale and shift.

    Returns:
        forward: second moments of the outputs of the norms, all 1; gradient: there.

    Raises:
        InputError: no activation, or a constant one; layers no positive integer.
        UnknownNameError: another norm.

    Example:
        >>> round(normalised_map("relu", 1).gradient_growth, 4)
        1.4669

    References:
        Yang et al., A mean field theory of batch normalization, 2019, arXiv:1902.08129, section 4.
    """
    count = require_count("layers", layers)
    if norm not in get_args(Norm):
        raise UnknownNameError("norm", norm, get_args(Norm))
    known = moments(activation)
    spread = known.variance if norm == "batch" else known.mean_square
    _require_signal(activation, carries=spread > 1e-12 * known.mean_square)
    factor = known.derivative_mean_square / spread
    words = f"{norm} norm: the gradient's second moment is multiplied by {factor:.4g} a layer"
    return DepthProfile(np.ones(count + 1), _backward([factor] * count), words)


def _require_signal(activation: object, *, carries: bool) -> None:
    if not carries:
        raise InputError(f"{as_activation(activation).name} carries no signal: it is constant")


def _backward(factors: list[float]) -> Array:
    """Gradients relative to the last place, from the factors of the blocks in forward order."""
    with np.errstate(over="ignore"):
        return np.append(np.cumprod(np.array(factors)[::-1])[::-1], 1.0)
