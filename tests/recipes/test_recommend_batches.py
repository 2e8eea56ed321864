"""``fanin.recommend``: batches, types and parts of every kind; what plans depend on."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import fanin
from fanin.schemes import constant
from tests.observation.bodies import Body
from tests.observation.snapshot import differences, snapshot
from tests.recipes.measured import assert_as_predicted, good, observed
from tests.recipes.networks import CLASSES, IMAGES, X, deep, noise, perceptron, resnet

# Inputs, types, parts that are frozen or unknown


@pytest.mark.parametrize("scale", [1e3, 1e-3, 1e-6])
@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
def test_inputs_on_another_scale_are_taken_to_one(scale: float, activation: Any) -> None:
    plan = good(perceptron(activation), X * scale, CLASSES, F.cross_entropy)
    assert plan.row("0.weight").std == pytest.approx(0.25 / scale, rel=0.15)
    assert "measured" in plan.row("0.weight").reason


def test_constant_inputs_and_inputs_far_from_zero() -> None:
    for inputs in (torch.ones(64, 16), X + 30):
        plan = fanin.recommend(perceptron(), inputs, CLASSES, loss=F.cross_entropy)
        assert_as_predicted(perceptron(), plan, inputs, CLASSES, F.cross_entropy, within=2.5)


def test_inputs_of_zeros_leave_the_rules_and_the_plan_says_so() -> None:
    plan = fanin.recommend(perceptron(), 0 * X, CLASSES, loss=F.cross_entropy)
    assert plan.row("0.weight").std == pytest.approx(0.25)
    weights = [row for row in plan.rows if row.layout is not None]
    assert [row.predicted for row in weights] == [None] * 3
    assert any("0.weight" in note and "are 0" in note for note in plan.notes)


def test_a_batch_of_one() -> None:
    plan = fanin.recommend(perceptron(), X[:1], CLASSES[:1], loss=F.cross_entropy)
    assert plan.unmatched == ()
    assert_as_predicted(perceptron(out=5), plan, X[:1], seeds=(0,))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("build", [perceptron, lambda: deep(nn.Tanh, 15)], ids=["short", "deep"])
def test_other_types(dtype: torch.dtype, build: Callable[[], nn.Module]) -> None:
    good(build().to(dtype), X.to(dtype), CLASSES, F.cross_entropy)


def test_a_frozen_backbone_is_kept_and_the_head_fits_it() -> None:
    model = perceptron()
    model[0].requires_grad_(False)
    with torch.no_grad():
        model[0].weight.mul_(100)
    plan = good(model, X, CLASSES, F.cross_entropy)
    assert plan.kept == ("0.weight", "0.bias")
    assert "measured" in plan.row("3.weight").reason


def test_a_model_all_frozen_has_an_empty_plan() -> None:
    model = perceptron().requires_grad_(False)
    plan = fanin.recommend(model, X)
    assert plan.rows == () == plan.unmatched
    assert len(plan.kept) == 6


def test_what_is_not_understood_or_not_used_is_unmatched() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.odd = nn.Linear(16, 16), weight_of(5, 16)
            self.unused = nn.Linear(3, 3)
            self.register_buffer("steps", torch.arange(3))

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(F.relu(self.a(x)), self.odd.cumsum(0))

    plan = fanin.recommend(Odd(), X)
    assert plan.unmatched == ("odd", "unused.weight", "unused.bias")


def weight_of(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape))


def test_orthogonal_parametrizations_are_left_alone() -> None:
    model = nn.Sequential(
        nn.utils.parametrizations.orthogonal(nn.Linear(16, 16)), nn.ReLU(), nn.Linear(16, 5)
    )
    plan = fanin.recommend(model, X)
    assert plan.unmatched == ("0.parametrizations.weight.original",)
    assert_as_predicted(model, plan, X)


def test_inputs_may_be_tuples_or_dicts_and_outputs_anything() -> None:
    model = Body(
        lambda m, x, z=None: (m.head(torch.tanh(m.a(x) + m.b(z))), {"x": [x]}),
        a=nn.Linear(16, 32), b=nn.Linear(8, 32), head=nn.Linear(32, 5),
    )  # fmt: skip
    z = noise(64, 8, seed=9)
    first, second = good(model, (X, z)), good(model, {"x": X, "z": z})
    assert first == second


def test_complex_outputs() -> None:
    good(Body(lambda m, x: torch.fft.fft(m.a(x)), a=nn.Linear(16, 16)), X)


# The plan depends on the model, the batch and the loss alone


def everything() -> nn.Module:
    """Buffers, dropout, and what else draws or counts in a pass."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.norm, self.drop = nn.Linear(16, 32), nn.BatchNorm1d(32), nn.Dropout(0.3)
            self.blocks = nn.ModuleList(nn.Linear(32, 32) for _ in range(3))
            self.head = nn.Linear(32, 5)

        def forward(self, x: Tensor) -> Tensor:
            x = self.drop(F.relu(self.norm(self.a(x))))
            for block in self.blocks:
                x = x + F.rrelu(block(self.drop(x)), training=self.training)
            return self.head(x * (1 + 0.1 * random.random() + 0.1 * float(np.random.rand())))  # noqa: NPY002

    return Model()


