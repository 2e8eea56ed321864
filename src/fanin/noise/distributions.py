"""What one number of a stream can be: constant, uniform, normal, truncated normal.

A distribution fills any window of a stream, so a tensor can be made whole, in pieces or
on many machines with the same bits. Arithmetic is float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fanin.errors import InputError
from fanin.noise import gaussian, kernels
from fanin.noise.streams import Stream
from fanin.noise.threads import in_pieces

_LATTICE_BITS = 32
# An interval of at least 2^24 lattice points is cut as finely as float32 can tell.
_COARSEST_LATTICE = 1 << 24


Room = NDArray[np.float32] | NDArray[np.uint16]


@runtime_checkable
class Distribution(Protocol):
    """One number's law: its mean, its standard deviation, and how it fills a window."""

    @property
    def mean(self) -> float: ...

    @property
    def std(self) -> float: ...

    def times(self, factor: float) -> Distribution:
        """The law of its numbers times a factor, 0 or more."""
        ...

    def fill(self, out: Room, stream: Stream, start: int) -> None:
        """Write elements [start, start + out.size) of the stream into a contiguous array.

        Args:
            out: float32, or uint16 that receives the bits of bfloat16, rounded to nearest.
            stream: where the randomness comes from.
            start: the first element.
        """
        ...


_GREATEST = float(np.finfo(np.float32).max)


def _require_float32(**values: float) -> None:
    for name, value in values.items():
        if not abs(value) <= _GREATEST:
            raise InputError(
                f"{name} must be a finite number within the range of float32, got {value!r}"
            )


@dataclass(frozen=True, slots=True)
class Constant:
    """Every element equal; draws nothing."""

    value: float

    def __post_init__(self) -> None:
        _require_float32(value=self.value)

    @property
    def mean(self) -> float:
        return self.value

    @property
    def std(self) -> float:
        return 0.0

    def times(self, factor: float) -> Constant:
        return Constant(self.value * factor)

    def fill(self, out: Room, stream: Stream, start: int) -> None:
        value = np.full(1, self.value, np.float32)
        if out.dtype == np.uint16:
            kernels.round_to_bfloat16(value, out[:1])
            out.fill(out[0])
        else:
            out.fill(value[0])


@dataclass(frozen=True, slots=True)
class Uniform:
    """U[low, high): low + (high - low) u, u a multiple of 2^-24, never rounded up to high."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _require_float32(low=self.low, high=self.high, width=self.high - self.low)
        if self.low > self.high:
            raise InputError(f"low ({self.low}) is above high ({self.high})")

    @property
    def mean(self) -> float:
        return (self.low + self.high) / 2

    @property
    def std(self) -> float:
        return (self.high - self.low) / math.sqrt(12)

    def times(self, factor: float) -> Uniform:
        return Uniform(self.low * factor, self.high * factor)

    def fill(self, out: Room, stream: Stream, start: int) -> None:
        low, width = np.float32(self.low), np.float32(self.high - self.low)
        below_high = np.nextafter(np.float32(self.high), np.float32(-np.inf))
        top = max(low, below_high)
        words = stream.words
        in_pieces(
            lambda a, b: kernels.fill_uniform(out[a:b], start + a, words, low, width, top),
            out.size,
        )


@dataclass(frozen=True, slots=True)
class Normal:
    """N(mean, std^2): mean + std z, |z| at most 6.34 (a sign and 31 bits a number)."""

    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self) -> None:
        _require_float32(mean=self.mean, std=self.std)
        if self.std < 0:
            raise InputError(f"std must not be negative, got {self.std}")

    def times(self, factor: float) -> Normal:
        return Normal(self.mean * factor, self.std * factor)

    def fill(self, out: Room, stream: Stream, start: int) -> None:
        mean, std = np.float32(self.mean), np.float32(self.std)
        words = stream.words
        in_pieces(lambda a, b: kernels.fill_normal(out[a:b], start + a, words, mean, std), out.size)


_Cut = tuple[
    np.uint64, np.uint64, float, float, float, np.float32, np.float32, np.float32, np.float32
]


@dataclass(frozen=True, slots=True)
class TruncatedNormal:
    """loc + scale z with z ~ N(0, 1) given low <= z <= high, by inversion: nothing is rejected.

    Args:
        loc, scale: shift and factor. They are not mean and std: a cut changes both.
        low, high: bounds of z, in units of the scale; either may be infinite.

    Raises:
        InputError: low is not below high, or the interval lies beyond 12.5 standard
            deviations, where float32 holds no probability.
    """

    loc: float = 0.0
    scale: float = 1.0
    low: float = -2.0
    high: float = 2.0

    def __post_init__(self) -> None:
        _require_float32(loc=self.loc, scale=self.scale)
        if self.scale < 0:
            raise InputError(f"scale must not be negative, got {self.scale}")
        if not self.low < self.high:
            raise InputError(f"low ({self.low}) must be below high ({self.high})")
        if not np.float32(self.low) < np.float32(self.high):
            raise InputError(
                f"low ({self.low}) and high ({self.high}) are one number in float32; "
                "there is nothing to draw between them"
            )
        nearest = max(self.low, -self.high)
        if nearest > gaussian.FARTHEST:
            raise InputError(
                f"[{self.low}, {self.high}] begins {nearest} standard deviations from the mean; "
                f"at most {gaussian.FARTHEST} can be sampled"
            )

    @property
    def mean(self) -> float:
        return self.loc + self.scale * gaussian.truncated_moments(self.low, self.high)[0]

    @property
    def std(self) -> float:
        return self.scale * gaussian.truncated_moments(self.low, self.high)[1]

    def _cut(self) -> _Cut:
        below, above, inside = gaussian.interval(self.low, self.high)
        with localcontext(prec=60):
            first = int((below * 2**_LATTICE_BITS).to_integral_value())
            end = int(((1 - above) * 2**_LATTICE_BITS).to_integral_value())
        count = end - first if end - first >= _COARSEST_LATTICE else 0
        # A word is a two's complement number: lattice point 0 is the word 2^31.
        first = (first + (1 << 31)) % (1 << _LATTICE_BITS)
        two = Decimal(2)
        return (
            np.uint64(first),
            np.uint64(count),
            float(two * below),
            float(two * above),
            float(two * inside),
            np.float32(self.low),
            np.float32(self.high),
            np.float32(self.loc),
            np.float32(self.scale),
        )

    def times(self, factor: float) -> TruncatedNormal:
        return TruncatedNormal(self.loc * factor, self.scale * factor, self.low, self.high)

    def fill(self, out: Room, stream: Stream, start: int) -> None:
        cut = self._cut()
        words = stream.words
        in_pieces(lambda a, b: kernels.fill_truncated(out[a:b], start + a, words, cut), out.size)
