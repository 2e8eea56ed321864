"""Every bit of the noise: against the slow reference, any window, any threads, any processor."""

from __future__ import annotations

import math
import textwrap
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings

from fanin.errors import InputError
from fanin.noise import (
    Constant,
    Normal,
    Stream,
    TruncatedNormal,
    Uniform,
    kernels,
    normal,
    truncated_normal,
    uniform,
)
from tests.claims import assert_close, assert_same_bits
from tests.noise import reference
from tests.noise.groups import normals_of
from tests.noise.processors import IS_X86, run_for_target
from tests.noise.strategies import CUTS, LENGTHS, NAMES, SEEDS, STARTS

INF = math.inf
ON_LATTICE = [(-2.0, 2.0), (-3.0, 0.5), (-INF, INF), (-1.0, INF), (0.0, 2.25), (1.9, 2.5)]
IN_SLICE = [(5.0, 6.0), (-0.001, 0.001), (-INF, -4.0), (3.0, 3.0001), (-12.5, -12.0), (0.5, 0.501)]
WINDOWS = [
    (0, "fc.weight", 0, 5000),
    (0, "", 255, 2),
    (-1, "fc.weight", 1000, 1),
    (2**100, "blocks.0.mlp.weight", 77, 3000),
    (7, "ä\ud800", 2**32 - 300, 700),
    (7, "x", 2**34 - 300, 700),
    (7, "x", 2**40 + 123, 700),
    (7, "x", 2**62 - 700, 700),
    (7, "x", 2**40, 0),
]


class TestAgainstTheReference:
    @pytest.mark.parametrize("window", WINDOWS, ids=str)
    def test_uniform(self, window):
        assert_same_bits(uniform(*window), reference.uniform(*window))

    @pytest.mark.parametrize("window", WINDOWS, ids=str)
    def test_normal(self, window):
        assert_same_bits(normal(*window), reference.normal(*window))

    @pytest.mark.parametrize("bounds", [*ON_LATTICE, *IN_SLICE], ids=str)
    @pytest.mark.parametrize("window", [WINDOWS[0], WINDOWS[5]], ids=str)
    def test_truncated_normal(self, window, bounds):
        assert_same_bits(
            truncated_normal(*window, *bounds), reference.truncated_normal(*window, *bounds)
        )

    @pytest.mark.parametrize("bounds", ON_LATTICE, ids=str)
    def test_bounds_of_much_probability_lie_on_the_lattice(self, bounds):
        assert reference.lattice(*bounds)[1] >= 2**24

    @pytest.mark.parametrize("bounds", IN_SLICE, ids=str)
    def test_bounds_of_little_probability_are_a_slice(self, bounds):
        assert reference.lattice(*bounds)[1] < 2**24

    @pytest.mark.parametrize("sign", [-1.0, 1.0])
    def test_windows_that_begin_and_end_in_a_tail(self, sign):
        z = reference.normal(1, "tails", 0, 200_000)
        far = np.flatnonzero(z * sign > 3.1)
        assert far.size > 100
        for first, last in pairwise(far[:41]):
            window = (1, "tails", int(first), int(last - first) + 1)
            assert_same_bits(normal(*window), z[first : last + 1], f"window {window}")
            alone = (1, "tails", int(first), 1)
            assert_same_bits(normal(*alone), z[first : first + 1], f"window {alone}")

    def test_a_million_normals(self):
        window = (5, "many", 3, 1_000_000)
        assert_same_bits(normal(*window), reference.normal(*window))

    def test_shift_and_scale(self):
        stream, out = Stream(3, "scaled"), np.empty(3000, np.float32)
        window = (3, "scaled", 11, 3000)
        Normal(0.1, 0.02).fill(out, stream, 11)
        assert_same_bits(out, reference.normal(*window, 0.1, 0.02))
        Uniform(-0.3, 0.7).fill(out, stream, 11)
        assert_same_bits(out, reference.uniform(*window, -0.3, 0.7))
        TruncatedNormal(0.1, 0.02, -1.0, 2.5).fill(out, stream, 11)
        assert_same_bits(out, reference.truncated_normal(*window, -1.0, 2.5, 0.1, 0.02))
        TruncatedNormal(0.1, 0.02, 4.0, 5.0).fill(out, stream, 11)
        assert_same_bits(out, reference.truncated_normal(*window, 4.0, 5.0, 0.1, 0.02))
        Constant(0.1).fill(out, stream, 11)
        assert_same_bits(out, np.full(3000, 0.1, np.float32))


