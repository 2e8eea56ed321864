"""Responses: how a function answers to signals of one scale, against theory and closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fanin import theory
from fanin.observation import observe
from fanin.observation.records import Response
from tests.observation.bodies import Body, between, one

Function = Callable[[Tensor], Tensor]

SCALES = (1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125)

SMOOTH: dict[str, Function] = {
    "elu": F.elu,
    "celu": lambda z: F.celu(z, 0.5),
    "selu": F.selu,
    "gelu": F.gelu,
    "gelu_tanh": lambda z: F.gelu(z, approximate="tanh"),
    "silu": F.silu,
    "mish": F.mish,
    "hardswish": F.hardswish,
    "tanh": torch.tanh,
    "erf": torch.erf,
    "sigmoid": torch.sigmoid,
    "hardtanh": F.hardtanh,
    "softsign": F.softsign,
    "atan": torch.atan,
    "sin": torch.sin,
    "tanhshrink": F.tanhshrink,
    "softplus": F.softplus,
    "hardsigmoid": F.hardsigmoid,
    "relu6": F.relu6,
    "relu_squared": lambda z: F.relu(z) ** 2,
}

TABLE: dict[str, tuple[Function, float, float]] = {
    # gain and chi at second moment 1, by quadrature at 30 digits, split at kinks
    "relu": (F.relu, 1.4142135624, 1.0),
    "leaky .01": (lambda z: F.leaky_relu(z, 0.01), 1.4141428570, 1.0),
    "leaky .2": (lambda z: F.leaky_relu(z, 0.2), 1.3867504906, 1.0),
    "abs": (torch.abs, 1.0, 1.0),
    "elu": (F.elu, 1.2451983007, 1.0359047),
    "celu .5": (lambda z: F.celu(z, 0.5), 1.3309083682, 1.0528897),
    "selu": (F.selu, 1.0, 1.0715750),
    "gelu": (F.gelu, 1.5335304412, 1.0720316),
    "gelu tanh": (lambda z: F.gelu(z, approximate="tanh"), 1.5335805217, 1.0720240),
    "quick_gelu": (lambda z: z * torch.sigmoid(1.702 * z), 1.5394587623, 1.0654016),
    "silu": (F.silu, 1.6765324703, 1.0666342),
    "mish": (F.mish, 1.4868475813, 1.0591180),
    "hardswish": (F.hardswish, 1.7366572128, 1.0813233),
    "tanh": (torch.tanh, 1.5925374197, 1.1778072),
    "erf": (torch.erf, 1.4671669505, 1.2257000),
    "sigmoid": (torch.sigmoid, 1.8462285453, 0.1528270),
    "hardtanh": (F.hardtanh, 1.3920361404, 1.3228915),
    "softsign": (F.softsign, 2.3375333631, 1.2440104),
    "atan": (torch.atan, 1.4912076181, 1.1118501),
    "sin": (torch.sin, 1.5208666232, 1.3130353),
    "sin(30z)": (lambda z: torch.sin(30 * z), 1.4142135624, 900.0),
    "tanhshrink": (F.tanhshrink, 2.3383675301, 1.3833502),
    "softplus": (F.softplus, 1.0418668355, 0.3184590),
    "softplus - ln 2": (lambda z: F.softplus(z) - math.log(2), 1.8755962561, 1.0320668),
    "hardsigmoid": (F.hardsigmoid, 1.8978404247, 0.0997798),
    "relu6": (F.relu6, 1.4142135651, 1.0),
    "relu^2": (lambda z: F.relu(z) ** 2, 0.8164965809, 1.3333333),
}


def responses(function: Function) -> tuple[Response, ...]:
    model = between(lambda m, z: function(z))
    return one(observe(model, torch.randn(4, 8)), "a.weight").regions[0].responses


def near(number: float) -> object:
    return pytest.approx(number, rel=1e-3)


@pytest.mark.parametrize("name", TABLE)
def test_gain_and_sensitivity_at_second_moment_one_are_those_of_the_table(name: str) -> None:
    function, gain, chi = TABLE[name]
    found = responses(function)[0]
    assert found.q == 1.0
    assert found.gain == near(gain)
    assert found.sensitivity == near(chi)


def test_there_is_one_response_for_each_scale_the_largest_first() -> None:
    assert tuple(one.q for one in responses(torch.tanh)) == SCALES


@pytest.mark.parametrize("name", SMOOTH)
def test_at_every_scale_they_are_those_of_theory(name: str) -> None:
    """By theory's quadrature, split at kinks; the odd part f(z) - f(-z) too."""
    f = SMOOTH[name]
    whole = theory.as_activation(f)
    odd = theory.as_activation(lambda z: f(z) - f(-z))
    for found in responses(f):
        for activation, gain, chi in (
            (whole, found.gain, found.sensitivity),
            (odd, found.mirrored_gain, found.mirrored_sensitivity),
        ):
            of = theory.moments(activation, found.q)
            assert gain == near(math.sqrt(found.q / of.mean_square)), found
            assert chi == near(found.q * of.derivative_mean_square / of.mean_square), found


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.2, 0.5])
def test_what_is_homogeneous_keeps_gradients_at_every_scale(slope: float) -> None:
    """sqrt(2 / (1 + a^2)), chi 1; its odd part is (1 + a) z."""
    for found in responses(lambda z: F.leaky_relu(z, slope)):
        assert found.gain == near(math.sqrt(2 / (1 + slope**2)))
        assert found.sensitivity == near(1.0)
        assert found.mirrored_gain == near(1 / (1 + slope))
        assert found.mirrored_sensitivity == near(1.0)


