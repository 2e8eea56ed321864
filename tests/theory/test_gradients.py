"""Gradient maps against the papers' numbers and autograd."""

from __future__ import annotations

import math

import pytest

from fanin.errors import InputError
from fanin.theory.gradients import gradient_map
from tests.claims import assert_mean_of_replicas
from tests.theory.networks import plain_networks


@pytest.mark.parametrize(
    ("sigma_w2", "q", "chi"),
    [(1.5, 0.418037201, 0.938636268), (3.0, 1.428008462, 1.208934424), (2.5361754, 1, 1.177807232)],
)
def test_factor_is_chi_1_at_the_fixed_point(sigma_w2: float, q: float, chi: float) -> None:
    """Schoenholz et al., 1611.01232."""
    assert gradient_map("tanh", sigma_w2**0.5).factor(q) == pytest.approx(chi, abs=3e-8)


@pytest.mark.parametrize(
    ("name", "gain", "chi"),
    [
        ("relu", 2**0.5, 1.0),
        ("selu", 1.0, 1.0715750),
        ("gelu", 1.5335304412, 1.0720316),
        ("silu", 1.6765324703, 1.0666342),
        ("sigmoid", 1.8462285453, 0.1528270),
        ("softsign", 2.3375333631, 1.2440104),
        ("erf", 1.4671669505, 1.2257000),
    ],
)
def test_factor_at_the_gain_is_known(name: str, gain: float, chi: float) -> None:
    assert gradient_map(name, gain).factor(1.0) == pytest.approx(chi, abs=1e-7)


@pytest.mark.parametrize(
    ("name", "sigma_w", "widths"),
    [("relu", 2**0.5, [384, 512, 256, 512, 384]), ("tanh", 1.6, [384] * 6)],
)
def test_autograd_agrees(name: str, sigma_w: float, widths: list[int]) -> None:
    """False alarms: 1e-4 for each of 7 layers. Widths that change scale the gradient."""
    ran = plain_networks(name, widths, sigma_w, replicas=48, seed=3)
    layers = len(widths) - 2
    expected = gradient_map(name, sigma_w).trajectory(sigma_w**2, layers, widths[1:])
    for layer in range(layers):
        assert_mean_of_replicas(
            ran.backward(layer), float(expected[layer]), 1e-4, 0.3, f"gradient of {layer}"
        )


def test_trajectory_overflows_quietly() -> None:
    assert gradient_map("linear", 1e4).trajectory(1.0, 100)[0] == math.inf


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gradient_map("relu", 1.0).factor(-1.0), "q is a mean of squares"),
        (lambda: gradient_map("relu", 1.0).factor(1.0, -1.0), "width_ratio must be a finite"),
        (lambda: gradient_map("relu", 1.0).trajectory(1.0, 2, [3, 4]), "one number for each of"),
        (lambda: gradient_map("relu", 1.0).trajectory(1.0, 1, [3, 0]), r"widths\[1\] must be"),
        (lambda: gradient_map("relu", 1.0).trajectory(1.0, -1), "layers must be a whole number"),
    ],
)
def test_bad_numbers_are_named(call: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()  # type: ignore[operator]