LAWS = {
    "uniform": (Uniform(-0.3, 0.7), lambda w: reference.uniform(*w, -0.3, 0.7)),
    "normal": (Normal(0.1, 0.02), lambda w: reference.normal(*w, 0.1, 0.02)),
    "lattice": (
        TruncatedNormal(0.1, 0.02, -1.0, 2.5),
        lambda w: reference.truncated_normal(*w, -1.0, 2.5, 0.1, 0.02),
    ),
    "slice": (
        TruncatedNormal(0.0, 2.0, 4.0, 5.0),
        lambda w: reference.truncated_normal(*w, 4.0, 5.0, 0.0, 2.0),
    ),
    "constant": (Constant(0.1), lambda w: np.full(w[3], 0.1, np.float32)),
}


def bits_of_bfloat16(law, window: tuple[int, str, int, int]) -> np.ndarray:
    seed, name, start, count = window
    out = np.zeros(count, np.uint16)
    law.fill(out, Stream(seed, name), start)
    return out


class TestBfloat16:
    """Written by the kernels themselves: float32's number, rounded to the nearest, ties to even."""

    # A constant asks for room for one number.
    @pytest.mark.parametrize("window", [w for w in WINDOWS if w[3]], ids=str)
    @pytest.mark.parametrize("law", LAWS)
    def test_every_law_is_the_reference_rounded(self, law, window):
        distribution, plain = LAWS[law]
        expected = reference.bfloat16(plain(window))
        assert np.array_equal(bits_of_bfloat16(distribution, window), expected)

    @pytest.mark.parametrize("law", [name for name in LAWS if name != "constant"])
    @settings(max_examples=40, deadline=None)
    @given(seed=SEEDS, name=NAMES, start=STARTS, length=LENGTHS, cuts=CUTS)
    def test_any_cut_gives_the_same_bits(self, law, seed, name, start, length, cuts):
        distribution, _ = LAWS[law]
        ends = [0, *sorted(round(cut * length) for cut in cuts), length]
        pieces = [
            bits_of_bfloat16(distribution, (seed, name, start + low, high - low))
            for low, high in pairwise(ends)
        ]
        whole = bits_of_bfloat16(distribution, (seed, name, start, length))
        assert np.array_equal(np.concatenate(pieces), whole)

    @pytest.mark.parametrize("law", ["uniform", "normal", "lattice"])
    def test_any_number_of_threads_gives_the_same_bits(self, law, monkeypatch):
        window = (2, "threads", 2**32 - 1000, LONG)
        drawn = []
        for threads in (1, 2, 7):
            monkeypatch.setenv("FANIN_NUM_THREADS", str(threads))
            drawn.append(bits_of_bfloat16(LAWS[law][0], window))
        assert all(np.array_equal(other, drawn[0]) for other in drawn)

    def test_rounding_of_numbers_of_every_kind(self):
        """Ties, neighbours of ties, zeros, subnormal numbers, and what rounds up to infinity."""
        upper = np.array([0, 1, 0x7F, 0x80, 0x3F80, 0x3F81, 0x3FFF, 0x7F7E, 0x7F7F], np.uint32)
        lower = np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)
        bits = (upper[:, None] << 16 | lower).ravel()
        values = np.concatenate([bits, bits | np.uint32(1 << 31)]).view(np.float32)
        rounded = np.empty(values.size, np.uint16)
        kernels.round_to_bfloat16(values, rounded)
        assert np.array_equal(rounded, reference.bfloat16(values))


