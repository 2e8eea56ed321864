"""Where theory expects the scale of signals along depth, and how far chance may move it.

A layer of n ReLU units at its gain keeps the mean square q of what it puts out on average over
draws of its weights; one draw moves log q by noise of variance 5/n and mean -5/(2n). Along a
chain of layers these add up: at n = 256 and depth 50 to a mean of -0.50 and a variance of 0.98.
The median stays at the mean less the variance over two; log RMS is half of log q.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fanin.report.check_layers import Row

_NOISE: Final = 5.0
"""E phi^4 / (E phi^2)^2 - 1 of ReLU; that of other activations lies between 1 and 6."""
_DEVIATIONS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Expected:
    """A scale on average over draws, and the variance of log q that chance gives it."""

    mean: float
    variance: float

    @property
    def low(self) -> float:
        return self._at(-_DEVIATIONS)

    @property
    def high(self) -> float:
        return self._at(_DEVIATIONS)

    def _at(self, deviations: float) -> float:
        # Half of log q's mean -variance / 2 and of its deviation; a factor of 1e100 is no band.
        log = deviations * math.sqrt(self.variance) / 2 - self.variance / 4
        return self.mean * math.exp(max(min(log, 230.0), -230.0))


def expected_forward(layers: Sequence[Row]) -> list[Expected | None]:
    """Of each layer's output: begun at what a norm, join or the input gives, kept from there on."""
    known: dict[str, Expected] = {}
    made = []
    for row in layers:
        before = known.get(_source(row))
        start = _fed(row) if before is None else before.mean
        one = None
        if row.layer.expected is not None and start is not None:
            one = Expected(start, (before.variance if before else 0.0) + _noise(row))
            known[row.layer.name] = one
        else:
            known.pop(row.layer.name, None)
        made.append(one)
    return made


def expected_gradient(layers: Sequence[Row]) -> list[Expected | None]:
    """Of each gradient: begun at the last layer of a chain, carried back by the later fans."""
    readers = Counter(_source(row) for row in layers)
    behind: dict[str, tuple[Row, Expected]] = {}
    made: list[Expected | None] = []
    for row in reversed(layers):
        one = None
        later = behind.get(row.layer.name)
        if row.layer.expected is not None and readers[row.layer.name] <= 1:
            one = _start(row) if later is None else _carried(*later, row)
        if one is not None and _source(row):
            behind[_source(row)] = (row, one)
        made.append(one)
    return made[::-1]


def _source(row: Row) -> str:
    """The weight whose output it reads, by elementwise functions only; "" where there is none."""
    source = None if row.use is None else row.use.source
    return source.name if source is not None and source.kind == "weight" else ""


def _fed(row: Row) -> float | None:
    """The scale that a layer would put out if it kept that of what it is fed."""
    layer = row.layer
    if layer.forward is None or layer.step is None or layer.expected is None:
        return None
    return _positive(layer.forward / layer.step * layer.expected) if layer.step else None


def _start(row: Row) -> Expected | None:
    gradient = row.layer.gradient
    mean = None if gradient is None else _positive(gradient)
    return None if mean is None else Expected(mean, 0.0)


def _carried(later: Row, expected: Expected, row: Row) -> Expected | None:
    fan_in, fan_out = later.layer.fan_in, later.layer.fan_out
    if not fan_in or not fan_out:
        return None
    return Expected(expected.mean * math.sqrt(fan_out / fan_in), expected.variance + _noise(row))


def _noise(row: Row) -> float:
    width = row.layer.units or row.layer.fan_out
    return _NOISE / width if width else 0.0


def _positive(value: float) -> float | None:
    return value if math.isfinite(value) and value > 0 else None
