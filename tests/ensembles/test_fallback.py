"""What cannot be batched is trained run by run, says so, and gives the right losses."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import fanin
from fanin.ensembles import Comparison
from fanin.errors import ModelError
from tests.claims import assert_mean_of
from tests.ensembles import models
from tests.ensembles.models import Written
from tests.ensembles.plain import assert_agrees_with_plain_loop
from tests.recipes.state import untouched_generators

Build = Callable[[], nn.Module]


def _compare(build: Build, recipe: str = "he_normal", **options: object) -> Comparison:
    settings = {"seeds": 2, "learning_rates": [0.05], "steps": 12, "progress": False, **options}
    return fanin.compare(build, [recipe], **settings)  # type: ignore[arg-type]


def _assert_right_or_refused(build: Build, recipe: str) -> None:
    """Either the losses of plain loops, batched or not, or an error that says why not."""
    try:
        result = _compare(build, recipe, seeds=[0, 1, 2])
    except ModelError as error:
        assert str(error)  # noqa: PT017 - one of two right outcomes
        return
    assert_agrees_with_plain_loop(
        build, recipe, rate=0.05, steps=12, seeds=[0, 1, 2], result=result
    )


def _branch(self: Written, x: Tensor) -> Tensor:
    out = self.layer(x)
    return out * 2 if out.sum() > 0 else out


def _item(self: Written, x: Tensor) -> Tensor:
    return self.layer(x) * min(1.0, 1 / self.layer.weight.detach().abs().max().item())


def _mask(self: Written, x: Tensor) -> Tensor:
    out = self.layer(x)
    return out - out[out > 0].mean()


def _numpy(self: Written, x: Tensor) -> Tensor:
    scale = float(np.abs(self.layer.weight.detach().numpy()).mean())
    return self.layer(x) * scale


@pytest.mark.parametrize("forward", [_branch, _item, _mask, _numpy])
def test_a_forward_pass_that_cannot_be_mapped_is_looped_and_right(
    forward: Callable[[Written, Tensor], Tensor],
) -> None:
    result = assert_agrees_with_plain_loop(
        lambda: Written(forward), "he_normal", rate=0.05, steps=12
    )
    assert result.looped is not None
    assert "cannot be mapped over runs" in result.looped
    assert "\n" not in result.looped


def test_a_recurrent_model_is_looped_and_right() -> None:
    result = assert_agrees_with_plain_loop(models.Recurrent, "default", rate=0.1, steps=12)
    assert result.looped is not None
    assert "lstm" in result.looped


def test_a_looped_model_in_eval_mode_uses_its_running_statistics() -> None:
    def build() -> nn.Module:
        return nn.Sequential(Written(_item), nn.BatchNorm1d(10))

    result = assert_agrees_with_plain_loop(build, "he_normal", rate=0.05, steps=12)
    assert result.looped is not None


def test_a_branch_on_data_in_eval_mode_alone_is_looped_and_right() -> None:
    def forward(self: Written, x: Tensor) -> Tensor:
        out = self.layer(x)
        if not self.training and out.sum() > 0:
            out = out - out.mean()
        return out

    result = assert_agrees_with_plain_loop(
        lambda: Written(forward), "he_normal", rate=0.05, steps=12
    )
    assert result.looped is not None


@pytest.mark.parametrize("recipe", ["he_normal", "default"])
def test_a_number_drawn_at_each_build_is_not_taken_from_another_build(recipe: str) -> None:
    def prepare(self: Written) -> None:
        self.c = torch.randn(()) * 3

    _assert_right_or_refused(lambda: Written(lambda s, x: s.layer(x) * s.c, prepare), recipe)


@pytest.mark.parametrize("recipe", ["he_normal", "default"])
def test_a_buffer_drawn_at_each_build_is_not_taken_from_another_build(recipe: str) -> None:
    def prepare(self: Written) -> None:
        self.register_buffer("c", torch.randn(()) * 3)

    _assert_right_or_refused(lambda: Written(lambda s, x: s.layer(x) * s.c, prepare), recipe)


def test_a_buffer_changed_in_place_changes_in_each_run() -> None:
    def forward(self: Written, x: Tensor) -> Tensor:
        out = self.layer(x)
        if self.training:
            self.mean.mul_(0.5).add_(out.detach().mean(0), alpha=0.5)
        return out - self.mean

    result = assert_agrees_with_plain_loop(
        lambda: Written(forward, lambda s: s.register_buffer("mean", torch.zeros(10))),
        "he_normal",
        rate=0.05,
        steps=12,
    )
    assert result.looped is None


@pytest.mark.parametrize("mapped", [True, False])
def test_a_buffer_assigned_anew_is_not_forgotten(mapped: bool) -> None:
    def forward(self: Written, x: Tensor) -> Tensor:
        if self.training:
            self.passes = self.passes + 1
        scale = 1.0 if mapped else min(1.0, self.layer.weight.detach().abs().sum().item())
        return self.layer(x) * self.passes * scale

    _assert_right_or_refused(
        lambda: Written(forward, lambda s: s.register_buffer("passes", torch.zeros(()))),
        "he_normal",
    )


@pytest.mark.parametrize("mapped", [True, False])
def test_a_number_that_counts_passes_counts_those_of_its_run(mapped: bool) -> None:
    def prepare(self: Written) -> None:
        self.passes = 0

    def forward(self: Written, x: Tensor) -> Tensor:
        if self.training:
            self.passes += 1
        scale = 1.0 if mapped else min(1.0, self.layer.weight.detach().abs().sum().item())
        return self.layer(x) * self.passes * scale

    _assert_right_or_refused(lambda: Written(forward, prepare), "he_normal")


def _with_dropout() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Dropout(0.5), nn.Linear(24, 10))


def _without_dropout() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Dropout(0.0), nn.Linear(24, 10))


def _functional_dropout() -> nn.Module:
    return Written(lambda self, x: F.dropout(self.layer(x), 0.5, self.training))


def test_a_model_with_dropout_is_batched_and_drops_in_training_only() -> None:
    result = _compare(_with_dropout, seeds=8)
    assert result.looped is None
    without = _compare(_without_dropout, seeds=8)
    apart = float(np.abs(result.curves.loss[:, 0] - without.curves.loss[:, 0]).min())
    assert apart > 1e-3, f"dropout moves the first loss by {apart:.1e} only"
    assert np.array_equal(result.curves.metric[:, 0], without.curves.metric[:, 0])


def test_dropout_drops_the_share_that_it_says_and_differs_by_run() -> None:
    # All outputs are 1 before dropout, all targets 0: the loss is mean(mask^2) / 0.75^2.
    x, y = np.ones((100, 1), np.float32), np.zeros((100, 300), np.float32)
    result = _compare(
        lambda: nn.Sequential(nn.Linear(1, 300), nn.Dropout(0.25)),
        "constant:1",
        data=(x, y),
        seeds=20,
        steps=1,
    )
    losses = result.curves.loss[:, 0].astype(np.float64)
    assert result.looped is None
    assert len(set(losses.tolist())) > 15, "runs share a mask"
    kept = losses * 0.75**2
    spread = np.sqrt(0.75 * 0.25 / (64 * 300))
    assert_mean_of(kept, 0.75, spread, 1e-6, "share that dropout kept")


def test_functional_dropout_is_looped() -> None:
    result = _compare(_functional_dropout)
    assert result.looped is not None


@pytest.mark.parametrize("build", [_with_dropout, _functional_dropout])
def test_dropout_too_is_a_function_of_the_arguments(build: Build) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        first = _compare(build)
        torch.manual_seed(2)
        again = _compare(build)
    apart = float(np.nanmax(np.abs(first.curves.loss - again.curves.loss)))
    assert apart == 0, f"the same call gives losses up to {apart:.2g} apart"


@pytest.mark.parametrize("build", [_with_dropout, _functional_dropout, models.mlp])
def test_global_generators_are_untouched_by_training(build: Build) -> None:
    with untouched_generators():
        _compare(build)


def test_the_callers_no_grad_does_not_make_it_a_loop() -> None:
    with torch.no_grad():
        result = _compare(models.mlp)
        assert not torch.is_grad_enabled()
    assert result.looped is None
    assert np.array_equal(result.curves.loss, _compare(models.mlp).curves.loss)


class _Attentive(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(x.view(-1, 8, 8)).mean(1))


def test_attention_is_right_in_training_and_in_eval_mode() -> None:
    with warnings.catch_warnings():
        # torch warns that it maps its fused attention run by run.
        warnings.simplefilter("ignore")
        assert_agrees_with_plain_loop(_Attentive, "default", rate=0.1, steps=12)
