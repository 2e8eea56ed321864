"""Random orthogonal matrices (Haar measure) as a product of Householder reflections.

The product of the reflections that a QR factorization of a Gaussian matrix would find has
the law of its Q, and each reflection is that of an independent Gaussian vector, one element
shorter than the last: so nothing is factorized, the vectors are drawn and multiplied out.

As in ``kernels``, bits come before speed: + - * / sqrt in one fixed order, whatever the
threads and the machine. The order is that of blocks of 32 reflections (compact WY: a block
is I - U T U^T) acting on 64 columns at a time, in tiles of 4 rows that vectorise.

References:
    Stewart, The efficient generation of random orthogonal matrices, SIAM J. Numer. Anal. 17,
    1980 (the reflections); Mezzadri, Notices of the AMS 54, 2007, math-ph/0609050 (the signs);
    Schreiber, Van Loan, SIAM J. Sci. Stat. Comput. 10, 1989 (compact WY).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fanin.noise.distributions import Normal
from fanin.noise.streams import Stream
from fanin.noise.threads import each

_BLOCK = 32
_SLAB = 64
_TILE = 4
# Elements up to which threads cost more than they bring (256 x 256: 1.7 times as long with two).
_ALONE = 1 << 16
# Slabs that share the packing of a block of reflections.
_MOST_SLABS = 4

Real = NDArray[np.float32] | NDArray[np.float64]

_compiled = njit(error_model="numpy", nogil=True, cache=True)
_inlined = njit(error_model="numpy", nogil=True, cache=True, forceinline=True)


def fill_orthogonal(out: Real, stream: Stream, scale: float) -> None:
    """Make ``out`` scale * Q, Q uniform among the matrices with orthonormal columns or rows.

    Args:
        out: of shape (rows, columns), any strides; a wide one gets orthonormal rows. Its type,
            float32 or float64, is that of the arithmetic.
        stream: its first rows * columns normal numbers give the vectors.
        scale: every singular value of the result.
    """
    tall = out if out.shape[0] >= out.shape[1] else out.T
    rows, columns = tall.shape
    x = np.empty((rows, columns), np.float32)
    Normal().fill(x.reshape(-1), stream, 0)
    blocks = -(-columns // _BLOCK)
    heads = np.zeros(blocks * _BLOCK)
    transforms = np.zeros((blocks, _BLOCK, _BLOCK))
    spread = each if x.size > _ALONE else _one_by_one
    spread(lambda block: prepare(x, block, heads, transforms[block]), range(blocks))
    signs = np.where(heads < 0, scale, -scale)
    slabs = -(-columns // _SLAB)
    group = max(1, min(_MOST_SLABS, slabs // 8))
    # The last columns pass through the most reflections: they are begun first.
    firsts = range((slabs - 1) // group * group, -1, -group)

    def make(first: int) -> None:
        count = min(group, slabs - first)
        padded = -(-rows // _BLOCK) * _BLOCK
        columns_of_q = _aligned_zeros((count, padded, _SLAB), out.dtype)
        multiply(x, heads, transforms, first * _SLAB, columns_of_q)
        for i in range(count):
            left = (first + i) * _SLAB
            right = min(left + _SLAB, columns)
            deliver(columns_of_q[i], signs[left:right], tall[:, left:right])

    spread(make, firsts)


def _one_by_one(work: Callable[[int], None], items: Sequence[int]) -> None:
    for item in items:
        work(item)


def _aligned_zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Zeros that begin a cache line: vectors across two lines cost a third of the speed."""
    size, line = math.prod(shape), 64 // dtype.itemsize
    room = np.zeros(size + line, dtype)
    skipped = -room.ctypes.data % 64 // dtype.itemsize
    return room[skipped : skipped + size].reshape(shape)


@_compiled
def prepare(x, block, heads, transform):
    """The first elements of a block's reflection vectors, and -T of I - U T U^T.

    The vector of column j is x_j from row j on, its first element grown by the sign of that
    element times the norm.
    """
    first = block * _BLOCK
    count = min(_BLOCK, x.shape[1] - first)
    squares = np.zeros(_BLOCK)
    for i in range(first, x.shape[0]):
        for j in range(min(count, i - first + 1)):
            squares[j] += np.float64(x[i, first + j]) * np.float64(x[i, first + j])
    beta = np.zeros(_BLOCK)
    for j in range(count):
        x0 = np.float64(x[first + j, first + j])
        norm = np.sqrt(squares[j])
        heads[first + j] = x0 + norm if x0 >= 0.0 else x0 - norm
        beta[j] = 1.0 / (norm * (norm + abs(x0)))
    gram = np.zeros((_BLOCK, _BLOCK))
    row = np.zeros(_BLOCK)
    for i in range(first, x.shape[0]):
        reflector_row(x, heads, i, first, row)
        for p in range(0, _BLOCK, _TILE):  # four rows at once: each element of row is read once
            a0, a1, a2, a3 = row[p], row[p + 1], row[p + 2], row[p + 3]
            g0, g1, g2, g3 = gram[p], gram[p + 1], gram[p + 2], gram[p + 3]
            for q in range(_BLOCK):
                b = row[q]
                g0[q] += a0 * b
                g1[q] += a1 * b
                g2[q] += a2 * b
                g3[q] += a3 * b
    for j in range(count):
        transform[j, j] = -beta[j]
        for p in range(j):
            total = 0.0
            for q in range(p, j):
                total += transform[p, q] * gram[q, j]
            transform[p, j] = -beta[j] * total


