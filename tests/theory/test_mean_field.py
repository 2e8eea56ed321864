"""Variance maps: numbers of the papers, fixed points, and real networks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fanin.errors import InputError
from fanin.theory.mean_field import moments, variance_map
from tests.claims import assert_close, assert_mean_of_replicas
from tests.theory.networks import plain_networks

# (sigma_w^2, sigma_b^2) -> q*, chi_1 of tanh; the setting of Poole et al., 1606.05340, and
# Schoenholz et al., 1611.01232.
TANH = {
    (1.5, 0.05): (0.418037201, 0.938636268),
    (3.0, 0.05): (1.428008462, 1.208934424),
    (2.0, 0.0): (0.617964770, 1.105528820),
    (2.5361754, 0.0): (1.0, 1.177807232),
}


@pytest.mark.parametrize(("name", "k"), [("relu", 6.0), ("linear", 3.0), ("gelu", 7.22)])
def test_moments_give_the_noise_of_a_layer(name: str, k: float) -> None:
    """k - 1: 5, 2, 6.22 and .63 in units of 1 / n."""
    assert moments(name).k == pytest.approx(k, abs=0.005)
    assert moments("tanh").k == pytest.approx(1.63, abs=0.005)


def test_moments_of_relu_are_algebra() -> None:
    relu = moments("relu", q=3.0)
    assert relu.mean == pytest.approx(math.sqrt(3.0 / (2 * math.pi)))
    assert relu.mean_square == pytest.approx(1.5)
    assert relu.variance == pytest.approx(1.5 - 3.0 / (2 * math.pi))
    assert relu.fourth == pytest.approx(9.0 * 3.0 / 2)
    assert relu.derivative_mean_square == pytest.approx(0.5)


@pytest.mark.parametrize("scales", TANH)
def test_fixed_points_of_tanh_are_known(scales: tuple[float, float]) -> None:
    sigma_w, sigma_b = scales[0] ** 0.5, scales[1] ** 0.5
    of = variance_map("tanh", sigma_w, sigma_b)
    end = of.limit()
    # The scales are given to 8 digits.
    assert end.value == pytest.approx(TANH[scales][0], abs=3e-8)
    assert end.stable
    assert of(end.value) == pytest.approx(end.value, rel=1e-12)
    assert bool(sigma_b) == (len(of.fixed_points()) == 1)  # without biases 0 is one, unstable


def test_torch_gains_have_the_fixed_points_that_they_have() -> None:
    """calculate_gain: tanh 5/3 settles at 1.178480, selu 3/4 at .02303, sigmoid 1 at .2647."""
    assert variance_map("tanh", 5 / 3).limit().value == pytest.approx(1.178480, abs=5e-7)
    assert variance_map("selu", 3 / 4).limit().value == pytest.approx(0.02303, abs=5e-6)
    assert variance_map("sigmoid", 1.0).limit().value == pytest.approx(0.2647, abs=5e-5)


@pytest.mark.parametrize(
    ("name", "gain", "slope"),
    [
        ("tanh", 1.5925374197, 0.461071),
        ("selu", 1.0, 0.782648),
        ("elu", 1.2451983007, 0.890968),
        ("softsign", 2.3375333631, 0.476712),
        ("gelu", 1.5335304412, 1.144063),
        ("silu", 1.6765324703, 1.172594),
        ("relu", 2**0.5, 1.0),
    ],
)
def test_slope_at_the_gain_tells_stability(name: str, gain: float, slope: float) -> None:
    of = variance_map(name, gain)
    assert of.derivative(1.0) == pytest.approx(slope, abs=1e-6)
    one = of.limit(1.0)
    assert one.value == pytest.approx(1.0, abs=1e-8)
    assert one.stability == ("unstable" if slope > 1 else "stable" if slope < 1 else "neutral")


def test_gelu_at_its_gain_leaves_1_in_either_direction() -> None:
    gelu = variance_map("gelu", 1.5335304412)
    values = [point.value for point in gelu.fixed_points()]
    assert values == pytest.approx([0.0, 1.0, math.inf], abs=1e-8)
    assert [point.stable for point in gelu.fixed_points()] == [True, False, True]
    assert gelu.limit(0.99).value == 0.0
    assert gelu.limit(1.01).value == math.inf
    assert "without bound" in gelu.limit(1.01).words
    assert gelu.trajectory(1.01, 40)[-1] > 2.0
    assert gelu.trajectory(0.99, 40)[-1] < 0.5


@pytest.mark.parametrize(
    ("sigma_w", "sigma_b", "values"),
    [
        (1.0, 0.0, [0.0]),
        (1.0, 0.1, [0.02]),
        (2**0.5, 0.0, [1.0]),
        (2**0.5, 0.1, [math.inf]),
        (2.0, 0.0, [0.0, math.inf]),
        (2.0, 0.1, [math.inf]),
    ],
)
def test_fixed_points_of_relu_are_algebra(
    sigma_w: float, sigma_b: float, values: list[float]
) -> None:
    points = variance_map("relu", sigma_w, sigma_b).fixed_points()
    assert [point.value for point in points] == pytest.approx(values)


def test_relu_at_its_gain_keeps_every_q() -> None:
    he = variance_map("relu", 2**0.5)
    assert he.limit(7.0).value == 7.0
    assert he.limit(7.0).stability == "neutral"
    assert "every q" in he.fixed_points()[0].words
    assert he.trajectory(7.0, 100) == pytest.approx(np.full(101, 7.0))


@pytest.mark.parametrize("name", ["tanh", "hardtanh", "erf", "softsign"])
def test_saturating_activations_at_their_edge_only_know_0(name: str) -> None:
    sigma_w = math.sqrt(math.pi) / 2 if name == "erf" else 1.0
    points = variance_map(name, sigma_w).fixed_points()
    assert [(point.value, point.stability) for point in points] == [(0.0, "stable")]
    assert points[0].depth_scale == math.inf


def test_tanh_at_the_edge_decays_like_one_over_depth() -> None:
    """m2 of the activations ~ 1 / (2 l): RMS .1 at layer 50 (.096 in a network of finite width)."""
    tanh = variance_map("tanh", 1.0)
    q = tanh.trajectory(1.0, 50)
    assert math.sqrt(tanh(q[49])) == pytest.approx(0.1, abs=0.005)
    assert 2 * 3000 * tanh.trajectory(1.0, 3000)[-1] == pytest.approx(1.0, abs=0.01)


def test_deviations_shrink_at_the_predicted_depth_scale() -> None:
    of = variance_map("tanh", 3**0.5, 0.05**0.5)
    end = of.limit()
    deviations = np.abs(of.trajectory(0.5, 20) - end.value)
    measured = -1.0 / np.log(deviations[12] / deviations[11])
    assert_close(measured, end.depth_scale, 1e-3, "xi_q")


def test_signals_that_leave_float64_are_infinite() -> None:
    assert variance_map("relu", 1e3).trajectory(1.0, 100)[-1] == math.inf
    assert variance_map("tanh", 0.0).trajectory(1.0, 2).tolist() == [1.0, 0.0, 0.0]
    assert variance_map("tanh", 0.0, 0.5).limit().value == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("name", "sigma_w", "sigma_b"),
    [("relu", 2**0.5, 0.0), ("tanh", 1.5, 0.3), ("gelu", 1.4, 0.2), ("erf", 1.2, 0.1)],
)
def test_real_networks_follow_the_map(name: str, sigma_w: float, sigma_b: float) -> None:
    """False alarms: 1e-4 for each of 20 layers. The bias of finite width is below 1 / n = .3%."""
    ran = plain_networks(name, [384] * 7, sigma_w, sigma_b, replicas=48, seed=1)
    first = sigma_w**2 + sigma_b**2
    expected = variance_map(name, sigma_w, sigma_b).trajectory(first, 5)
    for layer in range(1, 6):
        assert_mean_of_replicas(
            ran.forward(layer), float(expected[layer]), 1e-4, 0.25, f"m2 of layer {layer}"
        )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: variance_map("tanh", -1.0), "sigma_w must be a finite number of at least 0"),
        (lambda: variance_map("tanh", 1.0, -0.1), "sigma_b must be a finite number of at least 0"),
        (lambda: variance_map("tanh", math.nan), "sigma_w must be a finite number"),
        (lambda: variance_map("tanh", "1"), "sigma_w must be a standard deviation, e.g. 1.0"),
        (lambda: variance_map("tanh", 1.0)(0.0), "q is a mean of squares and must be"),
        (lambda: variance_map("tanh", 1.0)(math.nan), "q is a mean of squares"),
        (lambda: variance_map("tanh", 1.0).derivative(-1.0), "q is a mean of squares"),
        (lambda: variance_map("tanh", 1.0).trajectory(1.0, 0), "layers must be a whole number"),
        (lambda: variance_map("tanh", 1.0).trajectory(-1.0, 3), "q0 is a mean of squares"),
        (lambda: variance_map("tanh", 1.0).limit(0.0), "q0 is a mean of squares"),
        (lambda: moments("tanh", 0.0), "q is a mean of squares"),
    ],
)
def test_bad_numbers_are_named(call: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()  # type: ignore[operator]
