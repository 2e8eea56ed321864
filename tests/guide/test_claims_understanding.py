"""What the claims of the first two chapters rest on, and how they come to their verdicts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import fanin
from fanin.ensembles import load
from fanin.errors import UnknownNameError
from fanin.guide import claim_by_name, run
from fanin.guide.checks import verdict
from fanin.guide.claims import convergence, generalization, robustness, slow_default, unstable
from fanin.guide.laboratory import factor_a_layer, mlp, signals
from fanin.guide.laboratory.runs import best_runs, curve, curve_steps, soonest_runs, steps_taken


def test_gradients_vanish_and_explode_by_the_factor_of_the_formula():
    small = signals(fanin.init_(mlp(12, 256, "tanh"), "normal:0.01", seed=0)).gradient[:-1]
    large = signals(fanin.init_(mlp(12, 256, "relu"), "normal:0.5", seed=0)).gradient[:-1]

    # n sigma^2 E[phi'^2], where tanh is a straight line and ReLU has a mean slope of a half.
    assert factor_a_layer(small[::-1]) == pytest.approx(256 * 0.01**2, rel=0.05)
    assert factor_a_layer(large[::-1]) == pytest.approx(256 * 0.5**2 / 2, rel=0.1)


def test_the_default_is_that_of_the_constructors_of_torch():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = slow_default.variance_times_fan_in(mlp(4, 128))
    ours = slow_default.variance_times_fan_in(fanin.init_(mlp(4, 128), "default", seed=0))

    assert theirs == pytest.approx(1 / 3, rel=0.02)
    assert ours == pytest.approx(1 / 3, rel=0.02)


def test_unequal_weights_out_part_only_the_layer_that_they_read():
    result = run(claim_by_name("symmetry_forever"), quick=True, settings={"width": 8})

    assert result.numbers["different"]["Adam, random head"] == [[1, 8], [1, 8]]
    assert result.numbers["different"]["Adam, dropout"] == [[8, 8], [8, 8]]
    assert result.verdict == "qualified"


def test_images_move_by_one_pixel():
    images = load("digits").x_test[:5]
    before, after = images.reshape(5, 8, 8), robustness.moved(images).reshape(5, 8, 8)

    assert after[:, :, 1:].equal(before[:, :, :-1])
    assert (after[:, :, 0] == images.min()).all()


def test_a_form_of_inputs_that_there_is_not_is_named():
    with pytest.raises(UnknownNameError, match="form of the inputs"):
        run(claim_by_name("input_scale"), quick=True, settings={"inputs": "0..254"})


@pytest.mark.parametrize(
    ("sgd", "adam", "expected"),
    [
        ([300, 280, 310], [200, 210, 190], "supported"),
        ([300, 280, 310], [100, 110, 90], "qualified"),
        ([100, 300, 60], [200, 210, 190], "qualified"),
        ([100, 105, 95], [200, 210, 190], "refuted"),
    ],
)
def test_convergence_counts_steps_in_pairs(sgd, adam, expected):
    steps = {
        "sgd": {"good": [100, 100, 100], "small": sgd, "usual": [300, 290, 310]},
        "adam": {"good": [100, 100, 100], "small": adam, "usual": [300, 290, 310]},
    }
    numbers = {"good": "good", "small": "small", "usual": "usual", "steps": steps}

    assert verdict(convergence.judge(numbers)) == expected


@pytest.mark.parametrize(
    ("worse", "usual", "expected"),
    [
        ([0.90, 0.91, 0.89, 0.90], [0.94, 0.95, 0.94, 0.95], "supported"),
        ([0.90, 0.91, 0.89, 0.90], [0.97, 0.98, 0.96, 0.97], "qualified"),
        ([0.97, 0.98, 0.96, 0.97], [0.94, 0.95, 0.94, 0.95], "refuted"),
    ],
)
def test_generalization_asks_for_points_of_accuracy(worse, usual, expected):
    numbers = {
        "recipes": ["a", "b", "c"],
        "train_loss": {key: [0.01, 0.02, 0.01, 0.02] for key in "abc"},
        "accuracy": {"a": [0.97, 0.98, 0.96, 0.97], "b": worse, "c": usual},
    }

    assert verdict(generalization.judge(numbers)) == expected


def test_where_no_rate_is_stable_the_start_is_the_worst_there_can_be():
    stable, never = [[0, 0], [0, 0], [1, 1]], [[1, 1], [1, 1], [1, 1]]
    names = {"large": "large", "good": "good"}
    numbers = {
        "rates": [0.01, 0.1, 1.0],
        "rate": {"relu": 0.1, "tanh": 0.1},
        "names": {"relu": names, "tanh": names},
        "unstable": {
            "relu": {"large": never, "good": stable},
            "tanh": {"large": stable, "good": stable},
        },
    }

    jumps, lower, tanh = unstable.judge(numbers)

    assert jumps.met
    assert lower.met
    assert lower.shown == "100 (n = 2)"
    assert tanh.decided
    assert not tanh.met


def test_runs_are_taken_at_the_rate_that_the_question_asks_for():
    done = fanin.compare(
        "mlp", ["he_normal"], depth=1, width=16, steps=60, seeds=2, progress=False,
        learning_rates=(0.01, 0.1, 1e9), level=1.5,
    )  # fmt: skip
    best, soonest = best_runs(done, "he_normal"), soonest_runs(done, "he_normal")
    lost = [run for run in done.runs if run.learning_rate == 1e9]

    assert [run.seed for run in best] == [0, 1]
    assert best[0].learning_rate == done.ranking[0].learning_rate == 0.1
    assert steps_taken(done, soonest) == [run.steps_to_level for run in soonest]
    assert steps_taken(done, lost) == [60, 60]
    assert len(curve(done, best, 20)) == len(curve_steps(done, 20)) == 20
    assert curve(done, best, 20)[0] > curve(done, best, 20)[-1]
    assert math.isinf(curve(done, lost, 20)[-1])
    row = done.curves.loss[done.runs.index(best[0])]
    assert curve(done, best[:1], 1)[0] == pytest.approx(float(np.mean(row)))
