"""Noise by (seed, name, window): the functions that a caller uses directly."""

from __future__ import annotations

import operator

import numpy as np
from numpy.typing import NDArray

from fanin.errors import InputError
from fanin.noise.distributions import Distribution, Normal, TruncatedNormal, Uniform
from fanin.noise.kernels import philox
from fanin.noise.streams import Stream

# Windows stay below it, so that a group's number and an offset fit in signed 64 bits.
_LONGEST = 1 << 62


def uniform(seed: int, name: str, start: int, count: int) -> NDArray[np.float32]:
    """Elements [start, start + count) of the stream of (seed, name), uniform on [0, 1).

    Args:
        seed: an integer.
        name: the stream's name, usually a parameter's.
        start: first element, from 0.
        count: how many.

    Returns:
        float32 array of shape (count,); multiples of 2^-24. The same bits for any thread
        count and any cut into windows.

    Raises:
        InputError: a seed, name or window that cannot be used.

    Example:
        >>> whole = uniform(0, "fc.weight", 0, 1000)
        >>> bool((whole[700:] == uniform(0, "fc.weight", 700, 300)).all())
        True

    References:
        Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (Philox4x32-10).
    """
    return _window(Uniform(0.0, 1.0), seed, name, start, count)


def normal(seed: int, name: str, start: int, count: int) -> NDArray[np.float32]:
    """Elements [start, start + count) of the stream of (seed, name), as N(0, 1).

    Element i is the normal quantile of word i of the stream, so it rises with element i of
    ``uniform``. A word gives a sign and 31 bits: abs(z) reaches 6.3. Relative error of the
    quantile: below 7e-7.

    Args, Returns, Raises:
        as ``uniform``.

    Example:
        >>> z = normal(0, "fc.weight", 0, 100_000)
        >>> bool(abs(z.std() - 1) < 0.02)
        True
    """
    return _window(Normal(), seed, name, start, count)


def truncated_normal(
    seed: int, name: str, start: int, count: int, low: float = -2.0, high: float = 2.0
) -> NDArray[np.float32]:
    """Elements [start, start + count) of the stream, as N(0, 1) given low <= z <= high.

    By inversion, without rejection: one word a number, whatever the bounds. The result is
    not rescaled: its std is 0.8796 for the bounds -2 and 2.

    Args:
        seed, name, start, count: as ``uniform``.
        low, high: bounds in standard deviations; either may be infinite.

    Returns:
        float32 array of shape (count,), every element within the bounds.

    Raises:
        InputError: as ``uniform``, or low is not below high, or the whole interval is more
            than 12.5 standard deviations out.

    Example:
        >>> z = truncated_normal(0, "fc.weight", 0, 100_000)
        >>> bool(abs(z).max() <= 2), bool(abs(z.std() - 0.8796) < 0.02)
        (True, True)
    """
    return _window(TruncatedNormal(low=low, high=high), seed, name, start, count)


def philox4x32(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, ...]:
    """The Philox4x32-10 block of a counter under a key: four 32-bit words.

    Raises:
        InputError: a word that is negative or longer than 32 bits.

    Example:
        >>> [f"{word:08x}" for word in philox4x32((0, 0, 0, 0), (0, 0))]
        ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']

    References:
        Random123, ``kat_vectors``, philox4x32 10.
    """
    for word in (*counter, *key):
        if not 0 <= word < 1 << 32:
            raise InputError(f"Philox takes words of 32 bits, got {word}")
    words = philox(*(np.uint64(word) for word in (*counter, *key)))
    return tuple(int(word) for word in words)


def _window(
    distribution: Distribution, seed: int, name: str, start: int, count: int
) -> NDArray[np.float32]:
    stream = Stream(seed, name)
    first, size = _index("start", start), _index("count", count)
    if first + size > _LONGEST:
        raise InputError(f"start + count is {first + size}; a stream has 2^62 elements")
    out = np.empty(size, np.float32)
    distribution.fill(out, stream, first)
    return out


def _index(what: str, value: object) -> int:
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise InputError(f"{what} must be an integer, got {value!r}") from None
    if number < 0:
        raise InputError(f"{what} must not be negative, got {number}")
    return number
