"""What the tests of schemes are about: every scheme, its law, a weight that suits it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from fanin.fans import (
    Layout,
    bilinear,
    conv,
    conv_transpose,
    embedding,
    linear,
    packed,
)
from fanin.schemes import (
    AbstractScheme,
    IndependentScheme,
    blocks,
    chrono_bias,
    constant,
    delta_orthogonal,
    dirac,
    given,
    he_normal,
    he_uniform,
    icnr,
    identity,
    lecun_normal,
    lecun_uniform,
    looks_linear,
    masked,
    mimetic,
    normal,
    ones,
    orthogonal,
    per_unit,
    scaled,
    siren,
    sparse,
    spectral,
    torch_default,
    truncated_normal,
    uniform,
    variance_scaling,
    xavier_normal,
    xavier_uniform,
    zero_hadamard,
    zeros,
)

# What a cut at 2 and at 3 standard deviations leaves of the standard deviation.
STD_WITHIN_2, STD_WITHIN_3 = 0.879625661034240, 0.986578392558
# The standard deviation of |Z|, Z standard normal.
HALF = math.sqrt(1 - 2 / math.pi)
INF = math.inf

Law = Any  # a frozen distribution of scipy, which has no public type


def gaussian(std: float) -> Law:
    return stats.norm(0.0, std)


def within_2(std: float) -> Law:
    """Of this standard deviation after the cut."""
    return stats.truncnorm(-2.0, 2.0, 0.0, std / STD_WITHIN_2)


def centred_uniform(std: float) -> Law:
    return within_bound(math.sqrt(3.0) * std)


def within_bound(bound: float) -> Law:
    return stats.uniform(-bound, 2 * bound)


@dataclass(frozen=True)
class Constant:
    value: float

    def std(self) -> float:
        return 0.0


# Layouts with the fans that methods.md gives for them.
LAYOUTS = {
    "linear": (linear((300, 500)), 500, 300),
    "conv": (conv((64, 32, 3, 3)), 288, 576),
    "grouped": (conv((12, 2, 3, 3), groups=4), 18, 27),
    "depthwise": (conv((32, 1, 3, 3), groups=32), 9, 9),
    "transposed": (conv_transpose((8, 12, 4, 4), stride=2), 32, 192),
    "embedding": (embedding((1000, 64)), 1, 64),
    "bilinear": (bilinear((7, 5, 3)), 15, 21),
    "packed": (packed(linear((96, 64)), 3), 64, 32),
}


@dataclass(frozen=True)
class Case:
    """A scheme and the law that its formula in methods.md gives for fan_in n and fan_out o.

    ``kinds`` are the layouts for which the formula is meant; torch's constructors read
    others in their own way.
    """

    scheme: IndependentScheme
    law: Callable[[float, float], Law]
    kinds: tuple[str, ...] = tuple(LAYOUTS)

    def __str__(self) -> str:
        return repr(self.scheme)


CASES = [
    Case(zeros(), lambda n, o: Constant(0.0)),
    Case(ones(), lambda n, o: Constant(1.0)),
    Case(constant(0.25), lambda n, o: Constant(0.25)),
    Case(constant(-1e-3), lambda n, o: Constant(-1e-3)),
    Case(normal(), lambda n, o: gaussian(1.0)),
    Case(normal(mean=-0.3, std=0.02), lambda n, o: stats.norm(-0.3, 0.02)),
    Case(uniform(), lambda n, o: stats.uniform(0.0, 1.0)),
    Case(uniform(-0.1, 0.3), lambda n, o: stats.uniform(-0.1, 0.4)),
    Case(truncated_normal(), lambda n, o: within_2(1.0)),
    Case(truncated_normal(std=0.02), lambda n, o: within_2(0.02)),
    Case(
        truncated_normal(std=0.02, corrected=False),
        lambda n, o: stats.truncnorm(-2.0, 2.0, 0.0, 0.02),
    ),
    Case(
        truncated_normal(mean=1.0, std=0.5, low=-3.0, high=3.0),
        lambda n, o: stats.truncnorm(-3.0, 3.0, 1.0, 0.5 / STD_WITHIN_3),
    ),
    Case(
        truncated_normal(std=0.1, low=0.0, high=INF),
        lambda n, o: stats.halfnorm(0.0, 0.1 / HALF),
    ),
    Case(variance_scaling(), lambda n, o: within_2(math.sqrt(1 / n))),
    Case(variance_scaling(2.0, "fan_out", "normal"), lambda n, o: gaussian(math.sqrt(2 / o))),
    Case(
        variance_scaling(0.5, "fan_avg", "uniform"),
        lambda n, o: centred_uniform(math.sqrt(0.5 / ((n + o) / 2))),
    ),
    Case(
        variance_scaling(3.0, "fan_geo_avg"), lambda n, o: within_2(math.sqrt(3 / math.sqrt(n * o)))
    ),
    Case(xavier_normal(), lambda n, o: gaussian(math.sqrt(2 / (n + o)))),
    Case(xavier_normal(gain=5 / 3), lambda n, o: gaussian(5 / 3 * math.sqrt(2 / (n + o)))),
    Case(xavier_uniform(), lambda n, o: within_bound(math.sqrt(6 / (n + o)))),
    Case(xavier_uniform(gain=0.5), lambda n, o: centred_uniform(0.5 * math.sqrt(2 / (n + o)))),
    Case(he_normal(), lambda n, o: gaussian(math.sqrt(2 / n))),
    Case(
        he_normal(negative_slope=0.2, mode="fan_out"),
        lambda n, o: gaussian(math.sqrt(2 / (1.04 * o))),
    ),
    Case(he_uniform(), lambda n, o: within_bound(math.sqrt(6 / n))),
    # torch's default for a Linear: slope sqrt 5 gives the bound 1 / sqrt(fan_in).
    Case(he_uniform(negative_slope=math.sqrt(5)), lambda n, o: within_bound(math.sqrt(1 / n))),
    Case(lecun_normal(), lambda n, o: gaussian(math.sqrt(1 / n))),
    Case(lecun_uniform(), lambda n, o: within_bound(math.sqrt(3 / n))),
    Case(siren(), lambda n, o: within_bound(math.sqrt(6 / n) / 30)),
    Case(siren(w0=5.0), lambda n, o: within_bound(math.sqrt(6 / n) / 5)),
    Case(siren(first=True), lambda n, o: within_bound(1 / n)),
    Case(spectral(), lambda n, o: gaussian(math.sqrt(o / n) / (math.sqrt(n) + math.sqrt(o)))),
    Case(
        spectral(gain=2.0),
        lambda n, o: gaussian(2 * math.sqrt(o / n) / (math.sqrt(n) + math.sqrt(o))),
    ),
    Case(
        torch_default(),
        lambda n, o: within_bound(1 / math.sqrt(n)),
        kinds=("linear", "conv", "grouped", "depthwise", "packed"),
    ),
    Case(
        torch_default("attention"),
        lambda n, o: within_bound(math.sqrt(6 / (n + o))),
        kinds=("linear",),
    ),
]
# One of each class, for what does not depend on the arguments.
INDEPENDENT = list({type(case.scheme): case.scheme for case in reversed(CASES)}.values())
RANDOM = [scheme for scheme in INDEPENDENT if not isinstance(scheme, (zeros, ones, constant))]
WITH_FANS = [scheme for scheme in INDEPENDENT if scheme.needs_layout]
WITHOUT_FANS = [scheme for scheme in INDEPENDENT if not scheme.needs_layout]
FLOATS = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


@dataclass(frozen=True)
class Subject:
    """A scheme of any kind, and the shape of a weight that it is for."""

    scheme: AbstractScheme
    shape: tuple[int, ...] = (12, 8)
    # Computed in float64 where the tensor is of that type, or always: then a type is not
    # float32's draw rounded.
    double: tuple[torch.dtype, ...] = ()

    def __str__(self) -> str:
        return repr(self.scheme)

    def drawn(self, dtype: torch.dtype = torch.float32, **options: Any) -> Tensor:
        return self.scheme.init_(torch.empty(self.shape, dtype=dtype), **options)

    def sevens(self, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.full(self.shape, 7.0, dtype=dtype)


KERNEL = (12, 8, 3, 3)
MASK = torch.arange(96).reshape(12, 8) % 3 != 1
IN_DOUBLE = (torch.float64,)

SUBJECTS = [
    *(Subject(scheme) for scheme in INDEPENDENT),
    Subject(orthogonal(), double=IN_DOUBLE),
    Subject(orthogonal(gain=2.0), KERNEL, double=IN_DOUBLE),
    Subject(delta_orthogonal(), KERNEL, double=IN_DOUBLE),
    Subject(identity()),
    Subject(identity(gain=-0.5)),
    Subject(dirac(), KERNEL),
    Subject(dirac(groups=2), (12, 8, 5)),
    Subject(zero_hadamard(), double=IN_DOUBLE),
    Subject(sparse(k=3)),
    Subject(sparse(fraction=0.25, std=0.1), KERNEL),
    Subject(mimetic("query", pair="block", heads=3), double=tuple(FLOATS)),
    Subject(mimetic("output", pair="block", alpha=0.5, beta=0.1), double=tuple(FLOATS)),
    Subject(looks_linear(), double=IN_DOUBLE),
    Subject(looks_linear("first", he_normal()), KERNEL),
    Subject(icnr(he_normal()), KERNEL),
    Subject(icnr(lecun_uniform(), r=1)),
    Subject(scaled(he_normal(), 0.5)),
    Subject(scaled(orthogonal(), 3.0), double=IN_DOUBLE),
    Subject(masked(he_normal(), MASK)),
    Subject(masked(orthogonal(), MASK), double=IN_DOUBLE),
    Subject(blocks(he_normal(), normal(std=0.1), lecun_uniform())),
    Subject(blocks(he_normal(), zeros(), sizes=(5, 7)), KERNEL),
    Subject(blocks(orthogonal(), scaled(orthogonal(), 2.0)), double=IN_DOUBLE),
    Subject(per_unit(he_normal(), [0.5 * unit for unit in range(12)]), double=IN_DOUBLE),
    Subject(per_unit(orthogonal(), MASK.sum(1)), double=IN_DOUBLE),
    Subject(given(torch.arange(96.0).reshape(12, 8) / 7 - 9), double=IN_DOUBLE),
    Subject(chrono_bias(100)),
    Subject(chrono_bias(2.5, "gru"), KERNEL),
]

# One of each class, for what is decided before anything is drawn.
ONE_OF_A_CLASS = list({type(subject.scheme): subject for subject in SUBJECTS}.values())

each_case = pytest.mark.parametrize("case", CASES, ids=str)
each_independent = pytest.mark.parametrize("scheme", INDEPENDENT, ids=repr)
each_subject = pytest.mark.parametrize("subject", SUBJECTS, ids=str)
each_class = pytest.mark.parametrize("subject", ONE_OF_A_CLASS, ids=str)
each_float = pytest.mark.parametrize("dtype", FLOATS, ids=str)


def drawn(scheme: AbstractScheme, *shape: int, **options: Any) -> Tensor:
    return scheme.init_(torch.empty(shape), **options)


def of_layout(
    scheme: AbstractScheme, layout: Layout, dtype: torch.dtype = torch.float32, **options: Any
) -> Tensor:
    """A weight of this layout."""
    return scheme.init_(torch.empty(layout.shape, dtype=dtype), layout=layout, **options)


def assert_equal(got: Tensor, expected: Tensor, what: str = "") -> None:
    assert got.dtype is expected.dtype, f"{what} {got.dtype}, expected {expected.dtype}"
    assert got.shape == expected.shape, f"{what} {got.shape}, expected {expected.shape}"
    different = int((got != expected).sum())
    assert different == 0, f"{what} {different} of {got.numel()} elements differ"


def strided(shape: tuple[int, ...], dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    """Tensors of this shape that do not lie in memory one element after the other."""
    axes = len(shape)
    swapped = (shape[1], shape[0], *shape[2:])
    yield "transposed", torch.empty(swapped, dtype=dtype).transpose(0, 1)
    backwards = torch.empty(shape[::-1], dtype=dtype)
    yield "turned round", backwards.permute(*reversed(range(axes)))
    doubled = torch.empty([2 * size for size in shape], dtype=dtype)
    yield "every second", doubled[(slice(None, None, 2),) * axes]
    yield "a column", torch.empty(*shape, 2, dtype=dtype)[..., 1]
    if axes == 4:
        channels_last = torch.empty(shape, dtype=dtype, memory_format=torch.channels_last)
        yield "channels last", channels_last


def singular_values(matrix: Tensor) -> np.ndarray:
    return np.linalg.svd(matrix.double().numpy(), compute_uv=False)
