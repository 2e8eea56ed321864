"""Zero where it is right, and what came after the textbook: judged on numbers that are known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import fanin
from fanin.ensembles import load
from fanin.guide.checks import verdict
from fanin.guide.claims import edge_of_chaos, gpt2_scaling, mup_rate, prior_bias, zero_sparsity
from fanin.guide.laboratory import mlp
from fanin.guide.laboratory.rate_sweep import losses_by_rate
from fanin.guide.laboratory.residual import residual


@pytest.mark.parametrize(
    ("left", "sparse", "expected"),
    [(0.02, 0.5, "refuted"), (1.0, 0.5, "qualified"), (1.0, 0.7, "supported")],
)
def test_sparsity_is_judged_by_the_zeros_that_are_left(
    left: float, sparse: float, expected: str
) -> None:
    numbers = {"left": [[1.0, left]] * 3, "off": {"sparse": [sparse] * 3, "dense": [0.5] * 3}}
    assert verdict(zero_sparsity.judge(numbers)) == expected


@pytest.mark.parametrize(
    ("beginning", "end", "expected"),
    [(2.0, 2.0, "supported"), (2.0, 1.0, "qualified"), (1.0, 2.0, "refuted")],
)
def test_a_prior_is_judged_by_the_first_steps_and_how_long_the_gain_lasts_is_its_scope(
    beginning: float, end: float, expected: str
) -> None:
    ones = {"first": [0.1] * 4, "beginning": [0.1] * 4, "end": [0.1] * 4}
    zero = {"first": [0.7] * 4, "beginning": [0.1 * beginning] * 4, "end": [0.1 * end] * 4}
    assert verdict(prior_bias.judge({"zero": zero, "prior": ones})) == expected


def test_a_depth_between_those_that_theory_speaks_of_is_not_judged() -> None:
    accuracy = {"6": [0.9] * 3, "36": [0.1] * 3}
    deepest = {"deepest": 80, "at_the_edge": [0.2] * 3}
    checks = edge_of_chaos.judge({"xi": {"here": 9.0}, "accuracy": {"here": accuracy}, **deepest})
    assert [check.met for check in checks] == [True, False]
    checks = edge_of_chaos.judge({"xi": {"here": 4.0}, "accuracy": {"here": accuracy}, **deepest})
    assert [check.met for check in checks] == [True, True, False]


def test_a_best_rate_that_falls_with_the_width_refutes_mup() -> None:
    rates = [0.01, 0.02, 0.04, 0.08, 0.16]
    narrow, wide = [5.0, 4.0, 3.0, 1.0, 2.0], [5.0, 1.0, 3.0, 4.0, 6.0]
    moved = {"16": [narrow] * 3, "256": [wide] * 3}
    stayed = {"16": [narrow] * 3, "256": [narrow] * 3}
    numbers = {"recipe": "mup", "rates": rates}
    assert verdict(mup_rate.judge({**numbers, "loss": {"tried": moved, "standard": moved}})) == (
        "refuted"
    )
    assert verdict(mup_rate.judge({**numbers, "loss": {"tried": stayed, "standard": moved}})) == (
        "supported"
    )


def test_losses_by_rate_are_those_of_torch_adam_on_the_groups_of_the_plan() -> None:
    data, recipe, rates, steps = load("digits"), fanin.recipes.mup(base=8), [0.002, 0.02], 12
    [found] = losses_by_rate(
        lambda: mlp(1, 32), recipe, data, rates=rates, seeds=[3], steps=steps
    )  # fmt: skip
    loss = nn.functional.cross_entropy
    for rate, reached in zip(rates, found, strict=True):
        model = mlp(1, 32)
        plan = recipe.plan(model, data.x_train[:256], data.y_train[:256], loss=loss)
        plan.init_(model, 3)
        optimizer = torch.optim.Adam(plan.param_groups(rate))
        generator = torch.Generator().manual_seed(3)
        for _ in range(steps):
            chosen = torch.randint(len(data.x_train), (64,), generator=generator)
            optimizer.zero_grad()
            torch.autograd.backward(loss(model(data.x_train[chosen]), data.y_train[chosen]))
            optimizer.step()
        with torch.no_grad():
            assert float(loss(model(data.x_train), data.y_train)) == pytest.approx(reached, 1e-3)


def test_a_residual_network_with_zero_branches_is_two_linear_layers() -> None:
    model = residual(6, 16)
    fanin.init_(model, {"*.second.weight": "zeros", "*": "he_normal"}, seed=1)
    x = torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(model(x), model[-1](model[0](x)))


def test_the_stream_of_the_unscaled_transformer_grows_like_the_number_of_branches() -> None:
    growth = {"not scaled": [[1.0, 12.0]] * 3, "scaled": [[1.0, 1.1]] * 3}
    numbers = {"depths": [2, 24], "recipe": "gpt2", "added": growth}
    equal = {"not scaled": [0.5] * 3, "scaled": [0.5] * 3}
    worse = {"not scaled": [0.8] * 3, "scaled": [0.5] * 3}
    assert verdict(gpt2_scaling.judge({**numbers, "loss": equal})) == "qualified"
    assert verdict(gpt2_scaling.judge({**numbers, "loss": worse})) == "supported"
