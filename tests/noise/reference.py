"""A slow reference of the noise: Python integers for the words, NumPy float32 for the rest.

Written from the documented steps and without fanin, so that every bit of the kernels has a
second source. The constants are repeated here on purpose: whoever changes a bit of the
noise has to say so twice.
"""

from __future__ import annotations

import hashlib
import math

import mpmath
import numpy as np

F = np.float32
MASK = 0xFFFFFFFF
INT32_MAX = np.int32(0x7FFFFFFF)
# s < 2^-8, where the centre's formula ends and the tail's begins: |z| > 3.0970.
TAIL_BEGINS = F(2.0**-8)
TAIL_WORDS = 4198408

CENTRE_NUMERATOR = [
    F(c) for c in (4.591390132904053, 241.88412475585938, 1650.1475830078125, 1680.321044921875,
                   36.6251220703125)
]  # fmt: skip
CENTRE_DENOMINATOR = [
    F(c) for c in (1.0, 71.41616821289062, 700.4632568359375, 1438.80712890625, 671.5239868164062)
]
LOG2 = [
    F(c) for c in (1.442694902420044, -0.7213528156280518, 0.48092323541641235,
                   -0.3602396249771118, 0.2870987057685852, -0.2488768845796585,
                   0.23404231667518616, -0.1458115577697754)
]  # fmt: skip
TAIL_NUMERATOR = [
    F(c) for c in (-0.5926774144172668, 1.9000579118728638, -1.3660153150558472,
                   0.3730853199958801, 0.14887550473213196)
]  # fmt: skip
TAIL_DENOMINATOR = [F(c) for c in (1.0, -0.922609806060791, 0.3208814859390259, 0.1264037936925888)]


def philox_block(counter: tuple[int, ...], key: tuple[int, ...]) -> tuple[int, ...]:
    """Philox4x32-10 as Salmon et al. (SC 2011) print it, on Python integers."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c0, 1 << 32)
        high1, low1 = divmod(0xCD9E8D57 * c2, 1 << 32)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return c0, c1, c2, c3


def philox_blocks(
    counter: tuple[np.ndarray, ...], key: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """``philox_block`` for arrays of counter words."""
    mask, shift = np.uint64(MASK), np.uint64(32)
    c0, c1, c2, c3 = (np.asarray(c, np.uint64) for c in counter)
    k0, k1 = key
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (
            (p1 >> shift) ^ c1 ^ np.uint64(k0),
            p1 & mask,
            (p0 >> shift) ^ c3 ^ np.uint64(k1),
            p0 & mask,
        )
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return c0, c1, c2, c3


def stream_words(seed: int, name: str, draw: int = 0) -> tuple[int, int, int, int]:
    """Key 0, key 1, counter word 2, counter word 3 of a stream; the draw is BLAKE2b's salt."""
    text = name.encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(
        len(text).to_bytes(8, "little") + text + seed.to_bytes(16, "little", signed=True),
        digest_size=16,
        person=b"fanin noise 1",
        salt=draw.to_bytes(16, "little"),
    ).digest()
    k0, k1, c2, c3 = (int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))
    return k0, k1, c2, c3


def words(seed: int, name: str, start: int, count: int, draw: int = 0) -> np.ndarray:
    """Words [start, start + count): element 64 lane + c of group g is word ``lane`` of the
    block with counter 64 g + c.
    """
    k0, k1, c2, c3 = stream_words(seed, name, draw)
    element = np.uint64(start) + np.arange(count, dtype=np.uint64)
    group, within = element // np.uint64(256), element % np.uint64(256)
    lane, column = within // np.uint64(64), within % np.uint64(64)
    block = group * np.uint64(64) + column
    counter = (
        block & np.uint64(MASK),
        block >> np.uint64(32),
        np.full(count, c2, np.uint64),
        np.full(count, c3, np.uint64),
    )
    lanes = np.stack(philox_blocks(counter, (k0, k1)))
    return lanes[lane.astype(np.intp), np.arange(count)].astype(np.uint32)


def uniform(
    seed: int, name: str, start: int, count: int, low: float = 0.0, high: float = 1.0
) -> np.ndarray:
    top_bits = (place(words(seed, name, start, count)) >> np.uint32(8)).astype(F)
    below_high = max(F(low), np.nextafter(F(high), F(-np.inf)))
    return np.minimum(F(low) + F(high - low) * (top_bits * F(2.0**-24)), below_high)


def normal(
    seed: int,
    name: str,
    start: int,
    count: int,
    mean: float = 0.0,
    std: float = 1.0,
    draw: int = 0,
) -> np.ndarray:
    return F(mean) + F(std) * normal_of_words(words(seed, name, start, count, draw))


def truncated_normal(
    seed: int,
    name: str,
    start: int,
    count: int,
    low: float = -2.0,
    high: float = 2.0,
    loc: float = 0.0,
    scale: float = 1.0,
) -> np.ndarray:
    drawn = words(seed, name, start, count)
    first, points = lattice(low, high)
    # Below 2^24 points the lattice would be coarser than float32.
    z = on_lattice(drawn, first, points) if points >= 1 << 24 else in_slice(drawn, low, high)
    return F(loc) + F(scale) * np.minimum(np.maximum(z, F(low)), F(high))


