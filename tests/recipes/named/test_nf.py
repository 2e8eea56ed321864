"""Normalizer-free networks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import fanin
from fanin.recipes import as_recipe
from fanin.schemes import he_normal, normal, ones, zeros
from tests.recipes.named.residual_networks import (
    IMAGES,
    Block,
    FreeBlock,
    Standardised,
    StandardisedByNorm,
    assert_only_reads,
    assert_refuses,
    network,
)


def free(conv: type[nn.Conv2d] = Standardised, **more: bool) -> nn.Sequential:
    return network(lambda: FreeBlock(conv, 8, **more), stem=conv(3, 8, 3, padding=1))


@pytest.mark.parametrize("conv", [Standardised, StandardisedByNorm])
def test_standardised_weights_have_the_variance_gain(conv: type[nn.Conv2d]) -> None:
    plan = assert_only_reads("nf", free(conv), IMAGES)
    assert plan.row("1.conv1.weight").std * 72**0.5 == pytest.approx(1.7128586, abs=1e-6)
    assert plan.row("0.weight").std * 27**0.5 == pytest.approx(1.0)
    assert "1.7129" in plan.row("1.conv2.weight").reason
    assert {row.scheme for row in plan.rows if row.parameter.endswith(".gain")} == {ones()}
    assert [plan.row(f"{block}.skip_gain").scheme for block in (1, 2)] == [zeros()] * 2
    assert plan.row("5.weight").scheme == normal(std=0.01)
    assert plan.notes == ()


def test_a_number_that_forward_multiplies_by_is_in_the_gain() -> None:
    class Multiplied(FreeBlock):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.conv1(torch.relu(x) * 1.7128586)
            return x + self.conv2(torch.relu(y) * 1.7128586 / 2) * self.skip_gain

    model = network(lambda: Multiplied(Standardised, 8), stem=Standardised(3, 8, 3))
    plan = as_recipe("nf").plan(model, inputs=IMAGES)
    assert plan.row("1.conv1.weight").std * 72**0.5 == pytest.approx(1.0, abs=1e-6)
    assert plan.row("1.conv2.weight").std * 72**0.5 == pytest.approx(2.0, abs=1e-6)


def test_every_block_then_passes_its_input_on() -> None:
    model = fanin.init_(free(), "nf", inputs=IMAGES)
    x = torch.randn(2, 8, 6, 6)
    assert torch.equal(model[1](x), x)


def test_branches_without_a_skip_gain_and_plain_convolutions_are_noted() -> None:
    model = network(lambda: FreeBlock(Standardised, 8, skip_gain=False))
    plan = as_recipe("nf").plan(model, inputs=IMAGES)
    assert plan.row("0.weight").scheme == he_normal()
    open_ends, plain = plan.notes
    assert "2 of 2 residual branches" in open_ends
    assert "'0.weight'" in plain


def test_a_norm_is_refused_by_its_name() -> None:
    model = free()
    model.insert(1, nn.BatchNorm2d(8))
    assert_refuses("nf", model, IMAGES, "nf", "'1' (batch_norm)")


def test_a_model_that_standardises_no_weight_is_refused() -> None:
    model = network(lambda: Block(8, norms=False, factor=()))
    assert_refuses("nf", model, IMAGES, "standardises none", "'0.weight'", "'skipinit'")


def test_weight_norm_is_no_standardisation() -> None:
    model = network(lambda: Block(8, norms=False, factor=()))
    for block in model[1:3]:
        nn.utils.parametrizations.weight_norm(block.conv1)
    assert_refuses("nf", model, IMAGES, "standardises none")
