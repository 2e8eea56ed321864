"""SkipInit: the learned factor of each branch starts at 0."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

import fanin
from fanin.recipes import as_recipe
from fanin.schemes import he_normal, zeros
from tests.recipes.named.residual_networks import (
    IMAGES,
    VECTORS,
    Block,
    assert_only_reads,
    assert_refuses,
    network,
)


def test_the_factors_are_0_and_the_weights_he_normal() -> None:
    model = network(lambda: Block(8, norms=False, factor=()))
    plan = assert_only_reads("skipinit", model, IMAGES)
    assert [plan.row(f"{block}.alpha").scheme for block in (1, 2)] == [zeros()] * 2
    assert {row.scheme for row in plan.rows if row.parameter.endswith("conv1.weight")} == {
        he_normal()
    }
    assert (plan.kept, plan.notes, plan.seed) == ((), (), None)
    assert "2002.10444" in plan.citation()


def test_every_block_then_passes_its_input_on_and_its_factor_learns() -> None:
    model = network(lambda: Block(8, norms=False, factor=()))
    fanin.init_(model, "skipinit", inputs=IMAGES)
    x = torch.rand(2, 8, 6, 6)
    assert torch.equal(model[1](x), x)
    model(IMAGES).square().sum().backward()
    assert model[1].alpha.grad != 0


def test_a_factor_after_a_norm_counts() -> None:
    plan = as_recipe("skipinit").plan(network(lambda: Block(8, factor=())), inputs=IMAGES)
    assert plan.row("1.alpha").scheme == zeros()
    assert plan.row("1.norm2.weight").std == 0.0
    assert plan.row("1.norm2.weight").scheme != zeros()


def test_one_factor_for_each_channel_is_taken_and_noted() -> None:
    model = network(lambda: Block(8, norms=False, factor=(8, 1, 1)))
    plan = as_recipe("skipinit").plan(model, inputs=IMAGES)
    assert plan.row("2.alpha").scheme == zeros()
    (note,) = plan.notes
    assert "one for each channel" in note
    assert "'1.alpha'" in note


def test_the_first_branch_without_a_factor_is_named() -> None:
    model = network(lambda: Block(8, norms=False, factor=()))
    model[2] = Block(8, norms=False)
    assert_refuses("skipinit", model, IMAGES, "skipinit", "'2.conv1.weight' to '2.conv2.weight'")


def test_a_factor_before_an_activation_does_not_multiply_the_branch() -> None:
    model = network(lambda: Block(8, norms=False, factor=(), after=F.relu))
    assert_refuses("skipinit", model, IMAGES, "'1.conv1.weight'", "has none")


def test_a_model_without_branches_is_refused() -> None:
    assert_refuses("skipinit", nn.Sequential(nn.Linear(6, 2)), VECTORS, "showed none")