@_inlined
def reflector_row(x, heads, i, first, row):
    """Row i of the vectors of the block that begins at column ``first``."""
    count = min(_BLOCK, x.shape[1] - first)
    for j in range(_BLOCK):
        row[j] = 0.0
    if i >= x.shape[0]:
        return
    for j in range(min(count, i - first)):
        row[j] = x[i, first + j]
    if i - first < count:
        row[i - first] = heads[i]


@_compiled
def multiply(x, heads, transforms, left, q):
    """Columns [left, ...) of the product of all reflections, 64 in each of ``q``'s slabs."""
    slabs, rows = q.shape[0], q.shape[1]
    right = min(left + slabs * _SLAB, x.shape[1])
    for column in range(left, right):
        q[(column - left) // _SLAB, column, (column - left) % _SLAB] = 1.0
    panel = np.empty(rows * _BLOCK, q.dtype)
    turned = np.empty(rows * _BLOCK, q.dtype)
    minus_t = np.empty(_BLOCK * _BLOCK, q.dtype)
    inner = np.empty(_BLOCK * _SLAB, q.dtype)
    outer = np.empty(_BLOCK * _SLAB, q.dtype)
    for block in range((right - 1) // _BLOCK, -1, -1):
        first = block * _BLOCK
        pack(x, heads, first, panel, turned)
        minus_t[:] = transforms[block].reshape(-1)
        for slab in range(slabs):
            here = q[slab].reshape(-1)
            inner[:] = 0.0
            for i in range(first, rows, _BLOCK):
                part = here[i * _SLAB : (i + _BLOCK) * _SLAB]
                for p in range(0, _BLOCK, _TILE):
                    add_product(
                        inner[p * _SLAB : (p + _TILE) * _SLAB],
                        turned[(i + p) * _BLOCK : (i + p + _TILE) * _BLOCK],
                        part,
                    )
            outer[:] = 0.0
            for p in range(0, _BLOCK, _TILE):
                add_product(
                    outer[p * _SLAB : (p + _TILE) * _SLAB],
                    minus_t[p * _BLOCK : (p + _TILE) * _BLOCK],
                    inner,
                )
            for i in range(first, rows, _TILE):
                add_product(
                    here[i * _SLAB : (i + _TILE) * _SLAB],
                    panel[i * _BLOCK : (i + _TILE) * _BLOCK],
                    outer,
                )


@_compiled
def pack(x, heads, first, panel, turned):
    """A block of reflection vectors row by row, and in transposed squares."""
    for i in range(first, panel.size // _BLOCK):
        row = panel[i * _BLOCK : (i + 1) * _BLOCK]
        reflector_row(x, heads, i, first, row)
        square = turned[i // _BLOCK * _BLOCK * _BLOCK : (i // _BLOCK + 1) * _BLOCK * _BLOCK]
        for p in range(_BLOCK):
            square[p * _BLOCK + i % _BLOCK] = row[p]


@_compiled
def add_product(c, a, b):
    """C += A B for C (4, 64), A (4, 32), B (32, 64), each flat in row-major order."""
    for q in range(0, _BLOCK, 2):
        a00, a01 = a[q], a[q + 1]
        a10, a11 = a[_BLOCK + q], a[_BLOCK + q + 1]
        a20, a21 = a[2 * _BLOCK + q], a[2 * _BLOCK + q + 1]
        a30, a31 = a[3 * _BLOCK + q], a[3 * _BLOCK + q + 1]
        rows = b[q * _SLAB : (q + 2) * _SLAB]
        for j in range(_SLAB):
            b0, b1 = rows[j], rows[_SLAB + j]
            c[j] = (c[j] + a00 * b0) + a01 * b1
            c[_SLAB + j] = (c[_SLAB + j] + a10 * b0) + a11 * b1
            c[2 * _SLAB + j] = (c[2 * _SLAB + j] + a20 * b0) + a21 * b1
            c[3 * _SLAB + j] = (c[3 * _SLAB + j] + a30 * b0) + a31 * b1


@_compiled
def deliver(columns, scales, out):
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = scales[j] * columns[i, j]
