"""The edge of chaos: Schoenholz et al. 2017, Hayou et al. 2019."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fanin.errors import InputError
from fanin.theory.critical import critical_point, edge_of_chaos
from fanin.theory.mean_field import variance_map
from fanin.theory.phases import chi_1, phase

# sigma_b^2 = .05: q*, sigma_w^2
KNOWN = {
    "tanh": (0.57004788, 1.76095464),
    "erf": (0.51717684, 1.37583901),
    "softsign": (0.41218318, 3.14124724),
    "sin": (0.55207010, 1.50207010),
    "elu": (1.30091257, 1.53371833),
    "selu": (0.82730159, 0.90176589),
    "gelu": (0.72203577, 2.30251951),
    "silu": (0.82657605, 2.72861153),
}
# sigma_b = 0: sigma_w
START = {
    "tanh": 1.0,
    "softsign": 1.0,
    "sin": 1.0,
    "hardtanh": 1.0,
    "elu": 1.0,
    "erf": math.sqrt(math.pi) / 2,
    "selu": 0.6904861,
    "gelu": 2.0,
    "silu": 2.0,
    "relu": math.sqrt(2.0),
    "abs": 1.0,
    "sigmoid": 10.1492637,
}


@pytest.mark.parametrize("name", KNOWN)
def test_points_of_the_line_are_known(name: str) -> None:
    point = critical_point(name, 0.05**0.5)
    assert (point.q, point.sigma_w**2) == pytest.approx(KNOWN[name], abs=1e-8)
    variance = variance_map(name, point.sigma_w, point.sigma_b)
    assert variance(point.q) == pytest.approx(point.q, rel=1e-10)
    assert point.slope == pytest.approx(variance.derivative(point.q), rel=1e-10)
    assert point.stable == (name not in ("gelu", "silu"))


@pytest.mark.parametrize(("name", "slope"), [("gelu", 1.085), ("silu", 1.100)])
def test_gelu_and_silu_are_unstable_on_it(name: str, slope: float) -> None:
    point = critical_point(name, 0.05**0.5)
    assert point.slope == pytest.approx(slope, abs=5e-4)
    assert "unstable between 0" in edge_of_chaos(name).words
    assert not critical_point(name).stable


@pytest.mark.parametrize("name", START)
def test_starts_of_the_line_are_known(name: str) -> None:
    point = critical_point(name)
    assert point.sigma_w == pytest.approx(START[name], abs=5e-8)
    assert point.sigma_b == 0.0


def test_sigmoid_stands_alone_far_out() -> None:
    point = critical_point("sigmoid")
    assert point.q == pytest.approx(45.6243, abs=5e-5)
    line = edge_of_chaos("sigmoid")
    assert line.q.min() >= point.q - 1e-9
    assert "none at smaller q" in line.words


@pytest.mark.parametrize("name", ["tanh", "gelu", "selu", "erf", "sigmoid"])
def test_every_point_of_the_line_is_critical(name: str) -> None:
    line = edge_of_chaos(name)
    assert line.points.shape == (line.q.size, 3)
    assert np.all(np.diff(line.q) > 0)
    middle = line.points[5::25]
    for sigma_w, sigma_b, q in middle:
        assert chi_1(name, sigma_w, sigma_b, q0=q) == pytest.approx(1.0, abs=1e-6)
        assert phase(name, sigma_w, sigma_b, q0=q).name == "critical"


def test_homogeneous_activations_have_a_point() -> None:
    """He 2015, 1502.01852: sqrt(2); leaky .2: 1.3867504906."""
    relu = edge_of_chaos("relu")
    assert relu.points.tolist() == [[math.sqrt(2.0), 0.0, 1.0]]
    assert "a point" in relu.words
    with pytest.raises(InputError, match=r"critical without biases only, at sigma_w = 1\.41421"):
        relu.at(0.1)


def test_small_biases_lie_below_the_grid() -> None:
    point = critical_point("tanh", 1e-5)
    assert chi_1("tanh", point.sigma_w, 1e-5) == pytest.approx(1.0, abs=1e-6)
    tiny = critical_point("tanh", 1e-7)
    assert 0.0 < tiny.q < point.q
    assert tiny.sigma_w == pytest.approx(1.0, abs=1e-4)


def test_bad_input_is_named() -> None:
    line = edge_of_chaos("tanh")
    for sigma_b in (-1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="sigma_b must be a finite number of at least 0"):
            line.at(sigma_b)
    with pytest.raises(InputError, match="tanh has no critical point with sigma_b = 1000"):
        line.at(1000.0)
