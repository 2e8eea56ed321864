"""CompleteP: muP by width and depth."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fanin import recipes
from fanin.errors import InputError, ModelError
from fanin.recipes import Batch, Plan, planned
from tests.recipes.named.decoder import Decoder, tokens
from tests.recipes.state import assert_same_parameters, parameter_bits


def plan_of(model: nn.Module, **named: object) -> Plan:
    return planned(recipes.complete_p(**named), model, Batch(tokens()))


@pytest.mark.parametrize("alpha", [0.5, 0.75, 1.0])
def test_the_table_holds_inside_and_outside_of_branches(alpha: float) -> None:
    model = Decoder(32, 4)
    plain = planned(recipes.mup(16), model, Batch(tokens()))
    plan = plan_of(model, base=16, base_depth=2, alpha=alpha)
    r = 8 / 2
    for row, before in zip(plan.rows, plain.rows, strict=True):
        rate = decay = std = 1.0
        if row.parameter.startswith("blocks"):
            rate = r ** (alpha - 1)
            if row.parameter.split(".")[-2] in {"out", "down"}:
                rate, decay, std = rate * r**-alpha, r**alpha, r**-alpha
        assert math.isclose(row.learning_rate, before.learning_rate * rate), row.parameter
        assert math.isclose(row.weight_decay, before.weight_decay * decay), row.parameter
        assert math.isclose(row.std, before.std * std), row.parameter


def test_at_the_depth_of_the_base_it_is_mup() -> None:
    model = Decoder(32, 2)
    plain = planned(recipes.mup(16), model, Batch(tokens()))
    for row, before in zip(plan_of(model, base=16, base_depth=4).rows, plain.rows, strict=True):
        assert (row.std, row.learning_rate) == (before.std, before.learning_rate)


def test_the_folded_factor_trains_as_one_in_the_models_code_does() -> None:
    """Under AdamW, up to rounding and eps."""
    outputs = []
    for fold in (True, False):
        model = Decoder(16, 4, branch_factor=1.0 if fold else 0.5).double()
        plan = plan_of(model, base=16, base_depth=4 if fold else 8)
        plan.init_(model, 5)
        optimizer = torch.optim.AdamW(plan.param_groups(0.01, weight_decay=0.1), eps=1e-30)
        for _ in range(4):
            optimizer.zero_grad()
            F.cross_entropy(model(tokens()).flatten(0, 1), tokens().flatten()).backward()
            optimizer.step()
        outputs.append(model(tokens()).detach())
    assert torch.allclose(outputs[0], outputs[1], atol=1e-6)


def test_eps_which_a_plan_cannot_set_is_noted() -> None:
    assert any("eps" in note for note in plan_of(Decoder(32)).notes)


def test_a_model_without_branches_is_an_error() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    with pytest.raises(ModelError, match=r"'complete_p'.*residual branches.*'mup'"):
        planned(recipes.complete_p(8), model, Batch(torch.randn(3, 4)))


def test_a_norm_behind_the_last_weight_of_a_branch_is_an_error_that_names_both() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.inner = nn.Linear(4, 8), nn.Linear(8, 8)
            self.norm, self.head = nn.BatchNorm1d(8), nn.Linear(8, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.stem(x).relu()
            return self.head(x + self.norm(self.inner(x)))

    with pytest.raises(ModelError, match=r"'norm'.*'inner\.weight'"):
        planned(recipes.complete_p(8), Net(), Batch(torch.randn(5, 4)))


def test_what_mup_refuses_it_refuses_in_its_own_name() -> None:
    with pytest.raises(ModelError, match=r"'complete_p'.*'table\.weight'"):
        plan_of(Decoder(16, tied=True))
    assert plan_of(Decoder(16, tied=True), tied="table").row("table.weight").std == 1


@pytest.mark.parametrize(
    "named", [{"base_depth": 0}, {"base_depth": 1.5}, {"alpha": 0.4}, {"alpha": "1"}, {"base": -1}]
)
def test_arguments_out_of_range_are_refused(named: dict[str, object]) -> None:
    with pytest.raises(InputError, match="|".join(named)):
        recipes.complete_p(**named)


def test_it_is_known_by_its_names() -> None:
    assert recipes.as_recipe("completep:64") == recipes.complete_p(64)
    assert str(recipes.complete_p(64, alpha=0.5)) == "complete_p(base=64, alpha=0.5)"


def test_the_model_is_only_read_and_plans_are_equal() -> None:
    model = Decoder(16, 3)
    before = parameter_bits(model)
    assert plan_of(model) == plan_of(model)
    assert_same_parameters(model, before)
