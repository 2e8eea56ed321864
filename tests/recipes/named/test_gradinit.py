"""GradInit: scales at which one optimizer step lowers the loss most."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import fanin
from fanin.errors import InputError, UnknownNameError
from fanin.recipes import as_recipe
from fanin.recipes.named.gradinit import gradinit
from fanin.schemes import constant, he_normal, normal, scaled, zeros
from tests.observation.snapshot import differences, snapshot
from tests.recipes.named.residual_networks import VECTORS, assert_only_reads, assert_refuses

CLASSES = torch.arange(64) % 3
TASK = {"targets": CLASSES, "loss": F.cross_entropy}


def deep(layers: int = 3, *, norm: bool = False) -> nn.Sequential:
    torch.manual_seed(0)
    inner = [
        m
        for _ in range(layers)
        for m in (nn.Linear(12, 12), *([nn.BatchNorm1d(12)] if norm else []), nn.ReLU())
    ]
    return nn.Sequential(nn.Linear(6, 12), nn.ReLU(), *inner, nn.Linear(12, 3))


def gradient_norm(model: nn.Module, *, order: int) -> float:
    grads = torch.autograd.grad(
        F.cross_entropy(model(VECTORS), CLASSES), list(model.parameters())
    )  # fmt: skip
    return float(torch.cat([it.flatten() for it in grads]).norm(order))


def test_the_first_step_of_adam_moves_every_scale_by_the_rate() -> None:
    plan = gradinit(iterations=1).plan(deep(), VECTORS, **TASK)
    factors = [row.scheme.factor for row in plan.rows if row.parameter.endswith("weight")]
    assert len(factors) == 5
    assert all(abs(factor - 1) == pytest.approx(0.01, rel=1e-4) for factor in factors)
    assert plan.row("0.bias").scheme == zeros()


def test_the_bound_is_descended_while_it_does_not_hold() -> None:
    # w^2 at w = 2: the norm of the gradient is 4, and it falls as the scale does
    model, x = nn.Linear(1, 1, bias=False), torch.ones(3, 1)
    recipe = gradinit(base=constant(2.0), iterations=10, gamma=1.0)
    plan = recipe.plan(model, x, loss=lambda out: out.square().mean())
    assert plan.row("weight").scheme.factor == pytest.approx(0.9, rel=1e-3)
    assert plan.notes == ("the gradient was above 1 in 10 of 10 iterations",)


def test_the_loss_after_the_step_is_descended_where_the_bound_holds() -> None:
    # (w - 1)^2 at w = 2, eta 0.1: after the step w = 1.9, so the loss falls as the scale does
    model, x = nn.Linear(1, 1, bias=False), torch.ones(3, 1)
    recipe = gradinit(base=constant(2.0), iterations=5, gamma=10.0)
    plan = recipe.plan(model, x, loss=lambda out: (out - 1).square().mean())
    assert plan.row("weight").scheme.factor == pytest.approx(0.95, rel=1e-3)
    first = float(plan.notes[0].removeprefix("loss after one step ").split()[0])
    assert first == pytest.approx(0.81, rel=1e-3)


@pytest.mark.parametrize(("optimizer", "order"), [("sgd", 2), ("adam", 1)])
def test_a_start_whose_gradient_explodes_is_brought_near_the_bound(
    optimizer: str, order: int
) -> None:
    recipe = gradinit(optimizer, iterations=150, base=normal(std=0.6), learning_rate=0.03, gamma=2)
    model = deep()
    plan = assert_only_reads(recipe, model, VECTORS, seed=1, **TASK)
    assert plan.seed == 1
    before = gradient_norm(fanin.init_(model, "normal:0.6", seed=1), order=order)
    after = gradient_norm(plan.init_(model), order=order)
    assert before > 4.0
    assert after < 0.5 * before


def test_the_loss_after_one_step_of_sgd_is_lower_than_that_of_he() -> None:
    recipe = gradinit(iterations=60, gamma=math.inf)

    def stepped(model: nn.Module) -> float:
        loss = F.cross_entropy(model(VECTORS), CLASSES)
        grads = torch.autograd.grad(loss, list(model.parameters()))
        size = torch.cat([it.flatten() for it in grads]).norm()
        with torch.no_grad():
            for parameter, it in zip(model.parameters(), grads, strict=True):
                parameter.sub_(0.1 * it / size)
            return float(F.cross_entropy(model(VECTORS), CLASSES))

    he = fanin.init_(deep(), "he_normal", seed=4)
    found = fanin.init_(deep(), recipe, inputs=VECTORS, seed=4, **TASK)
    assert stepped(found) < stepped(he) - 0.05


def test_norms_have_scales_too_and_no_scale_is_below_the_least() -> None:
    recipe = gradinit(iterations=40, learning_rate=0.5, least=0.2)
    plan = recipe.plan(deep(norm=True), VECTORS, **TASK)
    scales = [row.scheme.factor for row in plan.rows if isinstance(row.scheme, scaled)]
    assert isinstance(plan.row("3.weight").scheme, scaled)
    assert min(scales) == 0.2


def test_the_losses_are_those_of_thirds_that_share_a_half() -> None:
    seen: list[tuple[int, ...]] = []

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        seen.append(tuple(targets.tolist()))
        return F.mse_loss(outputs.squeeze(-1), targets.float())

    model, x = nn.Linear(6, 1), VECTORS[:6]
    gradinit(iterations=1, gamma=1e9).plan(model, x, torch.arange(6), loss=loss)
    *_, first, second = seen
    assert len(first) == len(second) == 4
    assert len({*first} & {*second}) == 2


def test_a_batch_that_cannot_be_cut_is_noted() -> None:
    plan = gradinit(iterations=2).plan(deep(), VECTORS[:2], CLASSES[:2], loss=F.cross_entropy)
    assert "could not be cut into thirds" in plan.notes[-1]


def test_settings_are_checked() -> None:
    assert as_recipe("gradinit:7") == gradinit(iterations=7)
    assert gradinit().base == he_normal()
    with pytest.raises(UnknownNameError, match="adam"):
        gradinit("adamw")
    with pytest.raises(InputError, match="iterations must be an integer"):
        gradinit(iterations=-1)


def test_it_needs_a_loss() -> None:
    with pytest.raises(InputError, match=r"gradinit.*give it one"):
        gradinit(iterations=1).plan(deep(), VECTORS)


def test_a_loss_that_is_not_finite_is_refused() -> None:
    recipe = gradinit(base=normal(std=1e15), iterations=1)
    assert_refuses(recipe, deep(), VECTORS, "at step 0", **TASK)


def test_an_interrupt_leaves_the_model_as_it_was() -> None:
    model, calls = deep(norm=True), []

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        calls.append(len(calls))
        if len(calls) == 9:
            raise KeyboardInterrupt
        return F.cross_entropy(outputs, targets)

    before = snapshot(model)
    with pytest.raises(KeyboardInterrupt):
        fanin.init_(model, gradinit(gamma=1e9), inputs=VECTORS, targets=CLASSES, loss=loss)
    calls.clear()
    assert not differences(before, snapshot(model))
