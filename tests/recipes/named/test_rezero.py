"""ReZero: transformers whose branches start at 0."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import fanin
from fanin.recipes import as_recipe
from fanin.schemes import xavier_normal, zeros
from tests.recipes.named.residual_networks import assert_only_reads, assert_refuses

SEQUENCES = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(1))


class Layer(nn.Module):
    """A transformer layer with one factor for both of its branches, as in the paper."""

    def __init__(self, *, factor: bool = True) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.up, self.down, self.dropout = nn.Linear(8, 16), nn.Linear(16, 8), nn.Dropout(0.1)
        self.resweight = nn.Parameter(torch.ones(1)) if factor else 1.0

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(x, x, x, need_weights=False)[0] * self.resweight)
        return x + self.dropout(self.down(F.relu(self.up(x))) * self.resweight)


def transformer(**more: bool) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 8), Layer(), Layer(**more), nn.Linear(8, 3))


def test_the_factors_are_0_and_the_weights_xavier() -> None:
    plan = assert_only_reads("rezero", transformer(), SEQUENCES)
    assert [plan.row(f"{layer}.resweight").scheme for layer in (1, 2)] == [zeros()] * 2
    assert plan.row("1.up.weight").scheme == xavier_normal()
    assert plan.row("1.up.weight").std == pytest.approx((2 / 24) ** 0.5)
    # query, key and value are weights of 8 x 8 each
    assert plan.row("1.attention.in_proj_weight").std == pytest.approx((2 / 16) ** 0.5)
    assert "2003.04887" in plan.citation()


def test_every_layer_then_passes_its_input_on_and_learns() -> None:
    model = fanin.init_(transformer(), "rezero", inputs=SEQUENCES)
    assert torch.equal(model[2](SEQUENCES), SEQUENCES)
    model(SEQUENCES).square().sum().backward()
    assert model[1].resweight.grad != 0


def test_the_branch_without_a_factor_is_named() -> None:
    model = transformer(factor=False)
    assert_refuses("rezero", model, SEQUENCES, "rezero", "'2.attention.in_proj_weight'", "alpha")


def test_a_factor_that_is_not_0_at_0_is_none() -> None:
    model = transformer()
    model[1].forward = lambda x: x + model[1].up(x)[..., :8] * torch.sigmoid(model[1].resweight)
    with pytest.raises(fanin.errors.ModelError, match=r"'1\.up\.weight' has none"):
        as_recipe("rezero").plan(model, inputs=SEQUENCES)
