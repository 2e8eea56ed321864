"""Every bit of the noise: against the slow reference, any window, any threads, any processor."""

from __future__ import annotations

import hashlib
import math
import os
import platform
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

import fanin
from fanin.errors import InputError
from fanin.noise import (
    Constant,
    Normal,
    Stream,
    TruncatedNormal,
    Uniform,
    normal,
    truncated_normal,
    uniform,
)
from tests.claims import assert_close, assert_same_bits
from tests.noise import reference
from tests.noise.groups import normals_of
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


# What each target's code may use, as /proc/cpuinfo spells it: other code would not run here.
NEEDED_FLAGS = {
    "x86-64": set(),
    "haswell": {"avx2", "fma", "bmi1", "bmi2", "movbe", "abm", "f16c"},
    "skylake-avx512": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}


def runnable_targets() -> list[str]:
    if platform.machine() not in ("x86_64", "AMD64"):
        return ["generic"]
    info = Path("/proc/cpuinfo")
    flags = set(info.read_text().split()) if info.exists() else set()
    return [target for target, needed in NEEDED_FLAGS.items() if needed <= flags]


def run_for_target(target: str, program: str, cache: Path) -> str:
    """What a program prints whose kernels numba compiles afresh for one processor."""
    package = str(Path(fanin.__file__).parents[1])
    environment = os.environ | {
        "NUMBA_CPU_NAME": target,
        "NUMBA_CPU_FEATURES": "",
        "NUMBA_CACHE_DIR": str(cache),
        "PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


HASHED = """
    import hashlib
    from fanin.noise import normal, truncated_normal, uniform

    window = (4, "processor", 12345, 200_000)
    for drawn in (
        normal(*window),
        uniform(*window),
        truncated_normal(*window),
        truncated_normal(*window, 5.0, 6.0),
    ):
        print(hashlib.sha256(drawn.tobytes()).hexdigest())
"""

# As this processor may lack the target's instructions, nothing compiled is called.
COMPILED_ONLY = """
    import numba, numpy as np
    from fanin.noise import Stream, kernels

    def compiled(kernel, *arguments):
        kernel.compile(tuple(numba.typeof(argument) for argument in arguments))
        return "".join(kernel.inspect_asm().values())

    out, words, one = np.empty(9, np.float32), Stream(0, "").words, np.float32(1)
    code = compiled(kernels.fill_normal, out, 0, words, one, one)
    fused = ("fmadd", "fmsub", "fnmadd", "fnmsub", "fmla", "fmls")
    print(code.count("mul"), sum(code.count(name) for name in fused))
"""


class TestProcessors:
    @pytest.mark.parametrize("target", runnable_targets())
    def test_code_for_any_processor_gives_the_same_bits(self, target, tmp_path):
        window = (4, "processor", 12345, 200_000)
        expected = [
            hashlib.sha256(drawn.tobytes()).hexdigest()
            for drawn in (
                reference.normal(*window),
                reference.uniform(*window),
                reference.truncated_normal(*window),
                reference.truncated_normal(*window, 5.0, 6.0),
            )
        ]
        assert run_for_target(target, HASHED, tmp_path).split() == expected

    def test_code_for_the_widest_processor_rounds_every_product(self, tmp_path):
        """A fused multiply-add would change bits; it is there to be used by this target."""
        x86 = platform.machine() in ("x86_64", "AMD64")
        target = "skylake-avx512" if x86 else "generic"
        products, fused = map(int, run_for_target(target, COMPILED_ONLY, tmp_path).split())
        assert products > 50, f"{products} products: this is not the code of the kernels"
        assert fused == 0, f"{fused} fused multiply-adds"
