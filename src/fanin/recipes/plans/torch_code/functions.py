"""Functions that torch.nn.init lacks, as text for the code that a plan becomes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

_ORTHOGONAL = '''\
def orthogonal_(weight: torch.Tensor, gain: float = 1.0) -> None:
    """Orthonormal rows or columns times gain, all axes but the first as one; any strides."""
    wide = torch.promote_types(weight.dtype, torch.float32)
    matrix = torch.empty(weight.shape, dtype=wide, device=weight.device)
    weight.copy_(nn.init.orthogonal_(matrix, gain))
'''

_DELTA_ORTHOGONAL = '''\
def delta_orthogonal_(weight: torch.Tensor, gain: float = 1.0) -> None:
    """The centre tap of a kernel orthogonal, 0 elsewhere; weight is (out, in, *kernel)."""
    centre = (..., *(size // 2 for size in weight.shape[2:]))
    orthogonal_(weight.zero_()[centre], gain)
'''

_ZERO_HADAMARD = '''\
def zero_hadamard_(weight: torch.Tensor) -> None:
    """Identity, or a part of a Hadamard matrix where out > in; weight is (out, in, *kernel)."""
    out_features, in_features = weight.shape[:2]
    matrix = torch.eye(out_features, in_features)
    if out_features > in_features:
        pattern = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
        hadamard = torch.ones(1, 1)
        while len(hadamard) < out_features:
            hadamard = torch.kron(pattern, hadamard)
        matrix = hadamard[:out_features, :in_features] * (1 / len(hadamard)) ** 0.5
    centre = (..., *(size // 2 for size in weight.shape[2:]))
    weight.zero_()[centre] = matrix.to(weight)
'''

_SPARSE = '''\
def sparse_(weight: torch.Tensor, nonzero: int, std: float) -> None:
    """As many nonzero weights in each unit, N(0, std^2), at random places; units along axis 0."""
    matrix = torch.zeros(len(weight), weight[0].numel())
    places = torch.rand(matrix.shape).argsort(1)[:, :nonzero]
    matrix.scatter_(1, places, torch.randn(places.shape) * std)
    weight.copy_(matrix.view(weight.shape))
'''

_TRUNCATED_NORMAL = '''\
def tail_(weight: torch.Tensor, mean: float, std: float, low: float, high: float) -> None:
    """N(mean, std^2) cut at low and high standard deviations, where trunc_normal_ is inexact."""
    side = -1.0 if low > 0 else 1.0
    ends = torch.tensor(sorted((side * low, side * high)), dtype=torch.float64)
    below, above = torch.special.ndtr(ends)
    chances = below + (above - below) * torch.rand(weight.shape, dtype=torch.float64)
    numbers = torch.special.ndtri(chances).clamp(ends[0], ends[1])
    weight.copy_(mean + std * side * numbers)
'''

_MIMETIC = '''\
def mimetic_(
    weight: torch.Tensor,
    part: str,
    pair: str,
    heads: int,
    alpha: float,
    beta: float,
    shared: dict[tuple[str, int, int], torch.Tensor],
) -> None:
    """One half of alpha Z + beta I in each head; both weights of a pair share Z ~ N(0, 1 / d)."""
    out_features, in_features = weight.shape
    sizes = (out_features, in_features) if part == "output" else (in_features, out_features)
    width, rank = sizes[0], sizes[1] // heads
    halves = []
    for head in range(heads):
        noise = torch.randn(width, width, dtype=torch.float64)
        z = shared.setdefault((pair, head, width), noise) / width**0.5
        u, s, vt = torch.linalg.svd(alpha * z + beta * torch.eye(width, dtype=torch.float64))
        left = u.T[:rank]
        signs = left.gather(1, left.abs().argmax(1, keepdim=True)).sign()
        side = left if part in ("query", "output") else vt[:rank]
        halves.append(signs * s[:rank, None].sqrt() * side)
    weight.copy_(halves[0].T if part == "output" else torch.cat(halves))
'''

# In the order of their definition: whatever one calls stands before it.
_FUNCTIONS: Final = {
    "orthogonal_": _ORTHOGONAL,
    "delta_orthogonal_": _DELTA_ORTHOGONAL,
    "zero_hadamard_": _ZERO_HADAMARD,
    "sparse_": _SPARSE,
    "tail_": _TRUNCATED_NORMAL,
    "mimetic_": _MIMETIC,
}


def functions_of(names: Collection[str]) -> Iterator[str]:
    """The text of these functions and of those that they call, each once."""
    wanted = set(names)
    if "delta_orthogonal_" in wanted:
        wanted.add("orthogonal_")
    return (text for name, text in _FUNCTIONS.items() if name in wanted)
