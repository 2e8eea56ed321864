"""Batched training gives what plain loops give, and the same bits however it is carried out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

import fanin
from fanin.ensembles import Comparison, load
from fanin.ensembles.grid import batches, cells, chunks
from tests.ensembles import models
from tests.ensembles.plain import (
    assert_agrees_with_plain_loop,
    assert_same_curve,
    curve_of,
    train_plainly,
)

RATES = {"sgd": 0.1, "momentum": 0.01, "adam": 0.003, "adamw": 0.003}


def _compare(build: Callable[[], nn.Module] | str, recipes: list[str], **options: object):
    settings = {"seeds": 2, "learning_rates": [0.05], "steps": 8, "progress": False, **options}
    return fanin.compare(build, recipes, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("optimizer", RATES)
def test_each_optimizer_gives_the_losses_of_torch_optim(optimizer: str) -> None:
    result = assert_agrees_with_plain_loop(
        models.mlp, "he_normal", rate=RATES[optimizer], optimizer=optimizer
    )
    assert result.looped is None
    first, last = result.curves.loss[:, :5].mean(), result.curves.loss[:, -5:].mean()
    assert last < 0.8 * first, f"the loss went from {first:.3f} to {last:.3f}: a weak test"


@pytest.mark.parametrize(
    ("build", "optimizer"),
    [
        (models.mlp_with_inplace_relu, "sgd"),
        (models.with_batch_norm, "momentum"),
        (models.with_frozen_layer, "adamw"),
        (models.Tied, "momentum"),
        (models.Normalised, "adam"),
    ],
)
def test_each_kind_of_model_gives_the_losses_of_a_plain_loop(
    build: Callable[[], nn.Module], optimizer: str
) -> None:
    result = assert_agrees_with_plain_loop(
        build, "xavier_normal" if build is not models.Normalised else "normal:0.2",
        rate=RATES[optimizer], optimizer=optimizer,
    )  # fmt: skip
    assert result.looped is None


def test_a_cnn_is_fed_images_and_gives_the_losses_of_a_plain_loop() -> None:
    result = assert_agrees_with_plain_loop(models.cnn, "he_normal", rate=0.1, shape=(1, 8, 8))
    assert result.looped is None


def test_the_recipe_default_gives_the_losses_of_what_build_makes() -> None:
    result = assert_agrees_with_plain_loop(models.with_batch_norm, "default", rate=0.1)
    assert result.looped is None


def test_regression_gives_the_losses_of_a_plain_loop() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 6)).astype(np.float32)
    y = np.stack([np.sin(x[:, 0]), x[:, 1] * x[:, 2]], 1)
    result = assert_agrees_with_plain_loop(
        lambda: nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2)),
        "xavier_uniform",
        rate=0.1,
        data=(x, y),
    )
    assert (result.loss_name, result.metric_name) == ("squared error", "R^2")


def test_a_frozen_layer_takes_part_and_stays_as_it_was_drawn() -> None:
    options = {"rate": 0.1, "steps": 30, "seed": 1}
    plain = train_plainly(models.with_frozen_layer, "he_normal", **options)
    thawed = train_plainly(models.mlp, "he_normal", **options)
    drawn = fanin.init_(models.mlp(), "he_normal", seed=1)
    assert torch.equal(plain.model[2].weight, drawn[2].weight)
    result = _compare(models.with_frozen_layer, ["he_normal"], learning_rates=[0.1], steps=30)
    got = curve_of(result, "he_normal", 1, 0.1)
    assert_same_curve(got, plain.losses, 1e-4, "frozen layer")
    apart = float(np.abs(got - thawed.losses).max())
    assert apart > 0.01, f"training the layer as well moves the loss by {apart:.1e} only"


def test_every_rate_of_a_grid_is_the_rate_of_its_run() -> None:
    rates = [0.01, 0.1, 0.2]
    result = _compare(models.mlp, ["he_normal"], learning_rates=rates, steps=20, seeds=[3])
    for rate in rates:
        plain = train_plainly(models.mlp, "he_normal", seed=3, rate=rate, steps=20)
        assert_same_curve(
            curve_of(result, "he_normal", 3, rate), plain.losses, 1e-4, f"rate {rate}"
        )


def _chunked(build: Callable[[], nn.Module] = models.linear) -> Comparison:
    """More runs than one chunk holds."""
    return _compare(build, ["xavier_normal"], seeds=33, learning_rates=[0.01, 0.1], steps=3)


def _assert_same_bits(one: Comparison, other: Comparison, what: str) -> None:
    assert one.runs == other.runs, f"{what}: runs differ"
    for field in ("loss", "metric"):
        a, b = getattr(one.curves, field), getattr(other.curves, field)
        differ = int((a.view(np.uint32) != b.view(np.uint32)).sum())
        assert differ == 0, f"{what}: {differ} of {a.size} values of the {field} curves differ"
    assert one.signals == other.signals, f"{what}: signals differ"
    assert one.ranking == other.ranking, f"{what}: rankings differ"


@pytest.mark.parametrize("build", [models.mlp, models.cnn])
def test_the_number_of_threads_changes_no_bit(
    build: Callable[[], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = torch.get_num_threads()
    results = []
    try:
        for own, torchs in (("1", 1), ("2", 1), ("2", 3)):
            monkeypatch.setenv("FANIN_NUM_THREADS", own)
            torch.set_num_threads(torchs)
            results.append(_chunked(build))
            assert torch.get_num_threads() == torchs
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        _assert_same_bits(results[0], other, "other threads")


def test_the_callers_threads_are_given_back_after_an_error_too() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with pytest.raises(fanin.errors.ModelError):
            _compare(models.Scaled, ["he_normal"])
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_subset_of_a_grid_has_the_curves_of_the_whole() -> None:
    whole = _compare(
        models.mlp,
        ["zeros", "he_normal", "xavier_uniform"],
        seeds=4,
        learning_rates=[0.01, 0.1],
        steps=30,
    )
    part = _compare(models.mlp, ["he_normal"], seeds=[2, 0], learning_rates=[0.1], steps=30)
    assert [(run.seed, run.learning_rate) for run in part.runs] == [(2, 0.1), (0, 0.1)]
    for seed in (2, 0):
        expected = curve_of(whole, "he_normal", seed, 0.1)
        got = curve_of(part, "he_normal", seed, 0.1)
        assert_same_curve(got, expected, 1e-5, f"seed {seed} alone")


def test_the_same_call_gives_the_same_bits() -> None:
    recipes = ["he_normal", "default"]
    first = _compare(models.with_batch_norm, recipes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(77)
        again = _compare(models.with_batch_norm, recipes)
    _assert_same_bits(first, again, "the same call")


def test_recipes_on_one_seed_see_the_same_batches_and_noise() -> None:
    names = ["normal:0.1", fanin.schemes.normal(std=0.1)]
    result = _compare(models.mlp, names, seeds=[5])  # type: ignore[arg-type]
    one, other = result.curves.loss
    assert np.array_equal(one, other), f"apart by {np.abs(one - other).max():.1e}"


def test_seeds_differ_in_weights_and_batches() -> None:
    result = _compare(models.mlp, ["he_normal"], seeds=3)
    assert len(set(result.curves.loss[:, 0].tolist())) == 3
    orders = [next(batches(seed, 1347, 64)).tolist() for seed in range(3)]
    assert orders[0] != orders[1] != orders[2]


def test_an_epoch_of_batches_holds_each_sample_once_in_a_new_order() -> None:
    stream = batches(4, 20, 6)
    epochs = [torch.cat([next(stream) for _ in range(3)]).tolist() for _ in range(3)]
    for epoch in epochs:
        assert len(set(epoch)) == 18
        assert set(epoch) <= set(range(20))
    assert epochs[0] != epochs[1] != epochs[2]


def test_a_batch_beyond_the_samples_is_all_samples() -> None:
    stream = batches(0, 5, 64)
    assert sorted(next(stream).tolist()) == sorted(next(stream).tolist()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("size", [1, 2, 3, 64])
def test_chunks_hold_every_run_once_in_order(size: int) -> None:
    grid = cells(2, (7, 5, 9), (0.1, 0.2))
    assert [cell.seed for cell in grid] == [7] * 4 + [5] * 4 + [9] * 4
    parts = chunks(grid, size)
    assert tuple(cell for part in parts for cell in part) == grid
    sizes = [len(part) for part in parts]
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1


def test_the_curves_of_the_metric_begin_before_training_and_end_with_it() -> None:
    result = _compare(models.mlp, ["he_normal"], steps=45)
    at = result.curves.measured_at
    assert (at[0], at[-1], len(at)) == (0, 45, 9)
    assert (np.diff(at) > 0).all()
    assert result.curves.metric.shape == (2, 9)
    start = fanin.init_(models.mlp(), "he_normal", seed=1).eval()
    data = load("digits")
    hits = float((start(data.x_test).argmax(1) == data.y_test).float().mean())
    assert abs(result.curves.metric[1, 0] - hits) <= 1 / 450
    # All 450 held-out samples are fewer than a point of a curve takes.
    assert result.curves.metric[:, -1] == pytest.approx([run.metric for run in result.runs])