@pytest.mark.parametrize(
    "function",
    [F.relu, F.gelu, F.silu, lambda z: F.softplus(z)],
    ids=["relu", "gelu", "silu", "softplus"],
)
def test_the_odd_part_of_what_sums_to_the_identity_is_linear(function: Function) -> None:
    """f(z) - f(-z) = z for each of them."""
    for found in responses(function):
        assert found.mirrored_gain == near(1.0)
        assert found.mirrored_sensitivity == near(1.0)


def test_gelu_has_its_closed_form() -> None:
    square = 1 / 3 + 1 / (2 * math.pi * math.sqrt(3))
    assert responses(F.gelu)[0].gain == near(1 / math.sqrt(square))


@pytest.mark.parametrize("w", [1.0, 3.0, 30.0])
def test_sine_has_its_closed_form_at_every_scale(w: float) -> None:
    """E sin(wz)^2 = (1 - exp(-2 w^2 q)) / 2, E cos(wz)^2 = (1 + exp(-2 w^2 q)) / 2."""
    for found in responses(lambda z: torch.sin(w * z)):
        decay = math.exp(-2 * w * w * found.q)
        assert found.gain == near(math.sqrt(2 * found.q / (1 - decay)))
        assert found.sensitivity == near(found.q * w * w * (1 + decay) / (1 - decay))
        assert found.mirrored_gain == near(found.gain / 2)
        assert found.mirrored_sensitivity == near(found.sensitivity)


def test_erf_has_its_closed_form_at_every_scale() -> None:
    for found in responses(torch.erf):
        square = 2 / math.pi * math.asin(2 * found.q / (1 + 2 * found.q))
        assert found.gain == near(math.sqrt(found.q / square))


def test_a_factor_changes_the_gain_and_no_sensitivity() -> None:
    plain, tripled = responses(torch.tanh), responses(lambda z: 3 * torch.tanh(z))
    for a, b in zip(plain, tripled, strict=True):
        assert b.gain == near(a.gain / 3)
        assert b.sensitivity == near(a.sensitivity)


@pytest.mark.parametrize(
    "function", [torch.abs, torch.square, torch.cos], ids=["abs", "square", "cos"]
)
def test_an_even_function_has_no_odd_part(function: Function) -> None:
    for found in responses(function):
        assert found.mirrored_gain == math.inf
        assert found.mirrored_sensitivity == math.inf


def test_an_odd_function_is_its_own_odd_part_twice() -> None:
    for found in responses(torch.tanh):
        assert found.mirrored_gain == near(found.gain / 2)
        assert found.mirrored_sensitivity == near(found.sensitivity)


def test_without_a_function_there_is_the_identity() -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.Linear(16, 4))
    region = one(observe(model, torch.randn(4, 8)), "0.weight").regions[0]
    assert [(r.gain, r.sensitivity) for r in region.responses] == [(1.0, 1.0)] * len(SCALES)
    assert [(r.mirrored_gain, r.mirrored_sensitivity) for r in region.responses] == [(0.5, 1.0)] * 8


def test_a_jump_counts_as_gradients_meet_it() -> None:
    """Hard shrinkage has slope 1 or 0; the difference quotient over its jump is far larger."""
    found = responses(F.hardshrink)[0]
    outside = math.erfc(0.5 / math.sqrt(2))
    square = outside + 2 * 0.5 * math.exp(-0.125) / math.sqrt(2 * math.pi)
    assert found.gain == near(1 / math.sqrt(square))
    assert found.sensitivity == pytest.approx(outside / square, rel=0.01)


class StraightThrough(torch.autograd.Function):
    """The sign forward, the identity backward."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        return z.sign()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]


@pytest.mark.xfail(
    strict=True, reason="replayed are the operations of the forward pass, so that the slope is 0"
)
@pytest.mark.parametrize(
    "function",
    [StraightThrough.apply, lambda z: z + (z.sign() - z).detach()],
    ids=["by a function", "by detaching"],
)
def test_a_straight_through_estimator_has_the_slope_of_its_backward_pass(
    function: Function,
) -> None:
    assert responses(function)[0].sensitivity == pytest.approx(1.0, rel=0.06)


def test_a_step_passes_no_gradient() -> None:
    found = responses(lambda z: (z > 0).to(z.dtype) + 0 * z)
    assert [at.sensitivity for at in found] == [0.0] * len(SCALES)


def test_what_is_zero_everywhere_has_no_response() -> None:
    assert responses(lambda z: 0.0 * z) == ()


def test_what_overflows_has_no_response() -> None:
    assert responses(lambda z: torch.exp(z**2)) == ()


def test_a_function_of_two_parts_of_one_signal_has_none() -> None:
    model = Body(
        lambda m, x: m.b(F.glu(m.a(x))), a=nn.Linear(8, 16), b=nn.Linear(8, 4)
    )  # fmt: skip
    assert one(observe(model, torch.randn(4, 8)), "a.weight").regions[0].responses == ()


def test_a_source_tells_the_responses_of_the_region_before_it() -> None:
    seen = observe(between(lambda m, z: torch.tanh(z)), torch.randn(4, 8))
    before, after = one(seen, "a.weight"), one(seen, "b.weight")
    assert after.source is not None
    assert after.source.responses == before.regions[0].responses != ()


def test_they_are_left_out_of_the_json() -> None:
    seen = observe(between(lambda m, z: torch.tanh(z)), torch.randn(4, 8))
    assert "responses" not in one(seen, "a.weight").to_dict()["regions"][0]


def test_the_models_own_dtype_does_not_matter() -> None:
    model = between(lambda m, z: F.gelu(z)).to(torch.bfloat16)
    found = one(observe(model, torch.randn(4, 8, dtype=torch.bfloat16)), "a.weight")
    assert found.regions[0].responses[0].sensitivity == near(1.0720316)
