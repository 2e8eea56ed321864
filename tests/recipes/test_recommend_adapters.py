"""Low-rank adapters beside frozen weights: the trained network's output stays as it is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import fanin
from fanin.schemes import torch_default, zeros


class Adapted(nn.Module):
    def __init__(self, trained: nn.Linear, rank: int = 4, *, frozen: bool = True) -> None:
        super().__init__()
        self.trained = trained.requires_grad_(not frozen)
        self.down = nn.Linear(trained.in_features, rank, bias=False)
        self.up = nn.Linear(rank, trained.out_features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.trained(x) + 2 * self.up(self.down(x))


def network(*, frozen: bool = True) -> tuple[nn.Sequential, nn.Sequential]:
    """A trained network, and the same with adapters that are drawn anyhow."""
    plain = fanin.init_(
        nn.Sequential(nn.Linear(32, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 5)),
        "he_normal",
    )
    layers = [Adapted(one, frozen=frozen) if isinstance(one, nn.Linear) else one for one in plain]
    return plain, nn.Sequential(*layers)


X = torch.randn(64, 32, generator=torch.Generator().manual_seed(0))
Y = torch.arange(64) % 5


def test_adapters_start_at_zero_beside_what_is_frozen():
    plain, adapted = network()
    before = plain(X)
    plan = fanin.recommend(adapted, X, Y, loss=F.cross_entropy)
    schemes = {row.parameter: row.scheme for row in plan.rows}
    for place in ("0", "2", "4"):
        assert schemes[f"{place}.up.weight"] == zeros()
        assert schemes[f"{place}.down.weight"] == torch_default()
        assert f"{place}.trained.weight" not in schemes
    assert "beside the frozen '0.trained.weight'" in plan.row("0.up.weight").reason
    plan.init_(adapted, seed=3)
    assert torch.equal(adapted(X), before)
    fanin.init_(adapted, "auto", inputs=X, targets=Y, loss=F.cross_entropy)
    assert torch.equal(adapted(X), before)


def test_it_is_what_the_recipe_lora_prescribes():
    _, adapted = network()
    ours = {row.parameter: row.scheme for row in fanin.recommend(adapted, X, Y).rows}
    named = {row.parameter: row.scheme for row in fanin.recipes.lora().plan(adapted, X).rows}
    assert {name: ours[name] for name in named} == named


def test_a_branch_of_small_rank_beside_a_weight_that_is_trained_is_no_adapter():
    _, adapted = network(frozen=False)
    schemes = {row.parameter: row.scheme for row in fanin.recommend(adapted, X, Y).rows}
    assert schemes["2.up.weight"] != zeros()


@pytest.mark.parametrize("seed", [0, 1])
def test_the_adapters_then_train(seed: int):
    _, adapted = network()
    adapted = fanin.init_(adapted, "auto", inputs=X, targets=Y, loss=F.cross_entropy, seed=seed)
    trained = [one for one in adapted.parameters() if one.requires_grad]
    optimizer = torch.optim.Adam(trained, 0.01)
    losses = []
    for _ in range(60):
        loss = F.cross_entropy(adapted(X), Y)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]
