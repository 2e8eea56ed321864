"""LoRA."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

import fanin
from fanin import recipes, schemes
from fanin.errors import ModelError
from fanin.recipes import Batch, planned
from tests.recipes.state import assert_same_parameters, parameter_bits

X = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))


class Adapted(nn.Module):
    """A frozen layer with an adapter, in the words of no library."""

    def __init__(self, base: nn.Linear, rank: int, *, first: bool = False) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.thin, self.thick = (
            nn.Linear(base.in_features, rank, False),
            nn.Linear(rank, base.out_features, False),
        )
        self.dropout, self.first = nn.Dropout(0.1), first

    def forward(self, x: Tensor) -> Tensor:
        added = self.thick(self.thin(self.dropout(x))) * 2.0
        return added + self.base(x) if self.first else self.base(x) + added


def adapted(rank: int = 2, **named: bool) -> nn.Sequential:
    return nn.Sequential(
        Adapted(nn.Linear(5, 16), rank, **named),
        nn.ReLU(),
        Adapted(nn.Linear(16, 16), rank, **named),
        nn.LayerNorm(16),
        nn.Linear(16, 3),
    )


@pytest.mark.parametrize("first", [False, True])
def test_the_output_is_unchanged_and_all_but_the_pairs_is_kept(first: bool) -> None:
    model = adapted(first=first).eval()
    nn.init.zeros_(model[0].thick.weight)
    nn.init.zeros_(model[2].thick.weight)
    expected = model(X).detach()
    for parameter in (model[0].thick.weight, model[2].thick.weight):
        nn.init.normal_(parameter)
    before = parameter_bits(model)
    fanin.init_(model, "lora", inputs=X, seed=1)
    assert torch.equal(model(X), expected)
    changed = [name for name, now in parameter_bits(model).items() if now != before[name]]
    assert changed == ["0.thin.weight", "0.thick.weight", "2.thin.weight", "2.thick.weight"]


def test_a_has_the_bound_of_its_fan_in() -> None:
    plan = planned(recipes.lora(), adapted(3), Batch(X))
    for place, fan_in in ((0, 5), (2, 16)):
        row = plan.row(f"{place}.thin.weight")
        drawn = row.scheme.init_(torch.empty(row.shape), layout=row.layout)
        assert float(drawn.abs().max()) <= 1 / math.sqrt(fan_in)
        assert math.isclose(row.std, 1 / math.sqrt(3 * fan_in))
        assert f"'{place}.base.weight'" in row.reason
        assert "rank 3" in row.reason
        assert plan.row(f"{place}.thick.weight").scheme == schemes.zeros()
    assert plan.unmatched == ()
    assert len(plan.kept) == 8


def test_adapters_of_convolutions_are_found() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.base = nn.Conv2d(8, 8, 3, padding=1).requires_grad_(False)
            self.a, self.b = nn.Conv2d(8, 2, 3, padding=1, bias=False), nn.Conv2d(2, 8, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.base(x) + self.b(self.a(x))

    plan = planned(recipes.lora(), Net(), Batch(torch.randn(2, 8, 5, 5)))
    assert [row.parameter for row in plan.rows] == ["a.weight", "b.weight"]


def test_a_frozen_half_is_an_error_that_names_it() -> None:
    model = adapted()
    model[0].thin.weight.requires_grad_(False)
    with pytest.raises(ModelError, match=r"'0\.thin\.weight', and it requires no gradient"):
        planned(recipes.lora(), model, Batch(X))


class Bottleneck(nn.Module):
    """What is no adapter: a function between, a wide rank, or another input."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.stem, self.base = nn.Linear(5, 16), nn.Linear(16, 16)
        rank = 16 if kind == "wide" else 2
        self.a, self.b = nn.Linear(16, rank), nn.Linear(rank, 16)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        if self.kind == "identity":
            return x + self.b(self.a(x))
        if self.kind == "function":
            return self.base(x) + self.b(self.a(x).relu())
        if self.kind == "other input":
            return self.base(x) + self.b(self.a(x.flip(0).softmax(-1)))
        return self.base(x) + self.b(self.a(x))


@pytest.mark.parametrize("kind", ["identity", "function", "wide", "other input"])
def test_what_is_no_pair_beside_a_weight_is_an_error(kind: str) -> None:
    with pytest.raises(ModelError, match=r"'lora'.*Bottleneck.*'transfer'"):
        planned(recipes.lora(), Bottleneck(kind), Batch(X))


def test_the_same_weights_with_a_small_rank_are_a_pair() -> None:
    plan = planned(recipes.lora(), Bottleneck("a pair"), Batch(X))
    assert [row.parameter for row in plan.rows] == ["a.weight", "b.weight"]


def test_the_model_is_only_read_and_plans_are_equal() -> None:
    model = adapted()
    before = parameter_bits(model)
    recipe = recipes.as_recipe("lora")
    assert planned(recipe, model, Batch(X)) == planned(recipe, model, Batch(X))
    assert_same_parameters(model, before)