class TestWords:
    @pytest.mark.parametrize("draw", [0, 1, 2**64 + 3])
    @pytest.mark.parametrize("window", WINDOWS, ids=str)
    def test_words_are_those_of_the_reference(self, window, draw):
        seed, name, start, count = window
        out = np.empty(count, np.uint32)
        kernels.fill_words(out, start, Stream(seed, name, draw).words)
        assert np.array_equal(out, reference.words(*window, draw))

    @settings(max_examples=40, deadline=None)
    @given(seed=SEEDS, name=NAMES, start=STARTS, length=LENGTHS)
    def test_any_window_of_words(self, seed, name, start, length):
        out = np.empty(length, np.uint32)
        kernels.fill_words(out, start, Stream(seed, name).words)
        assert np.array_equal(out, reference.words(seed, name, start, length))

    @pytest.mark.parametrize("draw", [1, 7, 2**64])
    def test_laws_of_another_draw(self, draw):
        out = np.empty(3000, np.float32)
        Normal(0.1, 0.02).fill(out, Stream(3, "drawn", draw), 11)
        assert_same_bits(out, reference.normal(3, "drawn", 11, 3000, 0.1, 0.02, draw))


class TestCraftedWords:
    EXTREME = np.array([0, 1, 2**31 - 1, 2**31, 2**32 - 1], np.uint32)

    def test_extreme_words(self):
        z = normals_of(self.EXTREME)
        assert_same_bits(z, reference.normal_of_words(self.EXTREME))
        assert np.sign(z).tolist() == [1, 1, 1, -1, -1]
        assert z[2] == -z[3] == np.float32(6.337959)
        assert z[0] == -z[4]
        assert_close(float(z[0]), math.sqrt(math.pi / 2) * 2.0**-32, 7e-7, "the least z")

    @pytest.mark.parametrize("word", EXTREME.tolist())
    def test_a_window_of_one_extreme_word_alone(self, word):
        words = np.full(300, word, np.uint32)
        assert_same_bits(normals_of(words), reference.normal_of_words(words))

    def test_where_the_tail_begins(self):
        b = reference.TAIL_WORDS + np.arange(-2000, 2000)
        words = np.concatenate([2**31 - 1 - b, 2**31 + b]).astype(np.uint32)
        z = normals_of(words)
        assert_same_bits(z, reference.normal_of_words(words))
        steps = np.abs(np.diff(np.abs(z[:4000])))
        assert steps.max() < 1e-5, f"a jump of {steps.max()} at the tail"

    def test_the_tail_begins_where_s_falls_below_its_limit(self):
        b = np.array([reference.TAIL_WORDS - 1, reference.TAIL_WORDS], np.int32)
        t = (b.astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-31)
        s = t * (np.float32(2) - t)
        assert (s < reference.TAIL_BEGINS).tolist() == [True, False]

    def test_words_of_all_magnitudes(self):
        powers = 2 ** np.arange(32, dtype=np.int64)
        around = np.unique(np.concatenate([powers + d for d in range(-3, 4)]))
        ends = np.concatenate([around, 2**32 - 1 - around, 2**31 - around])
        words = (ends % 2**32).astype(np.uint32)
        assert_same_bits(normals_of(words), reference.normal_of_words(words))

    def test_tails_anywhere_in_a_group(self):
        words = reference.words(0, "centre", 0, 256)
        for at in range(0, 256, 5):
            crafted = words.copy()
            crafted[at] = 2**31 - 1 - 17 * at
            crafted[(at + 1) % 256] = 2**31 + 31 * at
            assert_same_bits(normals_of(crafted), reference.normal_of_words(crafted))


