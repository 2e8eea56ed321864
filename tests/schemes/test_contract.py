"""Every scheme of fanin keeps the promises that any scheme makes."""

from __future__ import annotations

import math

import pytest
import torch

from fanin.fans import (
    Layout,
    bilinear,
    conv,
    conv_transpose,
    einsum,
    embedding_bag,
    linear,
    matmul,
    packed,
    recurrent,
    tied_head,
    transposed_linear,
)
from fanin.schemes import (
    SCHEMES,
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
from fanin.testing import check_scheme
from tests.testing.others import Plain

MASK = torch.rand(32, 32, generator=torch.Generator().manual_seed(0)) > 0.3

# On every layout that they accept.
EVERYWHERE = [
    zeros(),
    ones(),
    constant(0.1),
    normal(),
    uniform(),
    truncated_normal(),
    variance_scaling(),
    xavier_normal(),
    xavier_uniform(),
    he_normal(),
    he_uniform(),
    lecun_normal(),
    lecun_uniform(),
    orthogonal(),
    delta_orthogonal(),
    identity(),
    dirac(),
    zero_hadamard(),
    sparse(),
    siren(),
    spectral(),
    torch_default(),
    mimetic("query", pair="p", heads=2),
    looks_linear(),
    icnr(he_normal()),
    scaled(orthogonal(), 0.5),
    masked(he_normal(), MASK),
    blocks(he_normal(), orthogonal()),
    per_unit(he_normal(), [unit / 8 for unit in range(24)]),
    given(MASK * 0.25 - 3.0),
    chrono_bias(50),
]

SQUARE, CONV = linear((32, 32)), conv((16, 12, 3, 3))
OTHERS = {
    "matmul": matmul((2, 24, 40)),
    "einsum": einsum("bthd,hde->bte", (4, 8, 24)),
    "bilinear": bilinear((12, 10, 8)),
    "tied head": tied_head((60, 16)),
    "bag": embedding_bag((60, 16), "sum", bag=5),
    "conv1d": conv((24, 10, 5)),
    "conv3d": conv((12, 4, 3, 3, 3)),
    "packed and grouped": packed(conv((24, 4, 3), groups=4), (12, 12)),
}
RANDOM_EVERYWHERE = [he_normal(), xavier_uniform(), orthogonal(), sparse(k=2), spectral()]

# Other arguments, on a layout that suits them.
ARGUMENTS = [
    (constant(-3e7), SQUARE),
    (normal(mean=-0.3, std=0.02), SQUARE),
    (normal(std=0.0), SQUARE),
    (normal(std=1e-30), SQUARE),
    (normal(std=1e9), SQUARE),
    (uniform(-0.1, 0.3), CONV),
    (truncated_normal(std=0.02, corrected=False), CONV),
    (truncated_normal(low=0.0, high=math.inf), SQUARE),
    (truncated_normal(mean=1.0, std=0.1, low=-1.0, high=3.0), SQUARE),
    (truncated_normal(low=4.0, high=9.0), SQUARE),
    (variance_scaling(2.0, "fan_out", "normal"), CONV),
    (variance_scaling(0.5, "fan_avg", "uniform"), CONV),
    (variance_scaling(3.0, "fan_geo_avg"), CONV),
    (xavier_normal(gain=5 / 3), CONV),
    (he_normal(negative_slope=0.2, mode="fan_out"), CONV),
    (he_uniform(negative_slope=math.sqrt(5)), SQUARE),
    (orthogonal(gain=0.0), SQUARE),
    (orthogonal(gain=2.0), linear((100, 7))),
    (delta_orthogonal(gain=0.5), CONV),
    (identity(gain=-0.5), linear((20, 30))),
    (dirac(groups=4), CONV),
    (sparse(k=0), SQUARE),
    (sparse(k=1), SQUARE),
    (sparse(fraction=0.25, std=0.1), CONV),
    (sparse(fraction=1.0), SQUARE),
    (siren(w0=3.0, first=True), SQUARE),
    (spectral(gain=2.0), linear((20, 60))),
    (torch_default("attention"), SQUARE),
    *((mimetic(part, pair="p"), SQUARE) for part in ("key", "value", "output")),
    (mimetic("key", pair="p", heads=4, alpha=0.2, beta=1.0), SQUARE),
    (mimetic("query", pair="p", alpha=0.0), SQUARE),
]

BIAS = Layout("bias", (80,), 1, 1, (0,), ())
GROUPED_QUERIES = packed(linear((48, 24)), (24, 16, 8))
RECURRENT = recurrent((80, 20), gates=4)
ARGUMENTS += [
    (blocks(orthogonal(), he_normal(), scaled(sparse(k=2), 0.1)), GROUPED_QUERIES),
    (blocks(zeros(), constant(1), zeros(), zeros()), BIAS),
    (blocks(*(xavier_uniform() for _ in range(4))), RECURRENT),
    (blocks(blocks(he_normal(), zeros()), normal(std=0.1)), SQUARE),
    (blocks(mimetic("query", pair="p"), mimetic("key", pair="p")), linear((64, 32))),
    (blocks(lecun_normal(), ones(), sizes=(16, 8)), conv((24, 4, 3, 3), groups=3)),
    (blocks(Plain(0.3), he_normal()), SQUARE),
    (blocks(he_normal(), he_normal()), transposed_linear((24, 48))),
    (per_unit(xavier_normal(), [1.0] * 24 + [2.0] * 16 + [0.0] * 8), GROUPED_QUERIES),
    (per_unit(scaled(blocks(ones(), normal()), 0.5), [-3.0] * 16 + [0.5] * 16), SQUARE),
    (per_unit(Plain(0.3), [0.1] * 12), conv_transpose((8, 12, 4, 4), stride=2)),
    (scaled(per_unit(orthogonal(), [2.0] * 32), 0.5), SQUARE),
    (given(torch.linspace(-1, 1, 80)), BIAS),
    (chrono_bias(2), BIAS),
    (chrono_bias(784, "lstm"), BIAS),
    (chrono_bias(784, "gru"), Layout("bias", (60,), 1, 1, (0,), ())),
    (scaled(chrono_bias(20), 0.1), BIAS),
]

BASES = [
    he_normal(),
    uniform(0.0, 0.1),
    truncated_normal(mean=0.2, std=0.1),
    orthogonal(),
    sparse(k=3),
    ones(),
    Plain(0.3),
    scaled(xavier_uniform(), 0.5),
]
WRAPPERS = [
    (wrap(base), layout)
    for base in BASES
    for wrap, layout in (
        (lambda base: scaled(base, 0.1), CONV),
        (lambda base: scaled(base, 0.0), SQUARE),
        (lambda base: masked(base, MASK), SQUARE),
        (lambda base: icnr(base, 2), CONV),
        (lambda base: looks_linear("first", base), CONV),
        (lambda base: looks_linear("hidden", base), SQUARE),
        (lambda base: looks_linear("last", base), SQUARE),
    )
]
NESTED = [
    (scaled(masked(icnr(he_normal(), 4), MASK), 3.0), SQUARE),
    (icnr(looks_linear("hidden", orthogonal()), 2), SQUARE),
    (looks_linear("last", delta_orthogonal()), conv((12, 16, 3))),
    (looks_linear(), CONV),
    (scaled(mimetic("value", pair="p"), 0.5), SQUARE),
    (scaled(zero_hadamard(), 2.0), CONV),
]


def test_every_scheme_is_checked():
    assert {type(scheme) for scheme in EVERYWHERE} == set(SCHEMES.values())


@pytest.mark.parametrize("scheme", EVERYWHERE, ids=repr)
def test_on_every_layout_that_it_accepts(scheme):
    check_scheme(scheme)


@pytest.mark.parametrize("layout", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("scheme", RANDOM_EVERYWHERE, ids=repr)
def test_on_other_layouts(scheme, layout):
    check_scheme(scheme, layout)


@pytest.mark.parametrize(("scheme", "layout"), [*ARGUMENTS, *WRAPPERS, *NESTED])
def test_with_other_arguments(scheme, layout):
    check_scheme(scheme, layout)