def seeded(number: int) -> None:
    torch.manual_seed(number)
    np.random.seed(number)  # noqa: NPY002
    random.seed(number)


def test_two_calls_give_equal_plans_whatever_the_generators() -> None:
    model = everything()
    plans = []
    for number in (1, 2, 3):
        seeded(number)
        plans.append(fanin.recommend(model, X, CLASSES, loss=F.cross_entropy))
    assert plans[0] == plans[1] == plans[2]


def test_current_weights_do_not_matter() -> None:
    plans = []
    for number, fill in ((1, None), (2, None), (3, 0.0), (3, 1e6), (3, math.nan)):
        torch.manual_seed(number)
        model = everything()
        if fill is not None:
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.fill_(fill)
        plans.append(fanin.recommend(model, X, CLASSES, loss=F.cross_entropy))
    assert all(plan == plans[0] for plan in plans[1:])


@pytest.mark.parametrize(
    "build", [lambda: perceptron(width=256), resnet], ids=["perceptron", "resnet"]
)
def test_the_number_of_threads_does_not_matter(build: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    model = build()
    inputs = IMAGES if isinstance(model[0], nn.Conv2d) else noise(256, 16)  # type: ignore[index]
    before = torch.get_num_threads()
    try:
        plans = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            plans.append(fanin.recommend(model, inputs))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert plans[0] == plans[1]


@pytest.mark.xfail(
    strict=True, reason="dropout is active in the passes of a model in training mode, and measured"
)
def test_dropout_does_not_matter() -> None:
    model = perceptron(drop=0.5)
    plans = [fanin.recommend(model.train(mode), X) for mode in (True, False)]
    assert [row.scheme for row in plans[0].rows] == [row.scheme for row in plans[1].rows]


def test_the_gradient_mode_does_not_matter() -> None:
    model = perceptron()
    expected = fanin.recommend(model, X)
    for surrounded in (torch.no_grad, torch.inference_mode):
        with surrounded():
            assert fanin.recommend(model, X) == expected


@pytest.mark.parametrize("fails", [None, "forward", "loss"])
def test_planning_changes_nothing(fails: str | None) -> None:
    model = everything()
    model.register_forward_hook(lambda m, i, o: None)
    model(X).sum().backward()
    model.a.eval()  # type: ignore[union-attr,operator]

    def loss(out: Tensor, targets: Tensor) -> Tensor:
        if fails == "loss":
            raise KeyError("boom")
        return F.cross_entropy(out, targets)

    inputs = X[:, :3] if fails == "forward" else X.clone()
    before = snapshot(model)
    try:
        fanin.recommend(model, inputs, CLASSES, loss=loss)
        assert fails is None
    except (KeyError, RuntimeError):
        assert fails is not None
    assert differences(before, snapshot(model)) == []
    assert torch.equal(inputs, X[:, :3] if fails == "forward" else X)


def test_seeds_of_init_change_no_plan() -> None:
    model = perceptron()
    plan = fanin.recommend(model, X)
    assert plan.seed is None
    for seed in (5, 6):
        plan.init_(model, seed)
        assert fanin.recommend(model, X) == plan


def test_what_is_predicted_was_measured() -> None:
    """The measured numbers are those of a pass with seed 0."""
    model = perceptron()
    plan = fanin.recommend(model, X, CLASSES, loss=F.cross_entropy)
    shown = observed(model, plan, 0, X, CLASSES, F.cross_entropy)
    signals = {signal.name: signal for signal in shown.signals}
    for row in plan.rows:
        if row.layout is None:
            assert row.measured is row.predicted is row.gradient is None
        else:
            signal = signals[row.parameter]
            assert signal.gradient is not None
            assert row.measured == pytest.approx(signal.forward.rms, rel=1e-3)
            assert row.gradient == pytest.approx(signal.gradient.rms, rel=1e-3)


def test_a_plan_can_be_changed_row_by_row() -> None:
    model = perceptron()
    plan = fanin.recommend(model, X)
    changed = plan.replaced([replace(plan.row("5.weight"), scheme=constant(0.0))])
    changed.init_(model, 1)
    assert not bool(model[5].weight.any())