DRAWS = {
    "uniform": uniform,
    "normal": normal,
    "lattice": truncated_normal,
    "slice": lambda *window: truncated_normal(*window, 5.0, 6.0),
}


def assert_rises(z: np.ndarray, what: str) -> None:
    """Never falls by more than the documented error of the quantile."""
    fall = float((-np.diff(z) / np.abs(z[1:])).max())
    assert fall <= 7e-7, f"{what} falls by {fall:.2e} of itself"


class TestOrder:
    def test_normals_rise_with_words_read_as_signed_numbers(self):
        words = reference.words(0, "order", 0, 100_000)
        z = normal(0, "order", 0, 100_000)
        assert_rises(z[np.argsort(words.view(np.int32))], "z")

    def test_all_distributions_of_a_stream_rise_together(self):
        order = np.argsort(uniform(0, "order", 0, 100_000), kind="stable")
        for name, draw in DRAWS.items():
            assert_rises(draw(0, "order", 0, 100_000)[order] + np.float32(10), name)

    @pytest.mark.parametrize("bounds", [(-2.0, 2.0), (-3.0, 0.5), (5.0, 6.0)], ids=str)
    def test_truncated_normals_rise_with_words(self, bounds):
        words = reference.words(0, "order", 0, 100_000)
        z = truncated_normal(0, "order", 0, 100_000, *bounds)
        assert_rises(z[np.argsort(words.view(np.int32))], f"z within {bounds}")


class TestWindows:
    @pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
    @settings(max_examples=40, deadline=None)
    @given(seed=SEEDS, name=NAMES, start=STARTS, length=LENGTHS, cuts=CUTS)
    def test_any_cut_gives_the_same_bits(self, draw, seed, name, start, length, cuts):
        ends = [0, *sorted(round(cut * length) for cut in cuts), length]
        pieces = [draw(seed, name, start + low, high - low) for low, high in pairwise(ends)]
        assert_same_bits(np.concatenate(pieces), draw(seed, name, start, length))

    @settings(max_examples=40, deadline=None)
    @given(seed=SEEDS, name=NAMES, start=STARTS, length=LENGTHS)
    def test_any_window_equals_the_reference(self, seed, name, start, length):
        window = (seed, name, start, length)
        assert_same_bits(normal(*window), reference.normal(*window))
        assert_same_bits(uniform(*window), reference.uniform(*window))

    def test_a_long_cut_needs_no_common_boundary(self):
        whole = normal(9, "cut", 2**40 + 5, 1_000_000)
        parts = [normal(9, "cut", 2**40 + 5 + at, 12_345) for at in range(0, 987_600, 12_345)]
        assert_same_bits(np.concatenate(parts), whole[:987_600])

    @pytest.mark.parametrize(
        ("start", "count", "text"),
        [
            (-1, 3, "start must not be negative, got -1"),
            (0, -3, "count must not be negative, got -3"),
            (0.5, 3, "start must be an integer, got 0.5"),
            (0, "3", "count must be an integer, got '3'"),
            (2**62 - 2, 3, f"start \\+ count is {2**62 + 1}; a stream has 2\\^62 elements"),
        ],
    )
    @pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
    def test_windows_that_do_not_exist(self, draw, start, count, text):
        with pytest.raises(InputError, match=text):
            draw(0, "", start, count)


LONG = 2_000_013


