"""AutoInit: mean and variance followed by analysis."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

import fanin
from fanin.recipes import as_recipe
from fanin.theory import gain
from tests.recipes.named.residual_networks import (
    IMAGES,
    VECTORS,
    Block,
    assert_only_reads,
    assert_refuses,
    network,
    outputs,
)

STANDARD = (VECTORS - VECTORS.mean()) / VECTORS.std(correction=0)


def square_before(model: nn.Module, name: str, inputs: object = STANDARD) -> float:
    """What the recipe found for the second moment that a weight reads."""
    row = as_recipe("autoinit").plan(model, inputs=inputs).row(name)
    assert row.layout is not None
    return 1 / (row.std**2 * row.layout.fan_in)


def after(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), *layers, nn.Linear(8, 3))


def last(model: nn.Sequential) -> str:
    return f"{len(model) - 1}.weight"


@pytest.mark.parametrize(
    "activation",
    [nn.ReLU(), nn.GELU(), nn.Tanh(), nn.SiLU(), nn.LeakyReLU(0.2), nn.Sigmoid(), nn.PReLU()],
    ids=lambda one: type(one).__name__,
)
def test_after_an_activation_the_weights_have_its_gain(activation: nn.Module) -> None:
    model = after(activation)
    assert square_before(model, last(model)) == pytest.approx(1 / gain(activation) ** 2, rel=1e-6)


def test_the_input_of_relu_gives_he() -> None:
    plan = assert_only_reads("autoinit", after(nn.ReLU()), VECTORS)
    assert plan.row("2.weight").std == pytest.approx((2 / 8) ** 0.5)
    assert "mean 0.3989 and variance 0.3408" in plan.row("2.weight").reason
    assert plan.seed is None
    assert "2109.08958" in plan.citation()


@given(st.floats(-5, 5), st.floats(0.1, 10))
@settings(max_examples=10, deadline=None)
def test_the_first_weight_counts_the_mean_of_the_inputs(mean: float, std: float) -> None:
    expected = mean**2 + std**2
    found = square_before(after(nn.ReLU()), "0.weight", STANDARD * std + mean)
    assert found == pytest.approx(expected, rel=1e-4)


def test_dropout_adds_its_variance_in_training_only() -> None:
    model = after(nn.ReLU(), nn.Dropout(0.2))
    assert square_before(model, last(model)) == pytest.approx(0.5 / 0.8, rel=1e-6)
    assert square_before(model.eval(), last(model)) == pytest.approx(0.5, rel=1e-6)


def test_a_norm_starts_anew() -> None:
    model = after(nn.ReLU(), nn.LayerNorm(8))
    assert square_before(model, last(model)) == pytest.approx(1.0)


class Joined(nn.Module):
    def __init__(self, join: str) -> None:
        super().__init__()
        self.one, self.two, self.join = nn.Linear(6, 8), nn.Linear(6, 8), join
        self.head = nn.Linear(16 if join == "cat" else 8, 2)

    def forward(self, x: Tensor) -> Tensor:
        a, b = F.relu(self.one(x)), torch.tanh(self.two(x))
        joined = {
            "add": lambda: a + b, "sub": lambda: b - a, "mul": lambda: a * b,
            "cat": lambda: torch.cat([a, b], -1),
        }[self.join]()  # fmt: skip
        return self.head(joined)


@pytest.mark.parametrize("join", ["add", "sub", "mul", "cat"])
def test_joins_of_independent_signals(join: str) -> None:
    tanh = 1 / gain("tanh") ** 2
    expected = {"add": 0.5 + tanh, "sub": 0.5 + tanh, "mul": 0.5 * tanh, "cat": (0.5 + tanh) / 2}
    assert square_before(Joined(join), "head.weight") == pytest.approx(expected[join], rel=1e-6)


def test_a_gated_unit_joins_two_parts_of_one_signal() -> None:
    model = nn.Sequential(nn.Linear(6, 16), nn.GLU(), nn.Linear(8, 2))
    assert square_before(model, "2.weight") == pytest.approx(1 / gain("glu") ** 2, rel=1e-4)


@pytest.mark.parametrize(
    ("pool", "size", "expected"),
    [
        (nn.AvgPool2d(2), 3, (1 / (2 * math.pi)) + (0.5 - 1 / (2 * math.pi)) / 4),
        (nn.AdaptiveAvgPool2d(1), 1, (1 / (2 * math.pi)) + (0.5 - 1 / (2 * math.pi)) / 36),
    ],
)
def test_a_mean_divides_the_variance(pool: nn.Module, size: int, expected: float) -> None:
    conv = nn.Conv2d(3, 8, 3, padding=1)
    model = nn.Sequential(conv, nn.ReLU(), pool, nn.Flatten(), nn.Linear(8 * size**2, 2))
    assert square_before(model, "4.weight", IMAGES) == pytest.approx(expected, rel=1e-6)


def test_a_maximum_is_that_of_independent_gaussians() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 2)
    )
    found = square_before(model, "3.weight", IMAGES)
    drawn = torch.randn(400_000, 4, generator=torch.Generator().manual_seed(0)).amax(1)
    assert found == pytest.approx(float(drawn.square().mean()), rel=0.01)


def test_every_layer_of_a_wide_network_then_puts_out_variance_1() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(6, 512), nn.SiLU(), nn.Linear(512, 512), nn.Sigmoid(), nn.Linear(512, 512),
        nn.Softplus(), nn.Linear(512, 512),
    )  # fmt: skip
    x = torch.randn(256, 6) * 3 + 1
    fanin.init_(model, "autoinit", inputs=x)
    for name, out in outputs(model, x, nn.Linear).items():
        assert float(out.square().mean()) == pytest.approx(1.0, abs=0.35), name


def test_a_factor_of_a_branch_that_keeps_its_value_counts() -> None:
    model = network(lambda: Block(8, norms=False, factor=()), blocks=1)
    plan = as_recipe("autoinit").plan(model, inputs=IMAGES)
    assert plan.kept == ("1.alpha",)
    # stem 1, branch 0.5^2, relu of the sum, mean over 36 places
    size = 1.25
    mean, square = math.sqrt(size / (2 * math.pi)), size / 2
    expected = mean**2 + (square - mean**2) / 36
    assert 1 / (plan.row("4.weight").std ** 2 * 8) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("model", "weight", "op"),
    [
        (
            nn.Sequential(nn.Linear(6, 8), nn.TransformerEncoderLayer(8, 2, 16)),
            "'1.self_attn.out_proj.weight'",
            "scaled_dot_product_attention in '1.self_attn'",
        ),
        (nn.LSTM(6, 4), "'weight_ih_l0'", "lstm in the model"),
        (nn.Sequential(nn.Linear(6, 8), nn.Softmax(-1), nn.Linear(8, 2)), "'2.weight'", "softmax"),
    ],
    ids=["attention", "lstm", "softmax"],
)
def test_what_cannot_be_followed_is_refused_by_its_name(
    model: nn.Module, weight: str, op: str
) -> None:
    assert_refuses("autoinit", model, VECTORS, "autoinit", weight, op, "'lsuv'")


def test_a_signal_of_0_is_refused() -> None:
    assert_refuses("autoinit", after(nn.ReLU()), VECTORS * 0, "'0.weight' reads, which is 0")
