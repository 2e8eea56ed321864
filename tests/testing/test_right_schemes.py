"""Right schemes of all kinds pass, and the check leaves no trace."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass

import attrs
import numpy as np
import pytest
import torch

import fanin
from fanin.errors import InputError
from fanin.fans import Layout, conv, linear, packed
from fanin.noise import Distribution, Normal, Stream, TruncatedNormal, Uniform
from fanin.schemes import IndependentScheme, Matrix, MatrixScheme, he_normal
from fanin.testing import check_scheme
from fanin.testing.case import Case
from fanin.testing.moments import as_std_says, unlike_other_names
from tests.testing.others import Matched, Plain, Slotted

CHECKS = (as_std_says, unlike_other_names)


@attrs.frozen(repr=False)
class ByFan(IndependentScheme):
    """A law of fans."""

    power: float = -0.5

    name = "by_fan"
    citation = "Nobody. How to scale. 2024"

    @property
    def needs_layout(self) -> bool:
        return True

    def law(self, layout: Layout | None) -> Distribution:
        if layout is None:
            raise fanin.errors.FanError("by_fan needs a layout")
        return Normal(0.0, float(layout.fan_in) ** self.power)


@attrs.frozen
class Laplace:
    """A law of another kind: fanin knows neither its shape nor its kurtosis."""

    scale: float

    @property
    def mean(self) -> float:
        return 0.0

    @property
    def std(self) -> float:
        return self.scale * 2**0.5

    def times(self, factor: float) -> Laplace:
        return Laplace(self.scale * factor)

    def fill(self, out: np.ndarray, stream: Stream, start: int) -> None:
        u = fanin.noise.uniform(stream.seed, stream.name, start, out.size).astype(np.float64)
        u += 2.0**-25
        x = np.where(u < 0.5, np.log(2 * u), -np.log(2 * (1 - u))) * self.scale
        values = torch.from_numpy(x.astype(np.float32))
        if out.dtype == np.uint16:
            values = values.bfloat16().view(torch.uint16)
        out[:] = values.numpy()


@attrs.frozen(repr=False)
class OfLaw(IndependentScheme):
    """A law that is given."""

    of: Distribution

    name = "of_law"
    citation = "Nobody. How to obey. 2024"

    def law(self, layout: Layout | None) -> Distribution:
        return self.of


@attrs.frozen(repr=False)
class Signs(MatrixScheme):
    """A matrix of random signs, whole."""

    name = "signs"
    citation = "Nobody. How to toss. 2024"

    def square_sum(self, outputs: int, inputs: int, taps: int) -> float:
        return float(outputs * inputs * taps)

    def make_(self, weight: Matrix, stream: Stream) -> None:
        count = weight.outputs * weight.inputs * weight.taps
        drawn = np.empty(count, np.float32)
        Uniform(-1.0, 1.0).fill(drawn, stream, 0)
        weight.write_(torch.from_numpy(np.where(drawn < 0, -1.0, 1.0).astype(np.float32)))


RIGHT = [
    Plain(),
    Plain(0.0),
    Plain(1e-30),
    Plain(1e12),
    Matched(),
    Slotted(0.1),
    ByFan(),
    ByFan(-1.0),
    OfLaw(Laplace(0.3)),
    OfLaw(Normal(100.0, 0.01)),
    OfLaw(TruncatedNormal(0.0, 1.0, 1.0, float("inf"))),
    OfLaw(TruncatedNormal(0.0, 1.0, 9.0, 12.0)),
    Signs(),
]


@pytest.mark.parametrize("scheme", RIGHT, ids=repr)
def test_a_right_scheme_passes(scheme):
    check_scheme(scheme)


@pytest.mark.parametrize("scheme", RIGHT, ids=repr)
@pytest.mark.parametrize(
    "layout", [linear((2, 2)), conv((4, 2, 1, 2), groups=2), packed(linear((6, 8)), (3, 2, 1))]
)
def test_small_weights_and_other_seeds(scheme, layout):
    for seed in (1, -3, 1 << 80):
        check_scheme(scheme, layout, seed=seed)


def test_a_class_within_a_function_is_not_pickled():
    @attrs.frozen(repr=False)
    class inner(ByFan):
        name = "inner"

    check_scheme(inner(), linear((20, 30)))
    check_scheme(fanin.schemes.scaled(inner(), 2.0), linear((20, 30)))


def test_the_false_alarm_rate_is_kept():
    """Of 60 seeds at 30% more than 38 have a chance below 1e-6."""
    for scheme in (he_normal(), Plain(), fanin.schemes.sparse(k=3)):
        alarms = 0
        for seed in range(60):
            case = Case(scheme, linear((40, 60)), 1000 * seed, 0.3)
            alarms += any(True for check in CHECKS for _ in check(case))
        assert alarms <= 38, f"{alarms} of 60 for {scheme!r}"


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("scheme", [Plain(), "wrong"])
def test_the_surroundings_are_as_before(scheme, mode, monkeypatch):
    @dataclass(frozen=True)
    class Wrong(Plain):
        def init_(self, tensor, **options):
            np.random.seed(3)  # noqa: NPY002 - the global one is meant
            random.seed(3)
            torch.manual_seed(3)
            torch.set_grad_enabled(not torch.is_grad_enabled())
            torch.set_default_dtype(torch.float64)
            return super().init_(tensor, **options)

    def surroundings():
        _, keys, *rest = np.random.get_state()  # noqa: NPY002
        return (
            torch.get_rng_state().tolist(),
            keys.tolist(),
            rest,
            random.getstate(),
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            dict(os.environ),
        )

    for threads in (None, "3"):
        if threads:
            monkeypatch.setenv("FANIN_NUM_THREADS", threads)
        with mode():
            before = surroundings()
            if scheme == "wrong":
                with pytest.raises(AssertionError, match="state of the process"):
                    check_scheme(Wrong(), linear((3, 4)))
            else:
                check_scheme(scheme, linear((3, 4)))
            assert surroundings() == before


@pytest.mark.parametrize("thing", [None, 3, "he_normal", Plain, torch.nn.Linear(2, 2)], ids=str)
def test_what_is_no_scheme(thing):
    with pytest.raises(InputError, match="a scheme is an object, not a class, with a citation"):
        check_scheme(thing)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": (3, 4)}, "layout must be a layout"),
        ({"false_alarm": 0.0}, "false_alarm must lie between 0 and 1"),
        ({"false_alarm": 1}, "false_alarm must lie between 0 and 1"),
        ({"seed": "a"}, "seed must be an integer"),
    ],
)
def test_arguments_that_cannot_be_used(options, message):
    with pytest.raises(InputError, match=message):
        check_scheme(Plain(), **options)
