"""Admin: factors on the skips, measured with the weights of the seed."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fanin.errors import InputError, ModelError
from fanin.recipes.named.admin import admin
from tests.recipes.named.transformer_models import gpt2_model, ids, stacked, vectors


def by_hand(model: nn.Sequential, x: torch.Tensor) -> list[float]:
    """The factors from the branches run one by one, with all factors 1."""
    square, found = 1.0, []
    for block in model:
        for branch, norm in (
            (block.mixer, block.norms[0]),
            (lambda t, block=block: block.down(F.relu(block.up(t))), block.norms[1]),
        ):
            found.append(math.sqrt(square))
            made = branch(x)
            square += float(made.var(correction=0))
            x = norm(x + made)
    return found


def test_each_factor_is_what_was_added_before() -> None:
    model, x = stacked(4, omega=True), vectors()
    plan = admin().plan(model, x, seed=5)
    plan.init_(model)
    omegas = [omega[0].item() for block in model for omega in block.omegas]
    with torch.no_grad():
        expected = by_hand(model, x)
    assert omegas == pytest.approx(expected, rel=1e-4)
    assert omegas[0] == 1.0
    assert omegas == sorted(omegas)


def test_weights_are_xaviers() -> None:
    plan = admin().plan(stacked(2, omega=True), vectors())
    for row in plan.rows:
        if row.parameter.endswith(("up.weight", "down.weight")):
            assert row.std == pytest.approx(math.sqrt(2 / 48))
        elif row.parameter.endswith("q.weight"):
            assert row.std == pytest.approx(0.25)


def test_the_plan_holds_for_its_seed_alone_and_is_the_same_again() -> None:
    model = stacked(2, omega=True)
    before = {name: p.clone() for name, p in model.named_parameters()}
    first, again = (admin().plan(model, vectors(), seed=3) for _ in range(2))
    assert first == again
    assert first.seed == 3
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert first.rows != admin().plan(model, vectors(), seed=4).rows
    with pytest.raises(InputError, match="seed 3"):
        first.init_(model, 4)


def test_what_forward_multiplies_the_skip_by_is_counted_in() -> None:
    model = stacked(2, omega=True, alpha=2.0)
    admin().plan(model, vectors()).init_(model)
    assert model[0].omegas[0][0].item() == pytest.approx(0.5)


def test_a_factor_on_the_branch_is_none_on_the_skip() -> None:
    class Behind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mixer, self.norm = stacked(1)[0].mixer, nn.LayerNorm(16)
            self.gamma = nn.Parameter(torch.ones(16))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(x + self.gamma * self.mixer(x))

    with pytest.raises(ModelError, match="no trainable parameter scales that of the residual br"):
        admin().plan(Behind(), vectors())


def test_a_factor_at_the_start_of_the_branch_is_none_on_the_skip() -> None:
    class Before(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.mixer = nn.Linear(16, 16), stacked(1)[0].mixer
            self.gamma, self.norm = nn.Parameter(torch.ones(16)), nn.LayerNorm(16)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.stem(x)
            return self.norm(x + self.mixer(self.gamma * x))

    with pytest.raises(ModelError, match="no trainable parameter scales that of the residual br"):
        admin().plan(Before(), vectors())


def test_a_branch_without_such_a_parameter_is_named() -> None:
    model = stacked(2, omega=True)
    model[1].omegas = None
    with pytest.raises(ModelError, match=r"scales that of the residual branch of '1.mixer.q.wei"):
        admin().plan(model, vectors())


def test_pre_norm_is_refused() -> None:
    with pytest.raises(ModelError, match=r"'admin' is for post-norm .* is pre-norm"):
        admin().plan(gpt2_model(1), ids())


def test_no_branch_outweighs_what_came_before_it() -> None:
    model, x = stacked(12, omega=True), vectors()
    admin().plan(model, x).init_(model)
    with torch.no_grad():
        for block in model:
            skip, added = block.skip(x, 0), block.mixer(x)
            assert float(added.std()) < float(skip.std())
            x = block(x)
