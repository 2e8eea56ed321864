"""Correlation maps: numbers of the papers, fixed points, and real networks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.errors import InputError
from fanin.theory.correlations import correlation_map
from fanin.theory.mean_field import variance_map
from tests.claims import assert_close, assert_mean_of_replicas
from tests.theory.networks import inputs, plain_networks


def test_relu_follows_its_known_trajectory() -> None:
    """From 0: c_10 = .87153552, c_50 = .98786194; 1 - c_l ~ 9 pi^2 / (2 l^2)."""
    c = correlation_map("relu", 2**0.5).trajectory(0.0, 2000)
    assert c[10] == pytest.approx(0.87153552, abs=5e-9)
    assert c[50] == pytest.approx(0.98786194, abs=5e-9)
    assert (1 - c[2000]) * 2000**2 == pytest.approx(9 * math.pi**2 / 2, rel=0.02)


def test_ordered_tanh_makes_all_inputs_one() -> None:
    """Poole et al., 1606.05340, figure 2."""
    ordered = correlation_map("tanh", 1.5**0.5, 0.05**0.5)
    (one,) = ordered.fixed_points()
    assert one.value == 1.0
    assert one.stable
    assert one.slope == pytest.approx(0.938636268, abs=1e-9)
    assert ordered.trajectory(0.0, 300)[-1] == pytest.approx(1.0, abs=1e-6)


def test_chaotic_tanh_keeps_inputs_apart() -> None:
    """c* .29931764, slope there .89540."""
    chaotic = correlation_map("tanh", 3**0.5, 0.05**0.5)
    below, one = chaotic.fixed_points()
    assert below.value == pytest.approx(0.29931764, abs=5e-9)
    assert below.slope == pytest.approx(0.89540, abs=5e-6)
    assert below.stable
    assert one.slope == pytest.approx(1.208934424, abs=1e-9)
    assert not one.stable
    assert chaotic.limit() == below
    assert chaotic.trajectory(0.999, 200)[-1] == pytest.approx(below.value, abs=1e-6)


def test_odd_activations_without_biases_know_opposite_inputs() -> None:
    points = correlation_map("tanh", 2**0.5).fixed_points()
    assert [point.value for point in points] == [-1.0, 0.0, 1.0]
    assert [point.stable for point in points] == [False, True, False]
    assert points[0].slope == pytest.approx(1.105528820, abs=5e-9)


def test_edge_cases_of_the_slope() -> None:
    """Linear layers keep every correlation; relu draws to 1 slower than exponentially."""
    (linear,) = correlation_map("linear", 1.0).fixed_points()
    assert linear.stability == "neutral"
    (relu,) = correlation_map("relu", 2**0.5).fixed_points()
    assert relu.stable
    assert relu.depth_scale == math.inf
    slight = correlation_map("tanh", 1.001).fixed_points()
    assert [point.value for point in slight] == pytest.approx([-1.0, 0.0, 1.0], abs=1e-9)


def test_c_1_stays_1_also_where_q_is_no_fixed_point() -> None:
    of = correlation_map("gelu", 1.3, 0.2, q=5.0)
    assert of(1.0) == 1.0
    variance = variance_map("gelu", 1.3, 0.2)
    chi = 1.3**2 * variance.kernel.slope_square(5.0)
    assert_close(of.slope(1.0), chi * 5.0 / variance(5.0), 1e-12, "slope")


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(["tanh", "gelu", "erf", "relu", "selu"]),
    c=st.floats(-1.0, 1.0),
    sigma_w=st.floats(0.1, 5.0),
    sigma_b=st.floats(0.0, 2.0),
    q=st.floats(0.01, 50.0),
)
def test_the_map_is_a_correlation_and_convex(
    name: str, c: float, sigma_w: float, sigma_b: float, q: float
) -> None:
    of = correlation_map(name, sigma_w, sigma_b, q)
    after = of(c)
    assert -1.0 <= after <= 1.0
    # Its power series has no negative coefficient.
    assert abs(after) <= of(abs(c)) + 1e-12
    chord = (1 - abs(c)) * of(0.0) + abs(c)
    assert of(abs(c)) <= chord + 1e-12
    assert 0.0 <= of.slope(abs(c)) <= of.slope(1.0) + 1e-9


def test_correlations_close_in_at_the_predicted_depth_scale() -> None:
    of = correlation_map("tanh", 1.5**0.5, 0.05**0.5)
    distance = 1.0 - of.trajectory(0.0, 100)
    measured = -1.0 / np.log(distance[100] / distance[99])
    assert_close(float(measured), of.limit().depth_scale, 0.01, "xi_c")
    assert of.limit().depth_scale == pytest.approx(15.79, abs=0.005)


@pytest.mark.parametrize(
    ("name", "sigma_w", "sigma_b"),
    [("relu", 2**0.5, 0.0), ("tanh", 1.7, 0.2), ("gelu", 1.5, 0.1)],
)
def test_real_networks_follow_the_map(name: str, sigma_w: float, sigma_b: float) -> None:
    """False alarms: 1e-4 for each of 12 layers."""
    x = inputs(512, correlation=0.3)
    ran = plain_networks(name, [512] * 6, sigma_w, sigma_b, replicas=24, seed=2, x=x)
    q = sigma_w**2 + sigma_b**2
    c = (sigma_w**2 * 0.3 + sigma_b**2) / q
    for layer in range(1, 5):
        c = correlation_map(name, sigma_w, sigma_b, q)(c)
        q = variance_map(name, sigma_w, sigma_b)(q)
        assert_mean_of_replicas(ran.covariance(layer), q * c, 1e-4, 0.35, f"layer {layer}")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: correlation_map("tanh", 1.0)(1.1), "c must lie between -1 and 1"),
        (lambda: correlation_map("tanh", 1.0)(math.nan), "c must lie between -1 and 1"),
        (lambda: correlation_map("tanh", 1.0).slope(-2), "c must lie between -1 and 1"),
        (lambda: correlation_map("tanh", 1.0).trajectory(2, 3), "c0 must lie between"),
        (lambda: correlation_map("tanh", 1.0).trajectory(0, 1.5), "layers must be a whole"),
        (lambda: correlation_map("tanh", 0.0, 0.0), "there is no signal to correlate"),
        (lambda: correlation_map("tanh", 1.0, q=-1.0), "q is a mean of squares"),
    ],
)
def test_bad_numbers_are_named(call: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()  # type: ignore[operator]