def place(drawn: np.ndarray) -> np.ndarray:
    """How many words lie below each, as two's complement numbers."""
    return drawn ^ np.uint32(0x80000000)


def normal_of_words(drawn: np.ndarray) -> np.ndarray:
    """z of each word: a two's complement number, that is a sign and 31 bits of magnitude."""
    word = np.asarray(drawn, np.uint32).view(np.int32)
    a = np.where(word < 0, ~word, word)
    b = INT32_MAX - a
    t = (b.astype(F) + F(0.5)) * F(2.0**-31)
    x = (word.astype(F) + F(0.5)) * F(2.0**-31)
    return quantile(x, t * (F(2.0) - t), b < TAIL_WORDS)


def on_lattice(drawn: np.ndarray, first: int, points: int) -> np.ndarray:
    """z of words spread over ``points`` words from ``first``, a signed number, on."""
    spread = (place(drawn).astype(np.uint64) * np.uint64(points)) >> np.uint64(32)
    signed = np.int64(first) + spread.astype(np.int64)
    return normal_of_words(signed.astype(np.int32).view(np.uint32))


def in_slice(drawn: np.ndarray, low: float, high: float) -> np.ndarray:
    """z of words that pick a point between the bounds in float64."""
    below, above, inside = (float(2 * p) for p in probabilities(low, high))
    u = (place(drawn).astype(np.float64) + 0.5) * 2.0**-32
    from_left = below + inside * u
    from_right = above + inside * (1.0 - u)
    t = np.minimum(from_left, from_right)
    s = (t * (2.0 - t)).astype(F)
    magnitude = quantile((1.0 - t).astype(F), s, s < TAIL_BEGINS)
    return np.where(from_left < from_right, -magnitude, magnitude)


def lattice(low: float, high: float) -> tuple[int, int]:
    """First word, as a signed number, and number of words between two bounds."""
    below, above, _ = probabilities(low, high)
    with mpmath.workdps(60):
        first = int(mpmath.nint(below * 2**32))
        end = int(mpmath.nint((1 - above) * 2**32))
    return first - 2**31, end - first


def probabilities(low: float, high: float) -> tuple[mpmath.mpf, mpmath.mpf, mpmath.mpf]:
    """P(Z < low), P(Z > high) and P(low < Z < high)."""
    with mpmath.workdps(120):
        below, above = mpmath.ncdf(low), mpmath.ncdf(-high)
        if math.isinf(low):
            inside = 1 - above
        elif low > 0:
            inside = mpmath.ncdf(-low) - above
        else:
            inside = mpmath.ncdf(high) - below
        return below, above, inside


def quantile(x: np.ndarray, s: np.ndarray, in_tail: np.ndarray) -> np.ndarray:
    """z = sqrt(2) erfinv(x) for x in (-1, 1) and s = 1 - x^2, in float32."""
    z = centre(x, s)
    z[in_tail] = np.copysign(tail(s[in_tail]), x[in_tail])
    return z


def centre(x: np.ndarray, s: np.ndarray) -> np.ndarray:
    r = np.sqrt(s)
    return x * quartic(CENTRE_NUMERATOR, r) / quartic(CENTRE_DENOMINATOR, r)


def quartic(c: list[np.float32], r: np.ndarray) -> np.ndarray:
    r2 = r * r
    return (c[0] + c[1] * r) + ((c[2] + c[3] * r) + c[4] * r2) * r2


def tail(s: np.ndarray) -> np.ndarray:
    v = np.sqrt(-log2(s))
    return horner(TAIL_NUMERATOR, v) / horner(TAIL_DENOMINATOR, v)


def horner(c: list[np.float32], v: np.ndarray) -> np.ndarray:
    value = np.full_like(v, c[-1])
    for coefficient in reversed(c[:-1]):
        value = coefficient + v * value
    return value


def log2(s: np.ndarray) -> np.ndarray:
    """s = m 2^e with m in [sqrt(1/2), sqrt(2)); log2 s = e + f L(f) with f = m - 1."""
    mantissa, exponent = np.frexp(s)
    low = mantissa < np.array([0x3F3504F3], np.uint32).view(F)[0]
    m = np.where(low, mantissa * F(2), mantissa)
    e = (exponent - low).astype(F)
    f = m - F(1)
    f2 = f * f
    c = LOG2
    polynomial = ((c[0] + c[1] * f) + (c[2] + c[3] * f) * f2) + (
        (c[4] + c[5] * f) + (c[6] + c[7] * f) * f2
    ) * (f2 * f2)
    return e + polynomial * f


