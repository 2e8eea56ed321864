"""The compiled loops: Philox4x32-10 words, and what turns a word into a number.

Everything here is bits before it is speed. Only + - * / sqrt on float32 (each correctly
rounded by IEEE 754, on every machine) and integer operations are used; no fused
multiply-add, no fastmath, no libm. So the same words give the same numbers on every
processor, and a NumPy program of the same steps gives them too.

All kernels live in one file, as numba's cache notices a change only in the file of the
function that it compiles.

Order of a stream: it is cut into groups of 256 elements. Element 64 * lane + c of group g
is word ``lane`` of the Philox block with counter 64 * g + c. This keeps the four words
of a block in four contiguous runs, which a compiler turns into vector stores.

A word is read as a two's complement number k, and every distribution rises with k: uniform,
normal and truncated normal of one stream are quantiles of the same points.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types
from numba.extending import overload

GROUP = 256
_COUNTERS = 64
_BLOCK = 64

# Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, table 2.
_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
_WEYL0 = np.uint64(0x9E3779B9)
_WEYL1 = np.uint64(0xBB67AE85)
_LOW32 = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_ROUNDS = 10

_HALF = np.float32(0.5)
_ONE = np.float32(1.0)
_TWO = np.float32(2.0)
_TWO_32 = np.float32(2.0**32)
_INT32_MAX = np.int32(0x7FFFFFFF)
_SIGN = np.int32(-0x80000000)
_TOP_BIT = np.uint32(0x80000000)
_TO_UNIT = np.float32(2.0**-31)
_TO_STEPS = np.float32(2.0**31)
_31 = np.int32(31)
_UNIFORM_STEP = np.float32(2.0**-24)

# Fitted by scripts/fit_quantile.py, which prints these numbers and the errors of the fit.
# Centre, s >= 2^-8: R(s) = N(sqrt s) / D(sqrt s), relative error 1.9e-7. Scaled by powers of
# two, exactly: x comes as a number of steps of 2^-31 and sqrt s in steps of 2^-31 as well.
_CENTRE_ENDS = np.float32(2.0**-8)
# s < 2^-8 is b < 4198408 exactly, with b the distance of a word to the end of its side.
_TAIL_WORDS = np.int32(4198408)
_N0 = np.float32(4.591390132904053 * 2.0**31)
_N1 = np.float32(241.88412475585938)
_N2 = np.float32(1650.1475830078125 * 2.0**-31)
_N3 = np.float32(1680.321044921875 * 2.0**-62)
_N4 = np.float32(36.6251220703125 * 2.0**-93)
_D0 = np.float32(2.0**62)
_D1 = np.float32(71.41616821289062 * 2.0**31)
_D2 = np.float32(700.4632568359375)
_D3 = np.float32(1438.80712890625 * 2.0**-31)
_D4 = np.float32(671.5239868164062 * 2.0**-62)
# log2(1 + f) = f * L(f) for 1 + f in [sqrt 1/2, sqrt 2), relative error 1.7e-7.
_L0 = np.float32(1.442694902420044)
_L1 = np.float32(-0.7213528156280518)
_L2 = np.float32(0.48092323541641235)
_L3 = np.float32(-0.3602396249771118)
_L4 = np.float32(0.2870987057685852)
_L5 = np.float32(-0.2488768845796585)
_L6 = np.float32(0.23404231667518616)
_L7 = np.float32(-0.1458115577697754)
# Tail, 2^-127 <= s < 2^-8: |z| = P(v) / Q(v), v = sqrt(-log2 s), relative error 5.1e-8.
_P0 = np.float32(-0.5926774144172668)
_P1 = np.float32(1.9000579118728638)
_P2 = np.float32(-1.3660153150558472)
_P3 = np.float32(0.3730853199958801)
_P4 = np.float32(0.14887550473213196)
_Q1 = np.float32(-0.922609806060791)
_Q2 = np.float32(0.3208814859390259)
_Q3 = np.float32(0.1264037936925888)
_SQRT_HALF_BITS = np.int32(0x3F3504F3)
_23 = np.int32(23)
_ONE_FOUND = np.int32(1 << 16)
_16 = np.uint32(16)
_LOWEST_BIT = np.uint32(1)
_BELOW_HALF = np.uint32(0x7FFF)

# error_model: with python's, a division tests for zero, raises and no longer vectorises.
_compiled = njit(error_model="numpy", nogil=True, cache=True)
# A call that is left in a loop keeps the loop from being vectorised.
_inlined = njit(error_model="numpy", nogil=True, cache=True, forceinline=True)


@_inlined
def philox_round(c0, c1, c2, c3, k0, k1):
    """One round. Words travel in the low half of 64 bits; what the high half holds is ignored."""
    p0 = _M0 * (c0 & _LOW32)
    p1 = _M1 * (c2 & _LOW32)
    return (p1 >> _32) ^ (c1 ^ k0), p1, (p0 >> _32) ^ (c3 ^ k1), p0


@_inlined
def philox(c0, c1, c2, c3, k0, k1):
    """The Philox4x32-10 block of a counter (four words) under a key (two words)."""
    for _ in range(_ROUNDS):
        c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
        k0 += _WEYL0
        k1 += _WEYL1
    return np.uint32(c0), np.uint32(c1), np.uint32(c2), np.uint32(c3)


@_compiled
def group_words(words, group, stream):
    """The 256 words of one group. ``stream`` holds key 0, key 1, counter word 2, counter word 3."""
    first = np.uint64(group) * np.uint64(_COUNTERS)
    high = first >> _32
    k0, k1, c2, c3 = stream[0], stream[1], stream[2], stream[3]
    for c in range(_COUNTERS):
        w0, w1, w2, w3 = philox(first + np.uint64(c), high, c2, c3, k0, k1)
        words[c] = w0
        words[_COUNTERS + c] = w1
        words[2 * _COUNTERS + c] = w2
        words[3 * _COUNTERS + c] = w3


@_inlined
def centre(steps, r):
    """x * R(s) for s in [2^-8, 1], from steps = 2^31 x and r = 2^31 sqrt(s)."""
    r2 = r * r
    numerator = (_N0 + _N1 * r) + ((_N2 + _N3 * r) + _N4 * r2) * r2
    denominator = (_D0 + _D1 * r) + ((_D2 + _D3 * r) + _D4 * r2) * r2
    return np.float32(steps * numerator / denominator)


@_inlined
def tail(s):
    """The |z| that belongs to an s below 2^-8."""
    bits = np.float32(s).view(np.int32)
    exponent = np.int32(np.int32(bits - _SQRT_HALF_BITS) >> _23)
    f = np.int32(bits - np.int32(exponent << _23)).view(np.float32) - _ONE
    f2 = f * f
    log2 = ((_L0 + _L1 * f) + (_L2 + _L3 * f) * f2) + ((_L4 + _L5 * f) + (_L6 + _L7 * f) * f2) * (
        f2 * f2
    )
    v = np.sqrt(-(np.float32(exponent) + log2 * f))
    numerator = _P0 + v * (_P1 + v * (_P2 + v * (_P3 + v * _P4)))
    denominator = _ONE + v * (_Q1 + v * (_Q2 + v * _Q3))
    return np.float32(numerator / denominator)


@_inlined
def signed(magnitude, sign):
    return np.int32(np.int32(np.float32(magnitude).view(np.int32)) ^ np.int32(sign & _SIGN)).view(
        np.float32
    )


@_inlined
def tail_distance(word):
    """How far a word lies from the end of its side: 1 - |x| = (b + 1/2) / 2^31.

    A word is the two's complement number k with x = (k + 1/2) / 2^31. The distance comes from
    an integer too, so the tail loses no bits.
    """
    k = np.int32(word)
    return np.int32(k ^ np.int32(k >> _31) ^ _INT32_MAX)


@_inlined
def roots(words, r):
    """2^31 sqrt(1 - x^2) for each of 64 words, and which lie in the tail.

    Returns their number in the bits from 16 on, the sum of their places in the bits below.
    """
    found = np.int32(0)
    for i in range(_BLOCK):
        b = tail_distance(words[i])
        t = np.float32(b) + _HALF
        r[i] = np.sqrt(t * (_TWO_32 - t))
        here = np.int32(_ONE_FOUND + np.int32(i)) if b < _TAIL_WORDS else np.int32(0)
        found = np.int32(found + here)  # numba would widen it, and the vectors with it
    return found


@_inlined
def centres(words, r, out, mean, std):
    for i in range(GROUP):
        out[i] = mean + std * centre(np.float32(np.int32(words[i])) + _HALF, r[i])


@_compiled
def tail_of(word, mean, std):
    t = (np.float32(tail_distance(word)) + _HALF) * _TO_UNIT
    return mean + std * signed(tail(t * (_TWO - t)), np.int32(word) >> _31)


@_compiled
def tails(words, out, found, mean, std):
    """Replace what ``centres`` made of the words of the tail; nearly always there is one."""
    if found < 2 * _ONE_FOUND:
        place = np.uint64(found - _ONE_FOUND)
        out[place] = tail_of(words[place], mean, std)
        return
    for i in range(_BLOCK):
        if tail_distance(words[i]) < _TAIL_WORDS:
            out[i] = tail_of(words[i], mean, std)


@_compiled
def normals(words, r, out, mean, std):
    """mean + std * z for each word of a group; ``r`` is room for as many float32.

    In passes over the group, not word by word: short chains of dependent operations keep
    a processor busy where one long chain makes it wait (measured: 2.5 times faster).
    """
    found0 = roots(words[:64], r[:64])
    found1 = roots(words[64:128], r[64:128])
    found2 = roots(words[128:192], r[128:192])
    found3 = roots(words[192:], r[192:])
    centres(words, r, out, mean, std)
    if found0:
        tails(words[:64], out[:64], found0, mean, std)
    if found1:
        tails(words[64:128], out[64:128], found1, mean, std)
    if found2:
        tails(words[128:192], out[128:192], found2, mean, std)
    if found3:
        tails(words[192:], out[192:], found3, mean, std)


@_compiled
def uniforms(words, out, low, width, top):
    """low + width * u, u a multiple of 2^-24 in [0, 1); at most ``top``, should it round up."""
    for i in range(words.size):
        step = np.int32(np.uint32(words[i] ^ _TOP_BIT) >> np.uint32(8))
        out[i] = min(low + width * (np.float32(step) * _UNIFORM_STEP), top)


@_compiled
def narrow_words(words, first, count):
    """Spread 32-bit words over the ``count`` lattice points that begin at ``first``."""
    for i in range(words.size):
        place = np.uint64(np.uint32(words[i] ^ _TOP_BIT))
        words[i] = np.uint32(first + ((place * count) >> _32))


@_compiled
def clip_and_scale(out, low, high, mean, std):
    for i in range(out.size):
        out[i] = mean + std * min(max(out[i], low), high)


@_compiled
def slice_normals(words, out, left, right, width):
    """z between two bounds of little probability, where the lattice of words is too coarse.

    ``left`` and ``right`` are 1 + x at the lower and 1 - x at the upper bound, ``width`` is
    the distance between the bounds, given apart as it cannot be had from them in a tail. A
    word picks the point in float64; 1 - |x| is the smaller of the two distances.
    """
    for i in range(words.size):
        u = (np.float64(np.uint32(words[i] ^ _TOP_BIT)) + 0.5) * 2.0**-32
        from_left = left + width * u
        from_right = right + width * (1.0 - u)
        t = min(from_left, from_right)
        s = np.float32(t * (2.0 - t))
        sign = np.int32(-1) if from_left < from_right else np.int32(0)
        if s < _CENTRE_ENDS:
            out[i] = signed(tail(s), sign)
        else:
            out[i] = signed(centre(np.float32(1.0 - t) * _TO_STEPS, np.sqrt(s) * _TO_STEPS), sign)


def room_for_group(out, done, spare):
    """Where the next whole group is made: in ``out`` itself, if that is float32."""


def deliver(group, skipped, taken, out, done):
    """Put part of a group into ``out`` from ``done`` on, unless it was made there."""


@overload(room_for_group)
def _room_for_group(out, done, spare):
    if out.dtype == types.float32:
        return lambda out, done, spare: out[done : done + GROUP]
    return lambda out, done, spare: spare


@overload(deliver)
def _deliver(group, skipped, taken, out, done):
    if out.dtype == types.float32:

        def place(group, skipped, taken, out, done):
            if taken < GROUP:
                out[done : done + taken] = group[skipped : skipped + taken]

        return place

    def place_rounded(group, skipped, taken, out, done):
        round_to_bfloat16(group[skipped : skipped + taken], out[done : done + taken])

    return place_rounded


@_compiled
def round_to_bfloat16(values, out):
    """The upper half of each float32, rounded to nearest, ties to even; no NaN comes here."""
    for i in range(values.size):
        bits = np.float32(values[i]).view(np.uint32)
        odd = np.uint32(np.uint32(bits >> _16) & _LOWEST_BIT)
        out[i] = np.uint16(np.uint32(bits + _BELOW_HALF + odd) >> _16)


@_compiled
def fill_words(out, start, stream):
    """Words [start, start + out.size) of the stream."""
    words = np.empty(GROUP, np.uint32)
    done = 0
    while done < out.size:
        group, skipped = divmod(start + done, GROUP)
        taken = min(GROUP - skipped, out.size - done)
        group_words(words, group, stream)
        out[done : done + taken] = words[skipped : skipped + taken]
        done += taken


@_compiled
def fill_normal(out, start, stream, mean, std):
    """Elements [start, start + out.size) of the stream, as mean + std * z.

    ``out`` is float32, or uint16 for the bits of bfloat16: so for all three fills.
    """
    words = np.empty(GROUP, np.uint32)
    roots = np.empty(GROUP, np.float32)
    spare = np.empty(GROUP, np.float32)
    done = 0
    while done < out.size:
        group, skipped = divmod(start + done, GROUP)
        taken = min(GROUP - skipped, out.size - done)
        group_words(words, group, stream)
        piece = room_for_group(out, done, spare) if taken == GROUP else spare
        normals(words, roots, piece, mean, std)
        deliver(piece, skipped, taken, out, done)
        done += taken


@_compiled
def fill_uniform(out, start, stream, low, width, top):
    """Elements [start, start + out.size) of the stream, as low + width * u, at most top."""
    words = np.empty(GROUP, np.uint32)
    spare = np.empty(GROUP, np.float32)
    done = 0
    while done < out.size:
        group, skipped = divmod(start + done, GROUP)
        taken = min(GROUP - skipped, out.size - done)
        group_words(words, group, stream)
        piece = room_for_group(out, done, spare) if taken == GROUP else spare
        uniforms(words, piece, low, width, top)
        deliver(piece, skipped, taken, out, done)
        done += taken


@_compiled
def fill_truncated(out, start, stream, cut):
    """z restricted to an interval; ``cut`` is the tuple that streams of one interval share.

    (first, count, left, right, width, low, high, mean, std): where ``count`` is positive the
    words are spread over that many lattice points, elsewhere the float64 path is taken.
    """
    first, count, left, right, width, low, high, mean, std = cut
    words = np.empty(GROUP, np.uint32)
    roots = np.empty(GROUP, np.float32)
    spare = np.empty(GROUP, np.float32)
    done = 0
    while done < out.size:
        group, skipped = divmod(start + done, GROUP)
        taken = min(GROUP - skipped, out.size - done)
        group_words(words, group, stream)
        piece = room_for_group(out, done, spare) if taken == GROUP else spare
        if count:
            narrow_words(words, first, count)
            normals(words, roots, piece, np.float32(0.0), _ONE)
        else:
            slice_normals(words, piece, left, right, width)
        clip_and_scale(piece, low, high, mean, std)
        deliver(piece, skipped, taken, out, done)
        done += taken
