"""Assertions named for what they claim. Each fails with the measured number.

A check of random numbers takes ``rate``, the chance that it fails although the claim is
true. Seeds are fixed, so a test that passes once passes always; the rate says how likely a
harmless change of the noise is to need a second look.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special, stats


def assert_same_bits(got: np.ndarray, expected: np.ndarray, what: str = "") -> None:
    assert got.dtype == expected.dtype == np.float32, f"{what} {got.dtype} {expected.dtype}"
    assert got.shape == expected.shape, f"{what} shapes {got.shape} and {expected.shape}"
    wrong = np.flatnonzero(got.view(np.uint32).ravel() != expected.view(np.uint32).ravel())
    if wrong.size:
        i = int(wrong[0])
        raise AssertionError(
            f"{what} {wrong.size} of {got.size} differ, first at {i}: "
            f"{got.ravel()[i]!r} and {expected.ravel()[i]!r}"
        )


def assert_close(got: float, expected: float, relative: float, what: str = "") -> None:
    error = abs(got - expected)
    assert error <= relative * abs(expected), (
        f"{what} is {got!r}, expected {expected!r}: relative error {error / abs(expected):.2e}, "
        f"allowed {relative:.2e}"
        if expected
        else f"{what} is {got!r}, expected 0"
    )


def assert_errors_below(errors: np.ndarray, limit: float, what: str) -> None:
    worst = float(np.max(np.abs(errors)))
    assert worst <= limit, f"{what}: worst error {worst:.3e}, allowed {limit:.3e}"


def assert_z_score(z: float, rate: float, what: str) -> None:
    """A standard normal number is not farther out than the rate allows."""
    limit = -special.ndtri(rate / 2)
    assert abs(z) <= limit, f"{what} is {z:+.2f} standard errors off, allowed {limit:.2f}"


def assert_p_value(p: float, rate: float, what: str) -> None:
    assert p >= rate, f"{what}: p = {p:.2e}, allowed {rate:.2e}"


def assert_mean_of(values: np.ndarray, mean: float, std: float, rate: float, what: str) -> None:
    """The mean of independent values of a known mean and standard deviation."""
    measured = float(np.mean(values, dtype=np.float64))
    z = (measured - mean) / (std / math.sqrt(values.size))
    assert_z_score(z, rate, f"{what}: {measured:.8g} instead of {mean:.8g}, which")


def assert_std(sample: np.ndarray, std: float, kurtosis: float, rate: float, what: str) -> None:
    """The second moment about zero of a centred law of known std and kurtosis."""
    squares = np.square(sample, dtype=np.float64)
    assert_mean_of(squares, std**2, std**2 * math.sqrt(kurtosis - 1), rate, f"m2 of {what}")


def assert_follows(below: np.ndarray, rate: float, what: str) -> None:
    """Kolmogorov-Smirnov; ``below`` is P(X < x) for each x of a large sample."""
    ordered = np.sort(below)
    steps = np.arange(ordered.size + 1) / ordered.size
    distance = float(max(np.max(steps[1:] - ordered), np.max(ordered - steps[:-1])))
    p = float(stats.kstwobign.sf(distance * math.sqrt(ordered.size)))
    assert_p_value(p, rate, f"Kolmogorov-Smirnov distance {distance:.2e} of {what}")


def assert_uncorrelated(a: np.ndarray, b: np.ndarray, rate: float, what: str) -> None:
    r = float(np.corrcoef(a, b)[0, 1])
    assert_z_score(r * math.sqrt(a.size), rate, f"correlation {r:+.2e} of {what}")


def assert_mean_of_replicas(
    replicas: np.ndarray, expected: float, rate: float, resolution: float, what: str
) -> None:
    """A mean of independent replicas, judged by their own spread (Student's t).

    Fails too where the replicas spread so much that the check could not tell a value
    ``resolution`` (relative) away: then it would prove nothing.
    """
    n = replicas.size
    error = float(np.std(replicas, ddof=1)) / math.sqrt(n)
    allowed = float(stats.t.isf(rate / 2, n - 1)) * error
    mean = float(np.mean(replicas))
    assert allowed <= resolution * expected, (
        f"{what}: the tolerance {allowed:.3g} cannot tell {expected:g} from values within "
        f"{resolution:.0%}"
    )
    assert abs(mean - expected) <= allowed, (
        f"{what} is {mean:.5g}, expected {expected:g} within {allowed:.2g}"
    )
