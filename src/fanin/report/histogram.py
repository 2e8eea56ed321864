"""One weight drawn by a scheme: its numbers, and their histogram."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from fanin.errors import FanError
from fanin.fans import Layout, conv, linear, of_plain_weight
from fanin.schemes import IndependentScheme, Scheme

_BINS = 21
# Beyond it, a spike at zero would flatten the other bars.
_MANY_ZEROS = 0.05
# Any element may be this far from the next without being another number.
_ALL_EQUAL = 1e-12


@dataclass(frozen=True, slots=True)
class Drawn:
    """What came out.

    Args:
        scheme: as text.
        weight: in words, with its fans.
        promised: the std that the scheme states.
        std: standard deviation of the elements; root mean square, if they are laid out.
        mean, least, greatest: of the elements.
        zeros: share of elements that are exactly 0, where there are many.
        edges, counts: of the histogram, without those zeros.
    """

    scheme: str
    weight: str
    promised: str
    std: float
    mean: float
    least: float
    greatest: float
    zeros: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def bars(self, width: int, *, plain: bool = False) -> Iterator[str]:
        """One line a bin: where its middle lies, a bar, its share; ``plain`` is without Unicode."""
        total = sum(self.counts)
        room = max(width - 20, 10)
        for i, count in enumerate(self.counts):
            low, high = self.edges[i : i + 2]
            middle = (low + high) / 2
            if abs(middle) < (high - low) / 50:
                middle = 0.0
            length = count / max(self.counts) * room
            share = f"{count / total:.1%}" if count else ""
            yield f"{middle:10.3g} {_bar(length, plain=plain)} {share}".rstrip()


def draw(scheme: Scheme, shape: tuple[int, ...] | None, seed: int) -> Drawn:
    """Draw one weight.

    Args:
        scheme: what draws it.
        shape: read as the weight of a Linear or a convolution. None: a matrix, or a
            convolution if the scheme is only for those.
        seed: of the noise.

    Raises:
        FanError: the scheme does not suit the shape.
    """
    if shape is not None:
        return _drawn(scheme, shape, of_plain_weight(shape) if len(shape) > 1 else None, seed)
    matrix, kernel = linear((256, 512)), conv((128, 64, 3, 3))
    try:
        return _drawn(scheme, matrix.shape, matrix, seed)
    except FanError:
        return _drawn(scheme, kernel.shape, kernel, seed)


def _drawn(scheme: Scheme, shape: tuple[int, ...], layout: Layout | None, seed: int) -> Drawn:
    weight = torch.empty(shape, dtype=torch.float64)
    scheme.init_(weight, seed=seed, name="weight", layout=layout)
    values = weight.numpy().ravel()
    fans = f"fan_in {layout.fan_in:g}, fan_out {layout.fan_out:g}" if layout else "no fans"
    try:
        promised = f"{scheme.std(layout):.5g}"
    except NotImplementedError:
        promised = "nothing"
    zeros = float(np.mean(values == 0))
    shown = values[values != 0] if _MANY_ZEROS < zeros < 1 else values
    low, high = float(shown.min()), float(shown.max())
    spread = high - low
    if spread <= _ALL_EQUAL * max(abs(low), abs(high), 1e-300):
        counts, edges = np.array([shown.size]), np.array([low, low])
    else:
        counts, edges = np.histogram(shown, _BINS)
    return Drawn(
        repr(scheme),
        f"{layout.op if layout else 'vector'} {shape}: {fans}",
        promised,
        _spread(scheme, values),
        float(values.mean()),
        float(values.min()),
        float(values.max()),
        zeros if _MANY_ZEROS < zeros < 1 else 0.0,
        tuple(float(edge) for edge in edges),
        tuple(int(count) for count in counts),
    )


def _spread(scheme: Scheme, values: np.ndarray[Any, Any]) -> float:
    if isinstance(scheme, IndependentScheme):
        return float(values.std())
    return math.sqrt(float(np.mean(values**2)))


def _bar(length: float, *, plain: bool) -> str:
    if plain:
        return "#" * round(length)
    eighths = math.ceil(length * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
