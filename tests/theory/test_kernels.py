"""Closed forms against quadrature, and the numbers of the papers."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fanin.theory.kernels import (
    ErfKernel,
    HomogeneousKernel,
    SineKernel,
    closed_kernel,
    kernel_of,
    quadrature_kernel,
)
from tests.claims import assert_close

CLOSED = {
    "relu": "relu",
    "linear": "linear",
    "abs": "abs",
    "erf": "erf",
    "sin": "sin",
    "leaky relu": torch.nn.LeakyReLU(0.2),
}


@pytest.mark.parametrize("name", CLOSED)
@settings(max_examples=12, deadline=None)
@given(c=st.floats(-1.0, 1.0), log_q=st.floats(-3.0, 1.5))
@example(c=1.0, log_q=0.0)
@example(c=-1.0, log_q=0.0)
@example(c=0.0, log_q=0.0)
@example(c=1.0 - 1e-9, log_q=0.0)
def test_closed_forms_equal_quadrature(name: str, c: float, log_q: float) -> None:
    closed, slow = closed_kernel(CLOSED[name]), quadrature_kernel(CLOSED[name])
    assert closed is not None
    q = 10.0**log_q
    square, slopes = closed.square(q), closed.slope_square(q)
    assert_close(slow.square(q), square, 1e-11, f"E phi^2 of {name}")
    assert_close(slow.slope_square(q), slopes, 1e-11, f"E phi'^2 of {name}")
    assert slow.square_growth(q) == pytest.approx(closed.square_growth(q), abs=1e-11)
    assert slow.product(q, c) == pytest.approx(closed.product(q, c), abs=1e-10 * square)
    assert slow.slope_product(q, c) == pytest.approx(closed.slope_product(q, c), abs=1e-9 * slopes)


@pytest.mark.parametrize("name", CLOSED)
@settings(max_examples=12, deadline=None)
@given(c=st.floats(-0.99, 0.99), log_q=st.floats(-3.0, 1.5))
def test_slope_product_is_the_derivative_by_c(name: str, c: float, log_q: float) -> None:
    kernel, q, step = kernel_of(CLOSED[name]), 10.0**log_q, 1e-5
    by_c = (kernel.product(q, c + step) - kernel.product(q, c - step)) / (2 * step)
    assert by_c == pytest.approx(q * kernel.slope_product(q, c), abs=1e-5 * kernel.square(q))


@pytest.mark.parametrize("name", ["tanh", "gelu", "selu", "softplus"])
def test_square_growth_is_the_derivative_by_q(name: str) -> None:
    kernel, q, step = kernel_of(name), 0.7, 1e-4
    by_q = (kernel.square(q + step) - kernel.square(q - step)) / (2 * step)
    assert_close(kernel.square_growth(q), by_q, 1e-7, name)


def test_arc_cosine_kernel_has_its_known_values() -> None:
    """Cho, Saul 2009: 2 E relu(u) relu(v) = [sqrt(1 - c^2) + c (pi - arccos c)] / pi."""
    relu = HomogeneousKernel(0.0, 1.0)
    for c, known in ((0.0, 0.3183098862), (0.5, 0.6089977810), (0.9, 0.9095383988)):
        assert 2 * relu.product(1.0, c) == pytest.approx(known, abs=5e-11)
        algebra = (math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / math.pi
        assert 2 * relu.product(1.0, c) == pytest.approx(algebra, abs=1e-15)


def test_leaky_relu_follows_its_formula() -> None:
    a, c = 0.2, 0.0
    gain2 = 2 / (1 + a * a)
    kernel = HomogeneousKernel(a, 1.0)
    assert gain2 * kernel.product(1.0, c) == pytest.approx(0.19588301, abs=5e-9)


def test_erf_kernel_has_its_known_value() -> None:
    """Williams 1997: E erf(z)^2 = (2 / pi) arcsin(2 / 3), gain 1.4671669505."""
    assert ErfKernel().square(1.0) ** -0.5 == pytest.approx(1.4671669505, abs=5e-11)


def test_sine_kernel_has_its_known_values() -> None:
    assert SineKernel().square(1.0) ** -0.5 == pytest.approx(1.5208666232, abs=5e-11)
    assert SineKernel(30.0).square(1.0) ** -0.5 == pytest.approx(1.4142135624, abs=5e-11)
    assert SineKernel(30.0).product(1e6, 0.5) == 0.0  # and no overflow on the way


def test_kernels_are_told_by_values_not_by_names() -> None:
    def erf(z: torch.Tensor) -> torch.Tensor:
        return torch.tanh(z)

    assert closed_kernel(erf) is None
    assert isinstance(closed_kernel(torch.erf), ErfKernel)
    assert isinstance(closed_kernel(torch.sin), SineKernel)
    assert isinstance(closed_kernel(torch.relu), HomogeneousKernel)
    assert closed_kernel("gelu") is None
