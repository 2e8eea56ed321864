"""Phases and depth scales, with the numbers of Schoenholz et al., 1611.01232."""

from __future__ import annotations

import math

import pytest

from fanin.errors import InputError
from fanin.theory.phases import chi_1, depth_scales, phase
from tests.claims import assert_close, assert_mean_of_replicas
from tests.theory.networks import plain_networks


@pytest.mark.parametrize(
    ("sigma_w2", "sigma_b2", "chi"),
    [(1.5, 0.05, 0.938636268), (3.0, 0.05, 1.208934424), (2.0, 0.0, 1.105528820)],
)
def test_chi_1_of_tanh_is_known(sigma_w2: float, sigma_b2: float, chi: float) -> None:
    assert chi_1("tanh", sigma_w2**0.5, sigma_b2**0.5) == pytest.approx(chi, abs=5e-9)


def test_chi_1_of_torch_gains_is_known() -> None:
    """tanh 5/3: 1.2098; sigmoid 1: .0557; selu 3/4: 1.0037."""
    assert chi_1("tanh", 5 / 3) == pytest.approx(1.2098, abs=5e-5)
    assert chi_1("sigmoid", 1.0) == pytest.approx(0.0557, abs=5e-5)
    assert chi_1("selu", 3 / 4) == pytest.approx(1.0037, abs=5e-5)


def test_chi_1_has_its_limits_at_0_and_infinity() -> None:
    assert chi_1("tanh", 0.5) == pytest.approx(0.25)
    assert chi_1("gelu", 2.5, 0.1) == pytest.approx(2.5**2 / 2, rel=1e-6)
    assert chi_1("gelu", 1.5335304412, q0=0.5) == pytest.approx(1.5335304412**2 / 4)
    assert chi_1("relu", 0.0) == 0.0


def test_depth_scales_of_both_phases_are_known() -> None:
    ordered = depth_scales("tanh", 1.5**0.5, 0.05**0.5)
    assert ordered.xi_c == pytest.approx(15.79, abs=0.005)
    assert ordered.xi_c == pytest.approx(ordered.xi_gradient)
    assert ordered.c == 1.0
    chaotic = depth_scales("tanh", 3**0.5, 0.05**0.5)
    assert chaotic.c == pytest.approx(0.29931764, abs=5e-9)
    assert chaotic.xi_c == pytest.approx(-1 / math.log(0.89540), abs=0.001)
    assert chaotic.xi_gradient == pytest.approx(1 / math.log(1.208934424), abs=1e-6)


def test_depth_scales_diverge_at_the_edge() -> None:
    relu = depth_scales("relu", 2**0.5)
    assert (relu.xi_q, relu.xi_c, relu.xi_gradient) == (math.inf,) * 3
    edge = depth_scales("tanh", 1.76095464**0.5, 0.05**0.5)
    assert edge.xi_c == math.inf
    assert edge.xi_q < 2.0
    constant = depth_scales("tanh", 0.0, 0.5)
    assert (constant.xi_q, constant.xi_c, constant.xi_gradient) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("name", "sigma_w", "sigma_b", "expected"),
    [
        ("tanh", 1.5**0.5, 0.05**0.5, ("ordered", "settles")),
        ("tanh", 3**0.5, 0.05**0.5, ("chaotic", "settles")),
        ("tanh", 1.0, 0.0, ("critical", "vanishes")),
        ("tanh", 0.5, 0.0, ("ordered", "vanishes")),
        ("relu", 2**0.5, 0.0, ("critical", "keeps")),
        ("relu", 2**0.5, 0.1, ("critical", "explodes")),
        ("relu", 1.4, 0.0, ("ordered", "vanishes")),
        ("relu", 1.5, 0.0, ("chaotic", "explodes")),
        ("gelu", 1.5335304412, 0.0, ("chaotic", "keeps")),
        ("gelu", 2**0.5, 0.0, ("ordered", "vanishes")),
        ("gelu", 2.0, 0.0, ("chaotic", "explodes")),
        ("sigmoid", 1.8462285453, 0.0, ("ordered", "settles")),
        ("erf", 1.37583901**0.5, 0.05**0.5, ("critical", "settles")),
    ],
)
def test_phases(name: str, sigma_w: float, sigma_b: float, expected: tuple[str, str]) -> None:
    found = phase(name, sigma_w, sigma_b)
    assert (found.name, found.variance) == expected
    assert str(found).startswith(found.name)


def test_words_warn_of_an_unstable_value() -> None:
    assert "unstable" in phase("gelu", 1.5335304412).words
    assert "unstable" not in phase("tanh", 1.5925374197).words


def test_gradients_of_real_networks_reach_as_deep_as_predicted() -> None:
    """Once settled, 8 layers change the gradient by chi_1^8. False alarms: 1e-4."""
    sigma_w, sigma_b = 3**0.5, 0.05**0.5
    ran = plain_networks("tanh", [256] * 14, sigma_w, sigma_b, replicas=64, seed=4)
    growth = ran.backward(4) / ran.backward(12)
    expected = chi_1("tanh", sigma_w, sigma_b) ** 8
    assert_mean_of_replicas(growth, expected, 1e-4, 0.35, "growth of the gradient")
    xi = depth_scales("tanh", sigma_w, sigma_b).xi_gradient
    assert_close(math.exp(8 / xi), expected, 1e-9, "xi_gradient")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: chi_1("tanh", -1.0), "sigma_w must be"),
        (lambda: phase("tanh", 1.0, -1.0), "sigma_b must be"),
        (lambda: phase("tanh", 1.0, q0=0.0), "q0 is a mean of squares"),
        (lambda: depth_scales("tanh", 0.0), "there is no signal"),
    ],
)
def test_bad_numbers_are_named(call: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()  # type: ignore[operator]
