"""``fanin.recommend``: what the loss and its targets ask of heads."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import fanin
from tests.recipes.measured import assert_as_predicted, assert_healthy, good
from tests.recipes.networks import CLASSES, IMAGES, X, noise, perceptron

REGRESSIONS = [F.mse_loss, F.l1_loss, F.huber_loss, F.smooth_l1_loss]


@pytest.mark.parametrize("loss", REGRESSIONS)
@pytest.mark.parametrize(("offset", "scale"), [(0, 1), (50, 1), (5000, 1000), (-3e-3, 1e-4)])
def test_a_head_starts_at_the_mean_of_its_targets_and_on_their_scale(
    loss: Any, offset: float, scale: float
) -> None:
    model, targets = perceptron(out=1), offset + scale * noise(64, 1, seed=5)
    plan = fanin.recommend(model, X, targets, loss=loss)
    plan.init_(model, 1)
    with torch.no_grad():
        out = model(X)
    assert float(out.std()) < float(targets.std())
    far = abs(offset) > scale
    assert float(out.mean()) == pytest.approx(offset if far else 0.0, abs=0.7 * scale)
    if far:
        assert_as_predicted(model, plan, X, targets, loss)
        assert_healthy(model, plan, X, targets, loss)


def test_each_output_has_its_own_mean() -> None:
    means = torch.tensor([0.0, 50.0, -500.0])
    targets = noise(64, 3, seed=5) + means
    model = perceptron(out=3)
    plan = good(model, X, targets, F.mse_loss, healthy=False)
    plan.init_(model, 1)
    assert torch.allclose(model[-1].bias.detach(), means, atol=0.5)


def test_a_function_behind_the_head_takes_the_bias_of_none() -> None:
    """The mean of the targets is not what a logit should start at."""
    model = nn.Sequential(*perceptron(out=1), nn.Sigmoid())
    plan = fanin.recommend(model, X, torch.full((64, 1), 0.9) + 0.01 * X[:, :1], loss=F.mse_loss)
    assert plan.row("5.bias").std == 0
    plan.init_(model, 1)
    assert not bool(model[5].bias.any())
    assert plan.row("5.weight").predicted == pytest.approx(1.0)


def rare() -> Tensor:
    """Class 0 for 60 of 64, 1 for the rest."""
    return (torch.arange(64) % 16 == 3).long()


def bias_of(model: nn.Sequential, targets: Tensor, loss: Any) -> Tensor:
    plan = good(model, X, targets, loss)
    plan.init_(model, 1)
    last = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
    return last.bias.detach()


def test_classes_of_unequal_frequency_set_the_bias() -> None:
    bias = bias_of(perceptron(out=2), rare(), F.cross_entropy)
    assert float(bias[0] - bias[1]) == pytest.approx(math.log(60 / 4), rel=0.1)


@pytest.mark.parametrize(
    "loss", [F.cross_entropy, lambda o, t: F.cross_entropy(o, t, label_smoothing=0.1)]
)
def test_classes_of_equal_frequency_set_none(loss: Any) -> None:
    assert not bool(bias_of(perceptron(), torch.arange(64) % 5, loss).any())


def test_a_class_that_is_absent_has_a_finite_bias() -> None:
    bias = bias_of(perceptron(), torch.zeros(64, dtype=torch.long), F.cross_entropy)
    assert bool(bias.isfinite().all())
    assert float(bias[0]) > float(bias[1:].max()) + 2


def test_log_probabilities_set_the_bias_too() -> None:
    model = nn.Sequential(*perceptron(out=2), nn.LogSoftmax(-1))
    bias = bias_of(model, rare(), F.nll_loss)
    assert float(bias[0] - bias[1]) == pytest.approx(math.log(60 / 4), rel=0.1)


@pytest.mark.parametrize("end", [None, nn.Sigmoid()], ids=["logits", "probabilities"])
def test_rare_ones_set_the_bias_of_a_binary_head(end: nn.Module | None) -> None:
    model = perceptron(out=1)
    loss = F.binary_cross_entropy_with_logits if end is None else F.binary_cross_entropy
    bias = bias_of(
        model if end is None else nn.Sequential(*model, end), rare().float()[:, None], loss
    )
    assert float(bias) == pytest.approx(-math.log(60 / 4), rel=0.15)


def test_ignored_targets_do_not_count() -> None:
    targets = rare()
    targets[:32] = -100
    bias = bias_of(perceptron(out=2), targets, F.cross_entropy)
    assert float(bias[0] - bias[1]) == pytest.approx(math.log(30 / 2), rel=0.2)


@pytest.mark.xfail(strict=True, reason="what the loss ignores is not known, so class 4 counts")
def test_an_ignored_class_does_not_count() -> None:
    targets = torch.arange(64) % 4
    targets[::2] = 4
    bias = bias_of(perceptron(), targets, lambda o, t: F.cross_entropy(o, t, ignore_index=4))
    assert float(bias[4]) <= float(bias[:4].max())


@pytest.mark.xfail(strict=True, reason="the weights of classes in the loss are not known")
def test_weights_of_classes_count() -> None:
    """Weighted by the inverse of their frequency, both classes are as likely."""
    weights = torch.tensor([1.0, 15.0])
    bias = bias_of(perceptron(out=2), rare(), lambda o, t: F.cross_entropy(o, t, weight=weights))
    assert abs(float(bias[0] - bias[1])) < 0.5


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.kind, self.size = nn.Linear(16, 32), nn.Linear(32, 5), nn.Linear(32, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = F.relu(self.body(x))
        return {"kind": self.kind(x), "size": self.size(x)}


def test_two_heads_without_a_loss_have_rms_1() -> None:
    plan = good(Two(), X)
    assert {plan.row(f"{name}.weight").predicted for name in ("kind", "size")} == {1.0}


@pytest.mark.xfail(strict=True, reason="of several losses it is not known which judges which head")
def test_two_heads_with_a_loss_each_have_their_own_bias() -> None:
    model, size = Two(), 50 + noise(64, 1, seed=5)
    plan = fanin.recommend(
        model, X, {"kind": CLASSES, "size": size},
        loss=lambda o, t: F.cross_entropy(o["kind"], t["kind"]) + F.mse_loss(o["size"], t["size"]),
    )  # fmt: skip
    plan.init_(model, 1)
    assert float(model.size.bias) == pytest.approx(50, abs=1)


def test_a_loss_that_is_not_of_torch_leaves_the_head_at_rms_1() -> None:
    plan = good(
        perceptron(), X, CLASSES, lambda o, t: -o.log_softmax(-1).gather(1, t[:, None]).mean()
    )
    assert plan.row("5.weight").predicted == pytest.approx(1.0)


def test_pixels_have_classes_too() -> None:
    model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 2, 1))
    targets = (torch.arange(8 * 256) % 20 == 0).long().reshape(8, 16, 16)
    plan = good(model, IMAGES, targets, F.cross_entropy)
    plan.init_(model, 1)
    bias = model[-1].bias.detach()
    assert float(bias[0] - bias[1]) == pytest.approx(math.log(19), rel=0.1)
