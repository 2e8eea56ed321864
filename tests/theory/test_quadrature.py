"""Expectations over Gaussians, against algebra."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from fanin.errors import InputError
from fanin.theory import expect, expect_pair
from tests.claims import assert_close

EXACT = 1e-12
CORRELATIONS = (
    -1.0, -1 + 1e-12, -0.999, -0.5, 0.0, 1e-9, 0.3, 0.9, 0.9999, 1 - 1e-8, 1 - 1e-12, 1 - 1e-15,
    1.0,
)  # fmt: skip


def relu(z: np.ndarray) -> np.ndarray:
    return np.maximum(z, 0.0)


@pytest.mark.parametrize("power", [0, 2, 4, 6, 10, 20, 40, 80])
def test_even_powers_are_double_factorials(power: int) -> None:
    exact = float(special.factorial2(power - 1)) if power else 1.0
    assert_close(expect(lambda z: z**power), exact, EXACT, f"E z^{power}")


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=9), st.floats(0.01, 20))
@settings(max_examples=50, deadline=None)
def test_polynomials_are_exact(coefficients: list[float], std: float) -> None:
    got = expect(lambda z: np.polynomial.polynomial.polyval(z, coefficients), std=std)
    moments = [0.0 if k % 2 else special.factorial2(k - 1) * std**k for k in range(9)]
    moments[0] = 1.0
    terms = [c * m for c, m in zip(coefficients, moments, strict=False)]
    size = sum(abs(c) * (std + 1) ** k * 200 for k, c in enumerate(coefficients))
    assert abs(got - math.fsum(terms)) <= EXACT * size


@given(st.floats(-6, 6), st.floats(0.1, 10))
@settings(max_examples=50, deadline=None)
def test_a_step_anywhere_is_the_normal_tail(place: float, std: float) -> None:
    got = expect(lambda z: (z > place) * 1.0, breaks=(place,), std=std)
    assert_close(got, float(stats.norm.sf(place / std)), EXACT, f"P(z > {place})")


@given(st.floats(-3, 3))
@settings(max_examples=25, deadline=None)
def test_a_step_that_was_not_named_is_nearly_found(place: float) -> None:
    got = expect(lambda z: (z > place) * 1.0)
    assert abs(got - float(stats.norm.sf(place))) < 2e-3


@given(st.floats(0.01, 50))
@settings(max_examples=25, deadline=None)
def test_std_scales_the_argument(std: float) -> None:
    assert_close(
        expect(np.tanh, std=0.0) + expect(lambda z: np.tanh(z) ** 2, std=std),
        expect(lambda z: np.tanh(std * z) ** 2),
        1e-11,
    )


@pytest.mark.parametrize("std", [1.0, 1e2, 1e4, 1e8, 1e12])
def test_a_feature_much_narrower_than_the_gaussian_is_not_stepped_over(std: float) -> None:
    """E exp(-(std z)^2) = 1/sqrt(1 + 2 std^2)."""
    assert_close(expect(lambda z: np.exp(-z * z), std=std), 1 / math.sqrt(1 + 2 * std**2), EXACT)


@pytest.mark.parametrize("a", [0.5, 1, 5, 10, 20])
def test_exponential_growth(a: float) -> None:
    assert_close(expect(lambda z: np.exp(a * z)), math.exp(a * a / 2), EXACT)


@pytest.mark.parametrize("a", [0.1, 0.3, 0.44])
def test_growth_just_below_the_limit(a: float) -> None:
    assert_close(expect(lambda z: np.exp(a * z * z)), 1 / math.sqrt(1 - 2 * a), EXACT)


@pytest.mark.parametrize("w", [1, 30, 300])
def test_oscillation(w: float) -> None:
    got = expect(lambda z: np.sin(w * z) ** 2)
    assert_close(got, -math.expm1(-2 * w * w) / 2, EXACT)


def test_singularities_that_can_be_integrated() -> None:
    root = 2**0.25 * math.gamma(0.75) / math.sqrt(math.pi)
    assert_close(expect(lambda z: np.sqrt(np.abs(z)), breaks=(0.0,)), root, EXACT)
    log_square = (math.pi**2 / 2 + (np.euler_gamma + math.log(2)) ** 2) / 4
    got = expect(lambda z: np.log(np.abs(z)) ** 2, breaks=(0.0,))
    assert_close(got, log_square, EXACT)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda z: np.exp(z * z), "infinite"),
        (lambda z: np.exp(0.5 * z * z), "infinite"),
        (lambda z: np.exp(np.exp(z)), "infinite"),
        (lambda z: np.sqrt(z), "nan"),
        (lambda z: np.where(np.abs(z) < 0.01, np.nan, 1.0), "finite everywhere"),
        (lambda z: np.sin(1e7 * z), "does not settle"),
    ],
)
def test_what_has_no_expectation_is_refused(f: object, message: str) -> None:
    with np.errstate(all="ignore"), pytest.raises(InputError, match=message):
        expect(f)  # type: ignore[arg-type]


@pytest.mark.parametrize("std", [-1.0, math.inf, math.nan])
def test_a_std_is_finite_and_not_negative(std: float) -> None:
    with pytest.raises(InputError, match="standard deviation"):
        expect(np.tanh, std=std)


@pytest.mark.parametrize("c", CORRELATIONS)
def test_relu_pairs_are_the_arc_cosine_kernel(c: float) -> None:
    exact = (math.sqrt((1 - c) * (1 + c)) + c * (math.pi - math.acos(c))) / (2 * math.pi)
    got = expect_pair(relu, relu, c, (0.0,), (0.0,))
    assert abs(got - exact) < 1e-14


@pytest.mark.parametrize("c", CORRELATIONS)
def test_sign_pairs_are_the_arc_sine(c: float) -> None:
    got = expect_pair(np.sign, np.sign, c, (0.0,), (0.0,))
    assert abs(got - 2 / math.pi * math.asin(c)) < 1e-13


@pytest.mark.parametrize("c", CORRELATIONS)
@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (3.0, 0.7), (40.0, 0.01)])
def test_erf_pairs_with_two_stds(c: float, a: float, b: float) -> None:
    exact = 2 / math.pi * math.asin(2 * c * a * b / math.sqrt((1 + 2 * a * a) * (1 + 2 * b * b)))
    got = expect_pair(special.erf, special.erf, c, std_f=a, std_g=b)
    assert abs(got - exact) < 1e-13


@pytest.mark.parametrize("c", CORRELATIONS)
def test_exponential_pairs(c: float) -> None:
    got = expect_pair(lambda z: np.exp(2 * z), lambda z: np.exp(3 * z), c)
    assert_close(got, math.exp((13 + 12 * c) / 2), EXACT, f"at {c}")


@pytest.mark.parametrize("c", [-0.7, 0.2, 0.99, 1 - 1e-9])
@pytest.mark.parametrize(("s", "t"), [(0.5, 0.5), (-1.1, 0.4), (2.0, -0.3)])
def test_steps_at_two_places(c: float, s: float, t: float) -> None:
    """Against scipy's distribution of two Gaussians, which has about nine digits."""
    got = expect_pair(lambda z: (z < s) * 1.0, lambda z: (z < t) * 1.0, c, (s,), (t,))
    exact = float(stats.multivariate_normal([0, 0], [[1, c], [c, 1]]).cdf([s, t]))
    assert abs(got - exact) < 2e-6 if c > 0.999 else 1e-8


