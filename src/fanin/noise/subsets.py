"""Random subsets of a fixed size: which inputs of a unit are nonzero."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fanin.noise import kernels
from fanin.noise.streams import Stream

_compiled = njit(error_model="numpy", nogil=True, cache=True)


def subsets(stream: Stream, first: int, count: int, size: int, chosen: int) -> NDArray[np.int64]:
    """Subsets first, first + 1, ... of the stream, each uniform among those of its size.

    Args:
        stream: subset i takes its 64-bit words i * chosen to (i + 1) * chosen.
        first: the first subset.
        count: how many.
        size: elements are 0 ... size - 1.
        chosen: how many of them a subset has.

    Returns:
        array of shape (count, chosen), elements in no order.

    References:
        Floyd's algorithm: Bentley, Floyd, Programming pearls, CACM 30, 1987.
    """
    words = np.empty(2 * count * chosen, np.uint32)
    kernels.fill_words(words, 2 * first * chosen, stream.words)
    out = np.empty((count, chosen), np.int64)
    choose(words, size, out)
    return out


@_compiled
def choose(words, size, out):
    """Floyd: at step j take a number up to j, or j itself if that one is taken."""
    chosen = out.shape[1]
    taken = np.zeros(size, np.bool_)
    for row in range(out.shape[0]):
        for step in range(chosen):
            last = size - chosen + step
            word = 2 * (row * chosen + step)
            # floor(u (last + 1)) for u of 64 bits: no more bias than size / 2^64.
            low = np.uint64(words[word]) * np.uint64(last + 1)
            high = np.uint64(words[word + 1]) * np.uint64(last + 1)
            pick = np.int64((high + (low >> np.uint64(32))) >> np.uint64(32))
            if taken[pick]:
                pick = last
            taken[pick] = True
            out[row, step] = pick
        for step in range(chosen):
            taken[out[row, step]] = False


@_compiled
def mark(marks, chosen):
    """Set bit c of the words ``marks[chosen[c]]``."""
    for column in range(chosen.shape[0]):
        bit = np.uint64(1) << np.uint64(column)
        for step in range(chosen.shape[1]):
            marks[chosen[column, step]] |= bit


@_compiled
def zero_marked(values, start, columns, marks, marked):
    """Set those elements of a window of a row-major matrix to zero whose bit is ``marked``.

    Bit c % 64 of marks[row, c // 64] is that of column c.
    """
    done = 0
    while done < values.size:
        row, column = divmod(start + done, columns)
        end = min(column // 64 * 64 + 64, columns, column + values.size - done)
        word = marks[row, column // 64] if marked else ~marks[row, column // 64]
        part = values[done : done + end - column]
        shift = np.uint64(column % 64)
        for i in range(part.size):
            if (word >> (shift + np.uint64(i))) & np.uint64(1):
                part[i] = np.float32(0.0)
        done += end - column
