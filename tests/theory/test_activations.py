"""as_activation: kinks and steps are found, derivatives are right, equal things are equal."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fanin.errors import InputError
from fanin.theory import Activation, as_activation, expect
from fanin.theory.names import NAMED
from fanin.theory.smoothness import Interpolant, find_breaks
from tests.claims import assert_errors_below

GRID = np.concatenate([np.linspace(-9.03, 9.07, 401), [-90.1, -70.3, 66.6, 80.2]])

MODULES: list[tuple[object, tuple[float, ...]]] = [
    (nn.ReLU(), (0.0,)),
    (nn.ReLU6(), (0.0, 6.0)),
    (nn.Hardtanh(), (-1.0, 1.0)),
    (nn.Hardtanh(-0.123, 4.5), (-0.123, 4.5)),
    (nn.Hardswish(), (-3.0, 3.0)),
    (nn.Hardsigmoid(), (-3.0, 3.0)),
    (nn.Threshold(0.1, 20.0), (0.1,)),
    (nn.Softshrink(), (-0.5, 0.5)),
    (nn.Hardshrink(0.7), (-0.7, 0.7)),
    (nn.ELU(), (0.0,)),
    (nn.SELU(), (0.0,)),
    (nn.Softsign(), (0.0,)),
    (nn.GELU(), ()),
    (nn.SiLU(), ()),
    (nn.Tanh(), ()),
    (nn.Mish(), ()),
    (np.sign, (0.0,)),
    (np.floor, tuple(float(k) for k in range(-63, 65))),
    (lambda z: np.maximum(z - math.pi / 3, 0.0) + z**2, (math.pi / 3,)),
    (lambda z: np.maximum(z - math.pi / 3, 0.0) ** 2 + np.tanh(z), (math.pi / 3,)),
    (lambda z: z + 1e-4 * np.abs(z - 1.3), (1.3,)),
    (lambda z: ((z > 0.11) & (z < 0.23)) * 1.0, (0.11, 0.23)),
    (lambda z: np.tanh(50 * z), ()),
    (lambda z: np.tanh(1e6 * z), ()),
    (lambda z: np.log(1 + np.exp(z)), ()),
    (lambda z: 1 / (z**2 + 0.01), ()),
    (lambda z: np.sin(30 * z), ()),
    (lambda z: np.sin(300 * z), ()),
    (lambda z: 0.5 * z * (1 + np.tanh(0.79788456 * (z + 0.044715 * z**3))), ()),
    (np.exp, ()),
]


@pytest.mark.parametrize(("subject", "breaks"), MODULES)
def test_breaks_are_found_and_no_others(subject: object, breaks: tuple[float, ...]) -> None:
    found = as_activation(subject).breaks
    assert len(found) == len(breaks), found[:8]
    assert_errors_below(np.subtract(found, breaks) if breaks else np.zeros(1), 1e-8, "breaks")


@given(st.floats(-60, 60), st.floats(0.001, 100))
@settings(max_examples=40, deadline=None)
def test_a_step_anywhere_is_found(place: float, height: float) -> None:
    (found,) = find_breaks(lambda z: height * (z > place))
    assert abs(found - place) <= 2e-12 * max(1.0, abs(place))


@given(st.floats(-20, 20), st.floats(0.01, 10))
@settings(max_examples=40, deadline=None)
def test_a_kink_anywhere_is_found(place: float, bend: float) -> None:
    (found,) = find_breaks(lambda z: np.sin(z) + bend * np.maximum(z - place, 0.0))
    assert abs(found - place) <= 1e-7


@pytest.mark.parametrize("name", sorted(NAMED))
def test_derivatives_and_breaks_by_name_are_those_of_the_values(name: str) -> None:
    known = NAMED[name]
    assert find_breaks(known) == known.breaks
    numeric = Interpolant.of(known, known.breaks)
    with np.errstate(over="ignore"):
        expected = numeric(GRID)
    got = known.derivative(GRID)
    assert_errors_below((got - expected) / (1 + np.abs(got)), 1e-9, f"slope of {name}")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (nn.GELU(), "gelu"), (nn.Hardswish(), "hardswish"), (nn.SELU(), "selu"),
        (nn.Mish(), "mish"), (nn.ReLU(inplace=True), "relu"), (nn.PReLU(), "prelu"),
        (torch.sign, "sign"), (math.tanh, "tanh"), (np.arctan, "atan"),
        (lambda z: max(z, 0.01 * z), "leaky_relu"), (lambda z: (z > 0).double(), "step"),
        (lambda z: torch.tensor(np.tanh(z.numpy())), "tanh"),
        (lambda z: z + (torch.sign(z) - z).detach(), "sign"),
    ],
)  # fmt: skip
def test_functions_and_modules_equal_the_named(module: object, name: str) -> None:
    got, known = as_activation(module), NAMED[name]
    values, slopes = known(GRID), known.derivative(GRID)
    assert_errors_below((got(GRID) - values) / (1 + np.abs(values)), 1e-13, "values")
    assert_errors_below((got.derivative(GRID) - slopes) / (1 + np.abs(slopes)), 1e-8, "slopes")
    assert got.breaks == known.breaks
    assert got.slopes == known.slopes


def test_shapes_are_kept_and_arguments_are_not_written_to() -> None:
    z = np.linspace(-1, 1, 6).reshape(2, 3)
    before = z.copy()
    for subject in (F.relu_, np.tanh, math.tanh, "gelu", lambda z: 3.0, nn.Dropout()):
        known = as_activation(subject)
        for values in (known(z), known.derivative(z), known.second_moment(z)):
            assert values.shape == (2, 3)
            assert values.dtype == np.float64
    assert np.array_equal(z, before)


@pytest.mark.parametrize(
    ("subject", "slopes"),
    [
        ("linear", (1.0, 1.0)), ("relu", (0.0, 1.0)), ("abs", (-1.0, 1.0)),
        (nn.LeakyReLU(0.3), (0.3, 1.0)), (nn.Identity(), (1.0, 1.0)),
        (lambda z: np.where(z < 0, -2 * z, 5 * z), (-2.0, 5.0)), ("gelu", None),
        ("sign", None), (nn.ReLU6(), None), (lambda z: z + 1e-9, None), (nn.Dropout(), None),
        (nn.RReLU(), None), (lambda z: np.where(z < 30, z, 30.0), None),
    ],
)  # fmt: skip
def test_slopes_belong_to_what_is_homogeneous(subject: object, slopes: object) -> None:
    assert as_activation(subject).slopes == slopes


def test_second_moments_of_random_ones_exceed_the_square_of_the_mean() -> None:
    z = np.array([-2.0, 1.0])
    assert np.allclose(as_activation(nn.Dropout(0.2)).second_moment(z), [5.0, 1.25])
    lower, upper = 1 / 8, 1 / 3
    square = (lower**2 + lower * upper + upper**2) / 3
    assert np.allclose(as_activation(nn.RReLU()).second_moment(z), [4 * square, 1.0])
    assert np.allclose(as_activation("tanh").second_moment(z), np.tanh(z) ** 2)


def test_equality_is_of_what_is_computed() -> None:
    def with_slope(a: float) -> object:
        return lambda z: np.where(z < 0, a * z, z)

    assert as_activation("GELU") == as_activation("gelu_python")
    assert as_activation("silu") is as_activation("swish")
    assert as_activation(nn.LeakyReLU(0.2)) == as_activation(nn.LeakyReLU(0.2))
    assert as_activation(nn.LeakyReLU(0.2)) != as_activation(nn.LeakyReLU(0.3))
    assert as_activation(with_slope(0.1)) == as_activation(with_slope(0.1))
    assert as_activation(with_slope(0.1)) != as_activation(with_slope(0.2))
    assert as_activation(torch.relu) == as_activation(torch.relu)
    assert as_activation(functools.partial(F.elu, alpha=2.0)) != as_activation(F.elu)
    assert len({as_activation(name) for name in ("relu", "ReLU", "gelu")}) == 2


def test_an_object_that_hides_its_state_is_never_remembered() -> None:
    class Hidden:
        __slots__ = ("slope",)

        def __call__(self, z: np.ndarray) -> np.ndarray:
            return np.where(z < 0, self.slope * z, z)

    subject = Hidden()
    subject.slope = 0.5
    first = as_activation(subject)
    subject.slope = 0.25
    assert as_activation(subject).slopes == (0.25, 1.0)
    assert as_activation(subject) != first


def test_a_module_is_copied_with_its_mode() -> None:
    module = nn.PReLU()
    known = as_activation(module)
    with torch.no_grad():
        module.weight.fill_(7.0)
    assert known.slopes == (0.25, 1.0)
    assert np.array_equal(known(np.array([-4.0])), [-1.0])
    assert module.training


@pytest.mark.parametrize("name", ["glu", "SwiGLU"])
def test_gated_units_are_no_function_of_one_number(name: str) -> None:
    with pytest.raises(InputError, match="two numbers"):
        as_activation(name)


def test_an_activation_is_itself_and_frozen() -> None:
    known = as_activation("tanh")
    assert as_activation(known) is known
    assert isinstance(known, Activation)
    with pytest.raises(AttributeError):
        known.name = "other"  # type: ignore[misc]
    assert repr(known) == "<Activation tanh>"


def test_breaks_make_expectations_exact() -> None:
    """E floor(z)^2 by the normal distribution function."""
    known = as_activation(math.floor)
    cells = range(-12, 12)
    exact = math.fsum(
        k * k * (math.erf((k + 1) / math.sqrt(2)) - math.erf(k / math.sqrt(2))) / 2 for k in cells
    )
    assert abs(expect(known.second_moment, known.breaks) - exact) < 1e-14