@given(st.floats(-1, 1), st.floats(-2, 2), st.floats(0.1, 3))
@settings(max_examples=25, deadline=None)
def test_pairs_are_symmetric(c: float, kink: float, std: float) -> None:
    def f(z: np.ndarray) -> np.ndarray:
        return np.maximum(z - kink, 0.0)

    one = expect_pair(f, np.tanh, c, breaks_f=(kink,), std_f=std)
    two = expect_pair(np.tanh, f, c, breaks_g=(kink,), std_g=std)
    assert abs(one - two) < 1e-12 * (1 + std + abs(kink))


def test_sine_pairs_and_steps_without_end() -> None:
    got = expect_pair(lambda z: np.sin(30 * z), lambda z: np.sin(30 * z), 0.999)
    assert abs(got - 0.5 * math.exp(-0.9)) < 1e-13
    steps = tuple(range(-64, 65))
    near = expect_pair(np.floor, np.floor, 1 - 1e-13, steps, steps)
    assert abs(near - expect(lambda z: np.floor(z) ** 2, steps)) < 1e-6


@pytest.mark.parametrize("c", [1.0 + 1e-9, -2.0, math.nan])
def test_a_correlation_lies_between_minus_1_and_1(c: float) -> None:
    with pytest.raises(InputError, match="correlation"):
        expect_pair(np.tanh, np.tanh, c)


def test_a_pair_takes_milliseconds() -> None:
    expect_pair(relu, relu, 0.9, (0.0,), (0.0,))
    times = []
    for _ in range(20):
        began = time.perf_counter()
        expect_pair(relu, relu, 0.9, (0.0,), (0.0,))
        times.append(time.perf_counter() - began)
    # 2 ms on one core of 2020; the rest is room for a busy machine
    assert min(times) < 0.02
