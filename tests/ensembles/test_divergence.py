"""A run that diverges is frozen and reported, and touches no other."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import fanin
from fanin.ensembles import Comparison, load
from fanin.ensembles.grid import batches
from tests.ensembles import models
from tests.ensembles.models import Written
from tests.ensembles.plain import OPTIMIZERS, assert_same_curve, index_of, train_plainly

STEPS = 12
# A rate that throws each optimizer out of float32 within a few steps.
HUGE = {"sgd": 1e12, "momentum": 1e12, "adam": 1e14, "adamw": 1e14}


def _compare(
    build: Callable[[], nn.Module], recipes: Sequence[str], **options: object
) -> Comparison:
    settings = {"seeds": 3, "learning_rates": [0.05], "steps": STEPS, "progress": False, **options}
    return fanin.compare(build, list(recipes), **settings)  # type: ignore[arg-type]


def deep() -> nn.Module:
    layers: list[nn.Module] = [nn.Linear(64, 24), nn.ReLU()]
    for _ in range(9):
        layers += [nn.Linear(24, 24), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(24, 10))


def _plainly_diverged(
    build: Callable[[], nn.Module], recipe: str, seed: int, rate: float, optimizer: str
) -> tuple[int | None, list[float], float]:
    """(step at which loss or gradient is not finite, losses before it, accuracy then)."""
    data = load("digits")
    model = fanin.init_(build(), recipe, seed=seed)
    stepper = OPTIMIZERS[optimizer](model.parameters(), lr=rate)
    at, losses = None, []
    chosen = itertools.islice(batches(seed, len(data.x_train), 64), STEPS)
    for step, indices in enumerate(chosen):
        loss = F.cross_entropy(model(data.x_train[indices]), data.y_train[indices])
        stepper.zero_grad()
        loss.backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        if not (loss.isfinite() and all(bool(g.isfinite().all()) for g in gradients)):
            at = step
            break
        losses.append(float(loss.detach()))
        stepper.step()
    with torch.no_grad():
        outputs = model(data.x_test)
    hits = (outputs.argmax(-1) == data.y_test) & outputs.isfinite().all(-1)
    return at, losses, float(hits.float().mean())


@pytest.mark.parametrize("optimizer", HUGE)
def test_a_run_is_frozen_at_the_step_and_state_of_a_plain_loop(optimizer: str) -> None:
    rate = HUGE[optimizer]
    result = _compare(models.mlp, ["he_normal"], learning_rates=[rate], optimizer=optimizer)
    for run, curve, metrics in zip(
        result.runs, result.curves.loss, result.curves.metric, strict=True
    ):
        at, losses, accuracy = _plainly_diverged(models.mlp, "he_normal", run.seed, rate, optimizer)
        assert at is not None, "the plain loop does not diverge: a weak test"
        assert 0 < at < STEPS - 2, f"diverged at {at}: a weak test"
        assert run.diverged
        assert run.diverged_at == at
        assert run.train_loss == float("inf")
        assert run.steps_to_level is None
        assert_same_curve(curve[:at], np.array(losses, np.float32), 1e-2, f"{optimizer} before it")
        after = curve[at + 1 :]
        assert np.isnan(after).all(), f"losses after it: {after}"
        assert abs(run.metric - accuracy) <= 1 / 450 + 1e-6, f"{run.metric}, plainly {accuracy}"
        # The metric is measured after each of the 12 steps, so at index step + 1.
        moved = np.ptp(metrics[at:])
        assert moved == 0, f"the frozen run's metric moved by {moved:.3g}"


def test_weights_of_far_too_large_scale_are_reported() -> None:
    result = _compare(deep, ["he_normal", "normal:5"], steps=80)
    for run, curve in zip(result.runs, result.curves.loss, strict=True):
        assert run.diverged == (run.recipe == "normal:5"), f"{run}"
        assert (run.diverged_at is not None) == run.diverged
        assert bool(np.isnan(curve).any()) == run.diverged
        assert np.isfinite(run.train_loss) != run.diverged
    last = result.ranking[-1]
    assert (last.recipe, last.diverged, last.train_loss) == ("normal:5", 1.0, float("inf"))
    assert "normal:5 did not train" in result.conclusion


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_diverging_neighbour_changes_no_bit(optimizer: str) -> None:
    options = {"optimizer": optimizer, "learning_rates": [0.01, HUGE[optimizer]]}
    mixed = _compare(deep, ["he_normal", "normal:5", "lecun_normal"], **options)
    tame = _compare(
        deep, ["he_normal", "zeros", "lecun_normal"],
        **{**options, "learning_rates": [0.01, 1e-6]},
    )  # fmt: skip
    assert sum(run.diverged for run in mixed.runs) >= 6
    assert not any(run.diverged for run in tame.runs)
    for recipe in ("he_normal", "lecun_normal"):
        for seed in range(3):
            i, j = (index_of(result, recipe, seed, 0.01) for result in (mixed, tame))
            assert mixed.runs[i].train_loss == tame.runs[j].train_loss
            assert mixed.runs[i].metric == tame.runs[j].metric
            for field in ("loss", "metric"):
                one, other = getattr(mixed.curves, field)[i], getattr(tame.curves, field)[j]
                apart = float(np.abs(one - other).max())
                assert apart == 0, f"{field} of {recipe}, seed {seed}: {apart:.1e} apart"


def test_a_rate_that_diverges_is_not_the_one_that_is_ranked() -> None:
    result = _compare(models.mlp, ["he_normal"], learning_rates=[HUGE["sgd"], 0.05])
    (row,) = result.ranking
    assert (row.learning_rate, row.diverged) == (0.05, 0.0)
    assert sum(run.diverged for run in result.runs) == 3


def test_a_comparison_in_which_all_diverges_says_that_none_trained() -> None:
    result = _compare(models.mlp, ["he_normal", "lecun_normal"], learning_rates=[HUGE["sgd"]])
    assert [row.diverged for row in result.ranking] == [1.0, 1.0]
    assert result.conclusion.startswith("No recipe trained")


def test_looped_runs_are_frozen_and_reported_alike() -> None:
    def build() -> nn.Module:
        return Written(lambda self, x: self.layer(x) * (1 + 0 * self.layer.bias[0].item()))

    result = _compare(build, ["he_normal"], learning_rates=[0.05, 1e38])
    assert result.looped is not None
    for run, curve in zip(result.runs, result.curves.loss, strict=True):
        assert run.diverged == (run.learning_rate == 1e38)
        if run.diverged:
            assert np.isnan(curve[run.diverged_at + 1 :]).all()


def test_a_finite_loss_with_a_gradient_that_is_not_is_a_divergence() -> None:
    def forward(self: Written, x: Tensor) -> Tensor:
        return self.layer(x) + self.layer.bias.abs().sum().sqrt()  # its slope at 0 is infinite

    result = _compare(lambda: Written(forward), ["he_normal"])
    assert [run.diverged_at for run in result.runs] == [0, 0, 0]
    assert np.isfinite(result.curves.loss[:, 0]).all()
    assert np.isnan(result.curves.loss[:, 1:]).all()
    assert np.ptp(result.curves.metric, axis=1).tolist() == [0.0, 0.0, 0.0]


def _with_one_wild_sample() -> tuple[np.ndarray, np.ndarray]:
    """A regression whose training part has one sample that no float32 can square."""
    random = np.random.default_rng(5)
    x = random.normal(size=(200, 3)).astype(np.float32)
    y = x[:, :1] * 2 + random.normal(size=(200, 1))
    trained_on = load((x, y)).x_train[7].numpy()
    x[(x == trained_on).all(1)] = 1e30
    return x, y


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_frozen_run_stays_where_it_was_although_its_later_batches_are_tame(
    optimizer: str,
) -> None:
    samples = _with_one_wild_sample()
    data, rate, steps = load(samples), 0.02, 8
    result = _compare(
        lambda: nn.Linear(3, 1), ["he_normal"], data=samples, learning_rates=[rate], steps=steps,
        optimizer=optimizer, batch_size=32,
    )  # fmt: skip
    tested = 0
    for run, losses, metrics in zip(
        result.runs, result.curves.loss, result.curves.metric, strict=True
    ):
        drawn = itertools.islice(batches(run.seed, 150, 32), steps)
        at = next((i for i, chosen in enumerate(drawn) if 7 in chosen), None)
        assert run.diverged_at == at
        if at is None or not 0 < at < steps - 1:
            continue
        tested += 1
        plain = train_plainly(
            lambda: nn.Linear(3, 1), "he_normal", seed=run.seed, rate=rate, steps=at,
            data=samples, optimizer=optimizer, batch_size=32,
        )  # fmt: skip
        assert np.isnan(losses[at + 1 :]).all(), f"losses after the freeze: {losses[at + 1 :]}"
        moved = float(np.ptp(metrics[at:]))
        assert moved == 0, f"the metric moved by {moved:.2g} after the freeze"
        assert abs(run.metric - plain.metric) < 1e-4, f"{run.metric}, plainly {plain.metric}"
    assert tested, "no run froze in the middle"
    assert len(data.x_train) == 150


class _Shifted(nn.Module):
    """Its shift has a gradient whose elements are one number, expanded."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 10)
        self.shift = nn.Embedding(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + self.shift.weight.sum()


def test_a_run_with_an_expanded_gradient_is_frozen_too() -> None:
    result = _compare(_Shifted, ["he_normal"], learning_rates=[0.05, 1e38])
    assert [run.diverged for run in result.runs] == [False, True] * 3


def _regression() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
    return x, x[:, :1] * 2 + x[:, 1:2]


def _regressor() -> nn.Module:
    return nn.Sequential(
        nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1)
    )


@pytest.mark.parametrize("recipes", [["normal:50", "he_normal"], ["he_normal", "normal:50"]])
@pytest.mark.parametrize("rates", [[0.01], [0.01, 1e8]])
def test_a_diverged_regression_is_never_the_best(recipes: list[str], rates: list[float]) -> None:
    result = _compare(_regressor, recipes, data=_regression(), learning_rates=rates, steps=30)
    best, last = result.ranking
    assert (best.recipe, best.diverged) == ("he_normal", 0.0)
    assert last.diverged == 1.0
    assert np.isfinite(best.metric)
    assert not last.metric >= best.metric
    assert result.conclusion.startswith("he_normal has the highest R^2")
    assert "normal:50 did not train" in result.conclusion


def test_a_regression_in_which_all_diverges_says_that_none_trained() -> None:
    result = _compare(
        _regressor, ["normal:50", "he_normal"], data=_regression(), learning_rates=[1e8]
    )
    assert result.conclusion.startswith("No recipe trained")
