"""A fresh head."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import fanin
from fanin import recipes, schemes
from fanin.errors import InputError, ModelError
from fanin.recipes import Batch, planned
from tests.recipes.named.decoder import Decoder, tokens
from tests.recipes.state import assert_same_parameters, parameter_bits

X = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Trained(nn.Module):
    def __init__(self, *, head: nn.Module | None = None) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.gate = nn.Parameter(torch.tensor(0.7))
        self.fc = head or nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc((self.norm(self.conv(x)).relu() * self.gate).mean((2, 3)))


@pytest.mark.parametrize("text", ["transfer", "fresh_head", "transfer:0.01"])
def test_only_the_head_changes(text: str) -> None:
    model = Trained()
    model.conv.requires_grad_(False)
    before = parameter_bits(model)
    fanin.init_(model, text, inputs=X, seed=1)
    changed = [name for name, now in parameter_bits(model).items() if now != before[name]]
    assert changed == ["fc.weight", "fc.bias"]
    assert bool((model.fc.bias == 0).all())
    if text == "transfer:0.01":
        assert 0.005 < float(model.fc.weight.detach().std()) < 0.02
    else:
        assert bool((model(X) == 0).all())


def test_the_plan_keeps_all_others_by_name() -> None:
    plan = planned(recipes.transfer(), Trained(), Batch(X))
    assert plan.kept == ("gate", "conv.weight", "conv.bias", "norm.weight", "norm.bias")
    assert plan.unmatched == ()


def test_a_head_without_a_bias_is_one() -> None:
    plan = planned(recipes.transfer(), Decoder(16), Batch(tokens()))
    assert [row.parameter for row in plan.rows] == ["head.weight"]


def test_a_head_of_several_layers_is_named_and_its_last_starts_at_0() -> None:
    head = nn.Sequential(nn.Linear(8, 6), nn.LayerNorm(6), nn.ReLU(), nn.Linear(6, 4))
    for name in ("fc", "fc.*"):
        plan = planned(recipes.transfer(name), Trained(head=head), Batch(X))
        got = {row.parameter: row.scheme for row in plan.rows}
        assert got["fc.0.weight"] == schemes.he_normal()
        assert got["fc.1.weight"] == schemes.ones()
        assert got["fc.3.weight"] == schemes.zeros()
        assert len(got) == 6
    plan = planned(recipes.transfer(), Trained(head=head), Batch(X))
    assert [row.parameter for row in plan.rows] == ["fc.3.weight", "fc.3.bias"]


def test_a_head_that_is_tied_to_a_table_is_an_error_that_names_it() -> None:
    with pytest.raises(ModelError, match=r"'table\.weight' is tied.*head of its own"):
        planned(recipes.transfer(), Decoder(16, tied=True), Batch(tokens()))


def test_a_network_without_a_head_is_an_error() -> None:
    class Headless(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.decoder = Decoder(16)

        def forward(self, x: Tensor) -> Tensor:
            own = self.decoder
            return own.norm(own.blocks(own.table(x) + own.position))

    with pytest.raises(ModelError, match=r"Headless.*no head"):
        planned(recipes.transfer(), Headless(), Batch(tokens()))


def test_a_head_that_is_called_otherwise_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(ModelError, match=r"'classifier'.*'fc\.weight'"):
        planned(recipes.transfer("classifier"), Trained(), Batch(X))


def test_a_frozen_head_is_an_error() -> None:
    model = Trained()
    model.fc.requires_grad_(False)
    with pytest.raises(ModelError, match=r"'fc\.weight'.*requires no gradient"):
        planned(recipes.transfer(), model, Batch(X))


def test_a_negative_std_is_refused() -> None:
    with pytest.raises(InputError, match="std"):
        recipes.transfer(std=-1)


def test_the_model_is_only_read_and_plans_are_equal() -> None:
    model = Trained()
    before = parameter_bits(model)
    recipe = recipes.transfer(std=0.01)
    assert planned(recipe, model, Batch(X)) == planned(recipe, model, Batch(X))
    assert_same_parameters(model, before)
