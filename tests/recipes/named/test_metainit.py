"""MetaInit: norms of weights by descent of the gradient quotient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import fanin
from fanin.errors import InputError
from fanin.recipes import as_recipe
from fanin.recipes.named.metainit import metainit
from fanin.schemes import constant, normal, scaled, zeros
from tests.observation.snapshot import differences, snapshot
from tests.recipes.named.residual_networks import VECTORS, assert_only_reads, assert_refuses

CLASSES = torch.arange(64) % 3
TASK = {"targets": CLASSES, "loss": F.cross_entropy}


def deep(activation: type[nn.Module] = nn.Tanh, layers: int = 5) -> nn.Sequential:
    inner = [m for _ in range(layers) for m in (nn.Linear(12, 12), activation())]
    return nn.Sequential(nn.Linear(6, 12), activation(), *inner, nn.Linear(12, 3))


def quotients(note: str) -> tuple[float, float]:
    words = note.removeprefix("gradient quotient ").split()
    return float(words[0]), float(words[-2])


def half_square(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square().sum() / 2


def test_the_quotient_of_a_parabola_is_its_curvature() -> None:
    # loss (2 w - 7)^2 / 2: g = 2 (2 w - 7), H = 4, |(g - 4 g) / g - 1| = 4
    model, x = nn.Linear(1, 1, bias=False), torch.full((1, 1), 2.0)
    recipe = metainit(base=constant(1.0), steps=0)
    plan = recipe.plan(model, x, torch.full((1, 1), 7.0), loss=half_square)
    assert quotients(plan.notes[0]) == pytest.approx((4.0, 4.0), rel=1e-3)
    assert plan.row("weight").scheme == scaled(constant(1.0), 1.0)


@pytest.mark.parametrize(("steps", "way"), [(1, 0.1), (2, 0.29), (3, 0.561)])
def test_norms_move_by_signs_with_momentum(steps: int, way: float) -> None:
    # loss w^4 / 4 at w = 5: |(g - Hg) / g - 1| = H = 3 w^2, so the norm shrinks all the while
    model, x = nn.Linear(1, 1, bias=False), torch.ones(1, 1)
    recipe = metainit(base=constant(5.0), steps=steps)
    plan = recipe.plan(model, x, loss=lambda out: out.pow(4).sum() / 4)
    assert plan.row("weight").scheme.factor == pytest.approx((5 - way) / 5, rel=1e-5)


def test_a_bad_start_has_a_lower_quotient_afterwards() -> None:
    recipe = metainit(base=normal(std=1.0), steps=60)
    plan = assert_only_reads(recipe, deep(), VECTORS, seed=2, **TASK)
    before, after = quotients(plan.notes[0])
    assert after < 0.6 * before
    assert plan.seed == 2
    factors = [row.scheme.factor for row in plan.rows if row.parameter.endswith("weight")]
    assert min(factors) < 0.7
    assert plan.row("0.bias").scheme == zeros()
    assert "MetaInit" in plan.citation()


def test_the_model_has_the_norms_of_the_plan() -> None:
    model, recipe = deep(), metainit(steps=5)
    plan = recipe.plan(model, VECTORS, seed=1, **TASK)
    start = recipe.base.init_(
        torch.empty(12, 12), seed=1, name="2.weight", layout=plan.row("2.weight").layout
    )
    fanin.init_(model, recipe, inputs=VECTORS, seed=1, **TASK)
    factor = plan.row("2.weight").scheme.factor
    assert factor != 1.0
    assert torch.allclose(model[2].weight, factor * start)


def test_attention_and_norms_are_differentiated_twice() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.Sequential(nn.Linear(6, 8), layer, nn.Linear(8, 3))
    x, y = VECTORS.view(16, 4, 6), CLASSES.view(16, 4)
    plan = metainit(steps=2).plan(
        model, x, y, loss=lambda out, targets: F.cross_entropy(out.flatten(0, 1), targets.flatten())
    )
    assert plan.row("1.self_attn.in_proj_weight").scheme.factor != 1.0


def test_the_number_of_steps_is_its_argument() -> None:
    assert as_recipe("metainit:20") == metainit(steps=20)
    assert metainit().steps == 500
    with pytest.raises(InputError, match="steps must be an integer"):
        metainit(steps=1.5)


def test_it_needs_a_loss() -> None:
    with pytest.raises(InputError, match=r"metainit.*give it one.*cross_entropy"):
        metainit(steps=1).plan(deep(), VECTORS)


class Distances(nn.Module):
    """To fixed points; the derivative of its derivative is not implemented in torch."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cdist(x, torch.eye(12), p=3.0)


def test_an_operation_without_second_derivative_is_refused() -> None:
    words = ("second derivatives", "_cdist_backward", "'lsuv'")
    assert_refuses(metainit(steps=1), deep(Distances, 1), VECTORS, *words, **TASK)


def test_a_quotient_that_is_not_finite_is_refused() -> None:
    recipe = metainit(base=normal(std=1e15), steps=1)
    assert_refuses(recipe, deep(nn.ReLU), VECTORS, "at step 0", **TASK)


def test_an_interrupt_leaves_the_model_as_it_was() -> None:
    model, calls = deep(), []

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        calls.append(outputs)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return F.cross_entropy(outputs, targets)

    before = snapshot(model)
    with pytest.raises(KeyboardInterrupt):
        fanin.init_(model, metainit(steps=50), inputs=VECTORS, targets=CLASSES, loss=loss)
    calls.clear()
    assert not differences(before, snapshot(model))
