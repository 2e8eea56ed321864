"""Biases of recurrent layers that remember."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, get_args

import attrs
import numpy as np

from fanin.errors import FanError, InputError
from fanin.fans import Layout
from fanin.noise import Uniform
from fanin.schemes.matrices import require_shape
from fanin.schemes.scheme import AbstractScheme, Source, a_number, as_float, in_range, one_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

Gates = Literal["lstm", "gru"]


@attrs.frozen(repr=False)
class chrono_bias(AbstractScheme):
    """The bias of a gated recurrent layer whose units remember for 1 to ``steps`` steps.

    A gate that forgets 1 / t of the state in each step, sigmoid(ln(t - 1)), remembers for t
    steps. LSTM, whose gates torch orders i, f, g, o: b_f = ln U(1, steps - 1), b_i = -b_f with
    the same numbers, the others 0. GRU (r, z, n), where torch has h' = (1 - z) n + z h, so that
    z is the gate that keeps: b_z = ln U(1, steps - 1), the others 0.

    A layer of torch has two biases, which add up: give this to one, and zeros to the other.

    Args:
        steps: the longest dependency that is expected, 2 or more.
        gates: ``"lstm"`` or ``"gru"``, the gates along axis 0.

    Raises:
        InputError: steps is no number of 2 or more.
        UnknownNameError: other gates.
        FanError: from ``std`` and ``init_``, where the gates do not divide axis 0.

    Example:
        >>> import torch
        >>> i, f, g, o = chrono_bias(100).init_(torch.empty(32)).chunk(4)
        >>> bool((i == -f).all()), bool((f >= 0).all()), bool((g == 0).all())
        (True, True, True)

    References:
        Tallec, Ollivier, 2018, arXiv:1804.11188, section 3 and equation 16.
    """

    steps: float = attrs.field(converter=as_float, validator=a_number)
    gates: Gates = "lstm"

    name = "chrono_bias"
    formula = "b_f = ln U(1, T - 1), b_i = -b_f (LSTM); b_z = ln U(1, T - 1) (GRU); others 0"
    use = "one bias of an LSTM or GRU whose sequences have dependencies of up to T steps"
    citation = (
        "Tallec, Ollivier. Can recurrent neural networks warp time? ICLR 2018. arXiv:1804.11188. "
        "Section 3, equation 16"
    )
    argument = "steps"
    example = "100"

    def __attrs_post_init__(self) -> None:
        in_range("steps", self.steps, 2.0)
        one_of("kind of gates", self.gates, get_args(Gates))

    @property
    def count(self) -> int:
        """The number of gates."""
        return 4 if self.gates == "lstm" else 3

    def std(self, layout: Layout | None = None) -> float:
        """About 0, over the biases of all gates."""
        if layout is not None:
            self.require_fit(layout.shape, layout)
        drawn = 2 if self.gates == "lstm" else 1
        return math.sqrt(_square_of_log(self.steps - 1) * drawn / self.count)

    def require_fit(self, shape: tuple[int, ...], layout: Layout | None) -> None:
        if not shape:
            raise InputError(f"{self!r} needs an axis of gates, and the tensor has none")
        if shape[0] % self.count:
            raise FanError(f"{self!r} has {self.count} gates, which do not divide shape {shape}")

    def draw_(self, tensor: Tensor, layout: Layout | None, source: Source) -> None:
        import torch

        if isinstance(layout, Layout):
            require_shape(tensor, layout)
        self.require_fit(tuple(tensor.shape), layout)
        gates = tensor.detach().chunk(self.count, 0)
        uniform = np.empty(gates[0].numel(), np.float32)
        Uniform(0.0, 1.0).fill(uniform, source.stream(), 0)
        drawn = _log(1.0 + (self.steps - 2.0) * uniform.astype(np.float64)).astype(np.float32)
        values = torch.from_numpy(drawn).view(gates[0].shape)
        with torch.no_grad():
            tensor.detach().zero_()
            gates[1].copy_(values)
            if self.gates == "lstm":
                gates[0].copy_(-values)


def _square_of_log(high: float) -> float:
    """The mean of (ln u)^2, u ~ U(1, high)."""
    log = math.log(high)
    if log < 1e-3:
        return log * log / 3
    return (high * (log * log - 2 * log + 2) - 2) / (high - 1)


def _log(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The natural logarithm with the same bits on every machine: + - * / only."""
    fraction, exponent = np.frexp(values)
    small = fraction < math.sqrt(0.5)
    fraction = np.where(small, 2 * fraction, fraction)
    exponent = exponent - small
    # ln m = 2 (s + s^3 / 3 + s^5 / 5 + ...), s = (m - 1) / (m + 1), |s| < 0.172
    s = (fraction - 1) / (fraction + 1)
    square, total = s * s, np.zeros_like(s)
    for odd in range(23, 0, -2):
        total = total * square + 1 / odd
    logarithm: NDArray[np.float64] = exponent * math.log(2) + 2 * s * total
    return logarithm
