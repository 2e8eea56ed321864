"""Weights of attention that start as those of trained networks look."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Literal, get_args

import attrs
import numpy as np

from fanin.errors import FanError, InputError
from fanin.noise import Normal, Stream
from fanin.schemes.matrices import Matrix, MatrixScheme, MatrixShape
from fanin.schemes.scheme import a_number, as_float, in_range, one_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from threadpoolctl import ThreadpoolController

Part = Literal["query", "key", "value", "output"]


@attrs.frozen(repr=False)
class mimetic(MatrixScheme):
    """One weight of a pair whose product is close to a multiple of the identity.

    Query and key: W_Q^T W_K ~ alpha Z + beta I in each head; value and output: W_O W_V ~
    alpha Z - beta I; Z ~ N(0, 1 / d) of d x d. The product is cut in two by its singular value
    decomposition U S V^T, of which each half takes sqrt S, and a head the largest part that it
    can hold. So tokens attend to themselves at first, as they do in trained vision transformers.

    Both weights of a pair come from the same Z: they must be drawn with the same seed and the
    same ``pair``.

    Args:
        part: which weight of attention this is.
        pair: names the noise of Z; the two weights of a pair share it, and no others.
        heads: heads in the weight, for query and key; as many in one as in the other, so this
            is not for grouped queries.
        alpha, beta: of the product. None: 0.7 and 0.7 for query and key, 0.4 and 0.4 for value
            and output.

    The weights are those of Linear layers: query and key (heads * d_head, d), value (d, d) or
    (rows, d), output (d, columns). Computed in float64; needs memory for a few d x d matrices.

    Raises:
        UnknownNameError: no such part.
        InputError: heads is no positive integer, or alpha or beta no number of 0 or more.
        FanError: from ``std`` and ``init_``, on a weight with a kernel, or whose rows ``heads``
            does not divide.

    Example:
        >>> import torch
        >>> query = mimetic("query", pair="block.0").init_(torch.empty(64, 64))
        >>> key = mimetic("key", pair="block.0").init_(torch.empty(64, 64))
        >>> bool(abs((query.T @ key).diagonal().mean() - 0.7) < 0.1)
        True

    References:
        Trockman, Kolter, 2023, arXiv:2305.09828, section 3 and algorithm 1.
    """

    part: Part = attrs.field()
    pair: str = attrs.field()
    heads: int = 1
    alpha: float | None = None
    beta: float | None = None

    name = "mimetic"
    formula = "W_Q^T W_K ~ 0.7 Z + 0.7 I, W_O W_V ~ 0.4 Z - 0.4 I, Z ~ N(0, 1 / d)"
    use = "query-key and value-output pairs of vision transformers"
    citation = (
        "Trockman, Kolter. Mimetic initialization of self-attention layers. ICML 2023. "
        "arXiv:2305.09828. Section 3"
    )

    def __attrs_post_init__(self) -> None:
        one_of("part", self.part, get_args(Part))
        if not isinstance(self.pair, str):
            raise InputError(f"pair must be a text that names the pair, got {self.pair!r}")
        if isinstance(self.heads, bool) or not isinstance(self.heads, int) or self.heads < 1:
            raise InputError(f"heads must be a positive integer, got {self.heads!r}")
        if self.heads > 1 and self.part in ("value", "output"):
            raise InputError(f"heads are of query and key; the {self.part} weight is made whole")
        for field, value in (("alpha", self.alpha), ("beta", self.beta)):
            if value is not None:
                a_number(self, getattr(attrs.fields(mimetic), field), as_float(value))
                in_range(field, value, 0.0)

    @property
    def shares_noise(self) -> bool:
        return True

    def product(self) -> tuple[float, float]:
        """Factors of Z and of the identity in the product of the pair."""
        looks_at_itself = self.part in ("query", "key")
        usual = 0.7 if looks_at_itself else 0.4
        alpha = usual if self.alpha is None else self.alpha
        beta = usual if self.beta is None else self.beta
        return alpha, beta if looks_at_itself else -beta

    def require(self, weight: MatrixShape) -> None:
        if weight.kernel:
            raise FanError(f"mimetic is for attention, not for a {weight.layout.op} weight")
        if weight.outputs % self.heads:
            raise FanError(f"heads={self.heads} does not divide the {weight.outputs} outputs")
        width, inner = self._sizes(weight.outputs, weight.inputs)
        if inner > width:
            raise FanError(
                f"a {self.part} weight of {weight.outputs} outputs and {weight.inputs} inputs with "
                f"{self.heads} heads is no half of a product of size {width}"
            )

    def _sizes(self, outputs: int, inputs: int) -> tuple[int, int]:
        """The size of the product, and the rank that a head has."""
        if self.part == "output":
            return outputs, inputs
        return inputs, outputs // self.heads

    def square_sum(self, outputs: int, inputs: int, taps: int) -> float:
        width, inner = self._sizes(outputs, inputs)
        alpha, beta = self.product()
        share = inner / width if width else 0.0
        return self.heads * width * mean_of_largest(alpha, abs(beta), share)

    def make_(self, weight: Matrix, stream: Stream) -> None:
        import torch

        width, inner = self._sizes(weight.outputs, weight.inputs)
        shared = Stream(stream.seed, self.pair, stream.draw)
        halves = [self._half(width, inner, shared, head) for head in range(self.heads)]
        values = np.concatenate(halves) if self.part != "output" else halves[0].T
        weight.write_(torch.from_numpy(np.ascontiguousarray(values)))

    def _half(self, width: int, inner: int, stream: Stream, head: int) -> NDArray[np.float64]:
        """sqrt(S) times the largest singular vectors of one side, (inner, width)."""
        alpha, beta = self.product()
        z = np.empty(width * width, np.float32)
        Normal().fill(z, stream, head * width * width)
        product = alpha / math.sqrt(width) * z.reshape(width, width).astype(np.float64)
        product[np.diag_indices(width)] += beta
        # On one thread: sums that threads cut differently round differently.
        with _libraries().limit(limits=1, user_api="blas"):
            u, s, vt = np.linalg.svd(product)
        left = u[:, :inner].T
        # A singular pair is defined but for its sign: the largest element is positive.
        signs = np.sign(left[np.arange(inner), np.abs(left).argmax(1)])
        side = left if self.part in ("query", "output") else vt[:inner]
        half: NDArray[np.float64] = (signs * np.sqrt(s[:inner]))[:, None] * side
        return half


@cache
def _libraries() -> ThreadpoolController:
    """The libraries that have threads; to look for them takes longer than a small matrix."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def mean_of_largest(alpha: float, beta: float, share: float) -> float:
    """Of the singular values of alpha Z + beta I, large and square: the mean over all of them
    of those that belong to the largest ``share``, the others counted as 0.

    From the density (2 / pi) Im(u) / alpha^2 with u the root in the upper half plane of
    u^3 - s u^2 - (beta^2 - alpha^2) u + s beta^2 = 0, which is the self-consistent equation
    of the resolvent of the matrix's Hermitian double.
    """
    if alpha == 0.0 or share == 0.0:
        return beta * share
    s = np.linspace(0.0, beta + 2.0 * alpha, 4001)[1:]
    companion = np.zeros((s.size, 3, 3))
    companion[:, 1, 0] = companion[:, 2, 1] = 1.0
    companion[:, 0, 2] = -s * beta**2
    companion[:, 1, 2] = beta**2 - alpha**2
    companion[:, 2, 2] = s
    density = np.linalg.eigvals(companion).imag.max(1)
    density = (density / density.sum())[::-1]
    counted = np.minimum(np.cumsum(density), share)
    return float(np.sum(np.diff(counted, prepend=0.0) * s[::-1]))