def bfloat16(values: np.ndarray) -> np.ndarray:
    """The bits of the nearest bfloat16 of each float32; of two as near, the even one.

    The candidates are the two whose upper halves frame the number, weighed in float64.
    """
    below = (values.view(np.uint32) >> np.uint32(16)).astype(np.uint16)
    above = below + np.uint16(1)
    to_below, to_above = (
        np.abs(widened(half) - values.astype(np.float64)) for half in (below, above)
    )
    up = (to_above < to_below) | ((to_above == to_below) & (below % 2 == 1))
    return np.where(up, above, below).astype(np.uint16)


def widened(halves: np.ndarray) -> np.ndarray:
    """The numbers that bits of bfloat16 stand for; infinity counts as the next power of two."""
    sign = np.where(halves >> 15, -1.0, 1.0)
    exponent = (halves >> 7 & 0xFF).astype(np.int64)
    fraction = (halves & 0x7F).astype(np.float64) / 128
    normal_numbers = np.ldexp(1.0 + fraction, exponent - 127)
    return sign * np.where(exponent == 0, np.ldexp(fraction, -126), normal_numbers)


def subsets(
    seed: int, name: str, draw: int, first: int, count: int, size: int, chosen: int
) -> list[list[int]]:
    """Floyd's algorithm, as Bentley prints it, on numbers of 64 bits of the stream."""
    halves = words(seed, name, 2 * first * chosen, 2 * count * chosen, draw).tolist()
    found = []
    for row in range(count):
        taken: list[int] = []
        for step in range(chosen):
            last = size - chosen + step
            at = 2 * (row * chosen + step)
            pick = ((halves[at] + (halves[at + 1] << 32)) * (last + 1)) >> 64
            taken.append(last if pick in taken else pick)
        found.append(taken)
    return found


def reflectors(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors v of the reflections I - beta v v^T that fold column after column of a tall
    matrix, as float64, and the betas. Sums run from the first row to the last.
    """
    rows, columns = x.shape
    v, betas = np.tril(x.astype(np.float64)), np.zeros(columns)
    for j in range(columns):
        square = 0.0
        for i in range(j, rows):
            square += v[i, j] * v[i, j]
        norm = math.sqrt(square)
        betas[j] = 1.0 / (norm * (norm + abs(v[j, j])))
        v[j, j] += norm if v[j, j] >= 0 else -norm
    return v, betas


def orthogonal(seed: int, name: str, draw: int, shape: tuple[int, int], scale: float) -> np.ndarray:
    """Haar's matrix by one reflection after the other, in float64."""
    rows, columns = max(shape), min(shape)
    v, betas = reflectors(normal(seed, name, 0, rows * columns, draw=draw).reshape(rows, columns))
    q = np.eye(rows, columns)
    for j in reversed(range(columns)):
        q -= betas[j] * np.outer(v[:, j], v[:, j] @ q)
    q *= np.where(np.diagonal(v) < 0, scale, -scale)
    return q if shape[0] >= shape[1] else q.T


def blocked_orthogonal(
    seed: int, name: str, draw: int, shape: tuple[int, int], scale: float, dtype: type
) -> np.ndarray:
    """The same in the order that decides bits: blocks of 32 reflections, I - U T U^T, whose
    U and T are made in float64 and applied in ``dtype``, one product added after the other.
    """
    rows, columns = max(shape), min(shape)
    v, betas = reflectors(normal(seed, name, 0, rows * columns, draw=draw).reshape(rows, columns))
    q = np.eye(rows, columns, dtype=dtype)
    for first in reversed(range(0, columns, 32)):
        u = v[first:, first : first + 32]
        minus_t = -triangle(u, betas[first : first + 32])
        q[first:] = reflected(q[first:], u.astype(dtype), minus_t.astype(dtype))
    signs = np.where(np.diagonal(v) < 0, scale, -scale)
    scaled = (signs * q.astype(np.float64)).astype(dtype)
    return scaled if shape[0] >= shape[1] else scaled.T


def triangle(u: np.ndarray, betas: np.ndarray) -> np.ndarray:
    """T of the product of the reflections as I - U T U^T (Schreiber, Van Loan)."""
    size = len(betas)
    gram = np.zeros((size, size))
    for row in u:
        gram += np.outer(row, row)
    t = np.zeros((size, size))
    for j in range(size):
        t[j, j] = betas[j]
        for p in range(j):
            total = 0.0
            for q in range(p, j):
                total += t[p, q] * gram[q, j]
            t[p, j] = -betas[j] * total
    return t


def reflected(q: np.ndarray, u: np.ndarray, minus_t: np.ndarray) -> np.ndarray:
    """Q - U T U^T Q: every sum begins with what it is added to and takes its terms in turn."""
    inner = np.zeros((u.shape[1], q.shape[1]), q.dtype)
    for row, of_q in zip(u, q, strict=True):
        inner += row[:, None] * of_q
    outer = np.zeros_like(inner)
    for column, of_inner in zip(minus_t.T, inner, strict=True):
        outer += column[:, None] * of_inner
    result = q.copy()
    for column, of_outer in zip(u.T, outer, strict=True):
        result += column[:, None] * of_outer
    return result
