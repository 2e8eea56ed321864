"""Depth-muP."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from fanin import recipes
from fanin.errors import InputError, ModelError
from fanin.recipes import Batch, planned
from tests.recipes.named.decoder import Decoder, tokens
from tests.recipes.state import assert_same_parameters, parameter_bits


def test_branches_and_the_rates_in_them_shrink_by_the_root_of_the_depth() -> None:
    model = Decoder(32, 8)
    plan = planned(recipes.depth_mup(32, base_depth=4), model, Batch(tokens()))
    assert math.isclose(plan.row("blocks.0.value.weight").std, 1 / math.sqrt(32))
    assert math.isclose(plan.row("blocks.0.value.weight").learning_rate, 0.5)
    assert math.isclose(plan.row("blocks.0.norm1.weight").learning_rate, 0.5)
    assert math.isclose(plan.row("blocks.7.out.weight").std, 0.5 / math.sqrt(32))
    assert math.isclose(plan.row("blocks.7.out.weight").learning_rate, 0.25)
    assert math.isclose(plan.row("blocks.7.out.bias").learning_rate, 0.25)
    for name in ("table.weight", "head.weight", "norm.weight"):
        assert plan.row(name).learning_rate == 1, name


@pytest.mark.parametrize("layers", [1, 3])
def test_it_is_complete_p_with_alpha_one_half(layers: int) -> None:
    model = Decoder(16, layers)
    ours = planned(recipes.depth_mup(8, 2), model, Batch(tokens()))
    other = planned(recipes.complete_p(8, 2, alpha=0.5), model, Batch(tokens()))
    for row, expected in zip(ours.rows, other.rows, strict=True):
        assert (row.scheme, row.learning_rate, row.weight_decay) == (
            expected.scheme,
            expected.learning_rate,
            expected.weight_decay,
        )


def test_errors_bear_its_name() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    with pytest.raises(ModelError, match=r"'depth_mup'.*residual branches"):
        planned(recipes.depth_mup(8), model, Batch(torch.randn(3, 4)))
    with pytest.raises(ModelError, match=r"'depth_mup'.*'table\.weight'"):
        planned(recipes.depth_mup(8), Decoder(16, tied=True), Batch(tokens()))
    with pytest.raises(InputError, match="base_depth"):
        recipes.depth_mup(8, 0)


def test_the_model_is_only_read_and_plans_are_equal() -> None:
    model = Decoder(16)
    before = parameter_bits(model)
    recipe = recipes.as_recipe("depth_mup:8")
    assert planned(recipe, model, Batch(tokens())) == planned(recipe, model, Batch(tokens()))
    assert_same_parameters(model, before)
