"""Zero gamma: branches that end in a norm start at 0."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import fanin
from fanin.errors import InputError
from fanin.recipes import as_recipe
from fanin.schemes import he_normal, normal, ones, zeros
from tests.recipes.named.residual_networks import (
    IMAGES,
    Block,
    assert_only_reads,
    assert_refuses,
    network,
)


def test_the_last_norm_of_each_branch_is_0_and_the_others_1() -> None:
    plan = assert_only_reads("zero_gamma", network(lambda: Block(8)), IMAGES)
    assert plan.seed is None
    assert [plan.row(f"{block}.norm2.weight").scheme for block in (1, 2)] == [zeros()] * 2
    assert [plan.row(f"{block}.norm1.weight").scheme for block in (1, 2)] == [ones()] * 2
    assert plan.row("1.conv1.weight").scheme == he_normal(mode="fan_out")
    assert plan.row("1.conv1.weight").std == pytest.approx((2 / 72) ** 0.5)
    assert plan.row("5.weight").scheme == normal(std=0.01)
    assert "1.conv1.weight" in plan.row("1.norm2.weight").reason
    assert plan.notes == ()
    assert "1706.02677" in plan.citation()


def test_every_block_then_passes_its_input_on() -> None:
    model = fanin.init_(network(lambda: Block(8)), "zero_gamma", inputs=IMAGES)
    x = torch.rand(2, 8, 6, 6)
    assert torch.equal(model[1](x), x)


def test_a_gamma_of_0_learns() -> None:
    model = fanin.init_(network(lambda: Block(8)), "zero_gamma", inputs=IMAGES)
    model(IMAGES).square().sum().backward()
    assert model[1].norm2.weight.grad.abs().max() > 0


class Excited(Block):
    """Its branch is multiplied by a gate that it makes itself, as in squeeze and excitation."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.excite = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(x + y * torch.sigmoid(self.excite(y.mean((2, 3), keepdim=True))))


def test_the_norm_before_a_gate_counts_as_the_last() -> None:
    model = network(lambda: Excited(8))
    plan = as_recipe("zero_gamma").plan(model, inputs=IMAGES)
    assert plan.row("1.norm2.weight").scheme == zeros()
    assert plan.row("1.norm1.weight").scheme == ones()


def test_a_norm_on_the_skip_path_stays_1() -> None:
    plan = as_recipe("zero_gamma").plan(Shortcut(), inputs=IMAGES)
    assert plan.row("norm.weight").scheme == ones()
    assert plan.row("block.norm2.weight").scheme == zeros()


class Shortcut(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.down = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1)
        self.norm, self.block, self.head = nn.BatchNorm2d(8), Block(8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x, block = F.relu(self.stem(x)), self.block
        y = block.norm2(block.conv2(F.relu(block.norm1(block.conv1(x)))))
        return self.head(F.relu(self.norm(self.down(x)) + y).mean((2, 3)))


def test_a_stem_whose_stream_is_the_output_is_no_classifier() -> None:
    model = network(lambda: Block(8))[:3]
    plan = as_recipe("zero_gamma").plan(model, inputs=IMAGES)
    assert plan.row("0.weight").scheme == he_normal(mode="fan_out")


def test_branches_that_end_otherwise_are_named_in_the_notes() -> None:
    model = network(lambda: Block(8))
    model[2].norm2 = nn.Identity()
    plan = as_recipe("zero_gamma").plan(model, inputs=IMAGES)
    assert plan.row("1.norm2.weight").scheme == zeros()
    (note,) = plan.notes
    assert note.startswith("1 of 2 residual branches do not end in a norm")
    assert "'2.conv1.weight'" in note


def test_a_norm_before_an_activation_does_not_end_a_branch_for_it_would_never_learn() -> None:
    model = network(lambda: Block(8, after=F.relu))
    assert_refuses("zero_gamma", model, IMAGES, "'1.conv1.weight'", "does not end in one")


def test_a_model_whose_branches_end_in_no_norm_is_refused_by_the_first() -> None:
    model = network(lambda: Block(8, norms=False))
    assert_refuses("zero_gamma", model, IMAGES, "zero_gamma", "'1.conv1.weight'", "'fixup'")


def test_a_model_without_branches_is_refused() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    assert_refuses("zero_gamma", model, IMAGES, "Sequential showed none", "'he_normal'")


def test_it_needs_inputs() -> None:
    with pytest.raises(InputError, match=r"zero_gamma.*inputs=x"):
        fanin.init_(network(lambda: Block(8)), "zero_gamma")
