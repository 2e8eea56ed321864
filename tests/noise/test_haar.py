"""Random orthogonal matrices: every bit against two slow references."""

from __future__ import annotations

import numpy as np
import pytest

from fanin.noise import Stream, haar
from fanin.noise.haar import fill_orthogonal
from tests.claims import assert_errors_below
from tests.noise import reference

# About the edges of a block of 32 reflections, of a slab of 64 columns, of a tile of 4 rows.
SHAPES = [
    *((1, 1), (1, 5), (5, 1), (2, 2), (3, 2), (31, 31), (32, 32), (33, 33), (70, 50), (50, 70)),
    *((64, 64), (65, 64), (66, 65), (130, 97), (97, 130), (40, 7)),
]
TYPES = {np.float32: 1e-6, np.float64: 1e-13}

each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
each_type = pytest.mark.parametrize("dtype", TYPES)


def made(shape: tuple[int, int], dtype: type, *, draw: int = 2, scale: float = 1.5) -> np.ndarray:
    out = np.full(shape, np.nan, dtype)
    fill_orthogonal(out, Stream(-3, "haar", draw), scale)
    return out


def assert_equal_bits(got: np.ndarray, expected: np.ndarray, what: str) -> None:
    assert got.dtype == expected.dtype
    wrong = int((got != expected).sum())
    assert wrong == 0, f"{what}: {wrong} of {got.size} differ"


@each_type
@each_shape
def test_bits_are_those_of_the_documented_order(shape, dtype):
    expected = reference.blocked_orthogonal(-3, "haar", 2, shape, 1.5, dtype)
    assert_equal_bits(made(shape, dtype), expected, f"{shape}")


@each_type
@each_shape
def test_it_is_the_product_of_the_reflections(shape, dtype):
    errors = made(shape, dtype) - reference.orthogonal(-3, "haar", 2, shape, 1.5)
    assert_errors_below(errors, 1.5 * TYPES[dtype], f"{shape} against plain Householder")


@pytest.mark.parametrize("shape", [(70, 50), (33, 33), (1, 5)], ids=str)
def test_the_reference_is_orthogonal_itself(shape):
    q = reference.orthogonal(0, "haar", 0, shape, 1.0)
    short = q if shape[0] <= shape[1] else q.T
    assert_errors_below(short @ short.T - np.eye(min(shape)), 1e-14, "Gram of the reference")


@each_type
def test_a_wide_matrix_is_a_tall_one_turned(dtype):
    assert_equal_bits(made((50, 70), dtype), made((70, 50), dtype).T, "50 x 70")


@each_type
def test_any_strides_give_the_same_bits(dtype):
    expected = made((70, 50), dtype)
    turned, spread = np.empty((50, 70), dtype).T, np.empty((140, 100), dtype)[::2, ::2]
    for out in (turned, spread):
        fill_orthogonal(out, Stream(-3, "haar", 2), 1.5)
        assert_equal_bits(np.ascontiguousarray(out), expected, f"strides {out.strides}")


@each_type
@pytest.mark.parametrize("shape", [(700, 700), (300, 1100), (2100, 70)], ids=str)
def test_any_number_of_threads_gives_the_same_bits(shape, dtype, monkeypatch):
    """Several slabs, and blocks, for each thread."""
    drawn = {}
    for threads in (1, 2, 3, 7):
        monkeypatch.setenv("FANIN_NUM_THREADS", str(threads))
        drawn[threads] = made(shape, dtype)
    for threads in (2, 3, 7):
        assert_equal_bits(drawn[threads], drawn[1], f"{threads} threads")


@each_type
def test_slabs_that_share_their_packing_change_no_bit(dtype, monkeypatch):
    """From 16 slabs on they are made in groups."""
    shape = (1030, 1000)
    together = made(shape, dtype)
    monkeypatch.setattr(haar, "_MOST_SLABS", 1)
    assert_equal_bits(made(shape, dtype), together, f"{shape}")


def test_the_scale_is_a_factor_that_is_rounded_once():
    unit, doubled = made((40, 30), np.float32, scale=1.0), made((40, 30), np.float32, scale=2.0)
    assert_equal_bits(doubled, 2 * unit, "twice")
    assert not made((40, 30), np.float32, scale=0.0).any()


def test_draws_are_matrices_of_their_own():
    assert not np.array_equal(made((9, 9), np.float64, draw=0), made((9, 9), np.float64, draw=1))