class TestThreads:
    @pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
    def test_any_number_of_threads_gives_the_same_bits(self, draw, monkeypatch):
        drawn = {}
        for threads in (1, 2, 3, 7):
            monkeypatch.setenv("FANIN_NUM_THREADS", str(threads))
            drawn[threads] = draw(2, "threads", 2**32 - 1000, LONG)
        for threads in (2, 3, 7):
            assert_same_bits(drawn[threads], drawn[1], f"{threads} threads")

    def test_omp_num_threads_is_heard_where_our_own_variable_is_not_set(self, monkeypatch):
        monkeypatch.setenv("FANIN_NUM_THREADS", "1")
        expected = normal(2, "threads", 0, LONG)
        monkeypatch.delenv("FANIN_NUM_THREADS")
        monkeypatch.setenv("OMP_NUM_THREADS", "5")
        assert_same_bits(normal(2, "threads", 0, LONG), expected)
        monkeypatch.setenv("OMP_NUM_THREADS", "none")
        with pytest.raises(InputError, match="OMP_NUM_THREADS must be a positive integer"):
            normal(2, "threads", 0, LONG)

    @pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
    def test_a_wrong_number_of_threads(self, text, monkeypatch):
        monkeypatch.setenv("FANIN_NUM_THREADS", text)
        with pytest.raises(
            InputError, match=f"FANIN_NUM_THREADS must be a positive integer, got '{text}'"
        ):
            normal(0, "", 0, LONG)

    def test_callers_may_be_threads_themselves(self, monkeypatch):
        monkeypatch.setenv("FANIN_NUM_THREADS", "2")
        expected = normal(2, "threads", 0, LONG)
        with ThreadPoolExecutor(4) as pool:
            drawn = list(pool.map(lambda _: normal(2, "threads", 0, LONG), range(4)))
        for got in drawn:
            assert_same_bits(got, expected)


# As this processor may lack the target's instructions, nothing compiled is called.
COMPILED_ONLY = """
    import numba, numpy as np
    from fanin.noise import Stream, haar, kernels, subsets

    words, one = Stream(0, "").words, np.float32(1)
    fused = ("fmadd", "fmsub", "fnmadd", "fnmsub", "fmla", "fmls")

    def report(name, kernel, *arguments):
        kernel.compile(tuple(numba.typeof(argument) for argument in arguments))
        code = "".join(kernel.inspect_asm().values())
        print(name, code.count("mul"), sum(code.count(each) for each in fused))

    single, half = np.empty(9, np.float32), np.empty(9, np.uint16)
    cut = (np.uint64(1), np.uint64(1), 1.0, 1.0, 1.0, one, one, one, one)
    report("fill_normal:float32", kernels.fill_normal, single, 0, words, one, one)
    report("fill_normal:bfloat16", kernels.fill_normal, half, 0, words, one, one)
    report("fill_uniform:bfloat16", kernels.fill_uniform, half, 0, words, one, one, one)
    report("fill_truncated:bfloat16", kernels.fill_truncated, half, 0, words, cut)
    x, heads = np.empty((9, 5), np.float32), np.empty(32)
    report("prepare", haar.prepare, x, 0, heads, np.empty((32, 32)))
    t, q = np.zeros((1, 32, 32)), np.zeros((1, 32, 64))
    report("multiply:float32", haar.multiply, x, heads, t, 0, q.astype(np.float32))
    report("multiply:float64", haar.multiply, x, heads, t, 0, q)
    report("deliver", haar.deliver, q[0].astype(np.float32), heads, x)
    report("choose", subsets.choose, np.empty(9, np.uint32), 5, np.empty((2, 2), np.int64))
"""


class TestProcessors:
    """That code for any processor gives the same bits is shown in ``tests/golden``."""

    def test_code_for_the_widest_processor_rounds_every_product(self, tmp_path):
        """A fused multiply-add would change bits; it is there to be used by this target."""
        target = "skylake-avx512" if IS_X86 else "generic"
        lines = run_for_target(target, ["-c", textwrap.dedent(COMPILED_ONLY)], tmp_path)
        found = [line.split() for line in lines.splitlines()]
        products = {name: int(count) for name, count, _ in found}
        fused = {name: int(count) for name, _, count in found}
        assert len(found) == 9
        assert products["fill_normal:float32"] > 50, "this is not the code of the kernels"
        assert all(products.values()), f"code without a product: {products}"
        assert not any(fused.values()), f"fused multiply-adds: {fused}"
