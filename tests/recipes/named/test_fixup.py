"""Fixup: residual networks without normalisation."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

import fanin
from fanin.recipes import as_recipe
from fanin.recipes.named.fixup import fixup
from fanin.schemes import he_normal, ones, scaled, zeros
from tests.recipes.named.residual_networks import (
    IMAGES,
    VECTORS,
    Block,
    FixupBlock,
    assert_only_reads,
    assert_refuses,
    network,
)


def test_27_branches_of_two_layers_are_scaled_by_their_square_root() -> None:
    model = network(lambda: FixupBlock(4), blocks=27, width=4)
    plan = assert_only_reads("fixup", model, IMAGES)
    first, last = plan.row("13.conv1.weight"), plan.row("13.conv2.weight")
    assert first.scheme == scaled(he_normal(), 27**-0.5)
    assert first.std / (2 / 36) ** 0.5 == pytest.approx(0.19245, abs=5e-6)
    assert "0.19245" in first.reason
    assert last.scheme == zeros()
    assert plan.row("0.weight").scheme == he_normal()
    assert plan.row("30.weight").scheme == zeros()
    assert plan.row("13.scale").scheme == ones()
    assert plan.row("13.bias2b").scheme == zeros()
    assert (plan.notes, plan.kept, plan.unmatched, plan.seed) == ((), (), (), None)


class Branches(nn.Module):
    """A stream with branches of a given number of linear layers each."""

    def __init__(self, *layers: int) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(6, 6), nn.Linear(6, 2)
        self.blocks = nn.ModuleList(
            nn.ModuleList(nn.Linear(6, 6) for _ in range(count)) for count in layers
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            y = x
            for layer in block:
                y = layer(F.relu(y))
            x = x + y
        return self.head(x)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_the_exponent_follows_the_layers_of_each_branch(layers: list[int]) -> None:
    plan = as_recipe("fixup").plan(Branches(*layers), inputs=VECTORS)
    for branch, m in enumerate(layers):
        assert plan.row(f"blocks.{branch}.{m - 1}.weight").scheme == zeros()
        for layer in range(m - 1):
            factor = len(layers) ** (-1 / (2 * m - 2))
            scheme = plan.row(f"blocks.{branch}.{layer}.weight").scheme
            assert scheme == scaled(he_normal(), factor)


class Parallel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left, self.right = (nn.Linear(6, 6) for _ in range(3))
        self.last, self.head = nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(x + self.last(torch.tanh(self.left(x)) * torch.tanh(self.right(x))))


def test_layers_side_by_side_count_once() -> None:
    plan = as_recipe("fixup").plan(Parallel(), inputs=VECTORS)
    assert plan.row("left.weight").scheme == scaled(he_normal(), 1.0)
    assert "one of 2 layers in one of 1 branches" in plan.row("right.weight").reason


def test_the_network_then_starts_as_its_skip_path_and_puts_out_0() -> None:
    model = fanin.init_(network(lambda: FixupBlock(8)), "fixup", inputs=IMAGES)
    x = torch.rand(2, 8, 6, 6)
    assert torch.equal(model[2](x), x)
    assert not model(IMAGES).any()


def test_all_that_is_0_learns_within_three_steps() -> None:
    model = fanin.init_(network(lambda: FixupBlock(8)), "fixup", inputs=IMAGES)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        F.cross_entropy(model(IMAGES), torch.arange(8) % 5).backward()
        optimizer.step()
    assert all(parameter.abs().max() > 0 for parameter in model.parameters())


def test_the_mode_is_that_of_he() -> None:
    plan = fixup(mode="fan_out").plan(network(lambda: FixupBlock(8)), inputs=IMAGES)
    assert plan.row("0.weight").scheme == he_normal(mode="fan_out")


def test_a_missing_multiplier_and_bias_of_rule_3_are_noted() -> None:
    plan = as_recipe("fixup").plan(network(lambda: Block(8, norms=False)), inputs=IMAGES)
    multiplier, bias = plan.notes
    assert "scalar multiplier in each branch" in multiplier
    assert "scalar bias in each branch" in bias
    assert "2 of 2 have none" in bias
    assert "'1.conv1.weight'" in bias


def test_a_stem_whose_stream_is_the_output_is_no_classifier() -> None:
    plan = as_recipe("fixup").plan(network(lambda: FixupBlock(8))[:3], inputs=IMAGES)
    assert plan.row("0.weight").scheme == he_normal()


def test_a_norm_is_refused_by_its_name() -> None:
    model = network(lambda: Block(8, norms=False))
    model[2].norm1 = nn.GroupNorm(2, 8)
    assert_refuses("fixup", model, IMAGES, "fixup", "'2.norm1' (group_norm)", "'zero_gamma'")


def test_a_model_without_branches_is_refused() -> None:
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))
    assert_refuses("fixup", model, VECTORS, "showed none", "'lsuv'")


def test_a_frozen_last_weight_is_refused() -> None:
    model = network(lambda: FixupBlock(8))
    model[1].conv2.weight.requires_grad_(requires_grad=False)
    assert_refuses("fixup", model, IMAGES, "'1.conv2.weight' is frozen")


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.one, self.two = nn.Embedding(7, 6), nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.table(tokens)
        return (x + self.two(F.relu(self.one(x)))) @ self.table.weight.T


def test_a_classifier_that_is_tied_to_the_table_is_kept_as_a_table() -> None:
    tokens = torch.arange(14).view(2, 7) % 7
    plan = as_recipe("fixup").plan(Tied(), inputs=tokens)
    assert plan.row("table.weight").std > 0
    assert plan.row("two.weight").scheme == zeros()
