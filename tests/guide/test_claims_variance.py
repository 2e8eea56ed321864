"""Claims of the chapters on variance and random weights: what decides them, beside theory."""

from __future__ import annotations

import math
from typing import Any

import pytest

from fanin import theory
from fanin.errors import InputError, UnknownNameError
from fanin.guide import claim_by_name, run
from fanin.guide.checks import unlike, verdict

SEEDS = 6


def judged(name: str, numbers: dict[str, Any]) -> str:
    return verdict(claim_by_name(name).judge(numbers))


def scattered(value: float, share: float = 0.01) -> list[float]:
    return [value * (1 + share * (seed - SEEDS / 2) / SEEDS) for seed in range(SEEDS)]


@pytest.mark.parametrize(
    ("share", "ratio", "expected"),
    [(0.9, 1e-5, "supported"), (0.9, 1e5, "refuted"), (0.0, 1e-5, "refuted")],
)
def test_saturation_must_be_there_and_the_gradient_gone(
    share: float, ratio: float, expected: str
) -> None:
    numbers = {
        "share": {name: scattered(share) for name in ("tanh", "sigmoid")},
        "ratio": {name: scattered(ratio) for name in ("tanh", "sigmoid")},
    }
    assert judged("saturation_vanishes", numbers) == expected


def test_one_network_that_does_not_train_refutes_that_variance_is_enough() -> None:
    numbers = {
        "factor": {name: scattered(1.0) for name in "ab"},
        "accuracy": {"a": scattered(0.9), "b": scattered(0.9)},
    }
    assert judged("variance_is_enough", numbers) == "supported"
    numbers["accuracy"]["b"] = scattered(0.1)
    assert judged("variance_is_enough", numbers) == "refuted"


def test_a_variance_that_was_not_kept_supports_nothing() -> None:
    numbers = {"factor": {"a": scattered(0.5)}, "accuracy": {"a": scattered(0.9)}}
    assert judged("variance_is_enough", numbers) == "qualified"


@pytest.mark.parametrize(
    ("difference", "spread", "expected"),
    [(0.05, 0.001, "supported"), (0.001, 0.001, "refuted"), (0.01, 0.02, "qualified")],
)
def test_forms_differ_only_beyond_the_margin(
    difference: float, spread: float, expected: str
) -> None:
    noise = [spread * (-1) ** seed for seed in range(SEEDS)]
    accuracy = {"one": [0.9] * SEEDS, "other": [0.9 - difference + one for one in noise]}
    assert judged("gaussian_or_uniform", {"accuracy": accuracy, "pair": ["one", "other"]}) == (
        expected
    )


def test_unlike_asks_for_the_whole_interval_beyond_the_margin() -> None:
    check = unlike("x", scattered(2.0), scattered(1.0), 0.5)
    assert (check.met, check.decided, check.wanted) == (True, True, "beyond ±0.5")
    assert not unlike("x", scattered(1.0), scattered(1.0), 0.5).met


def random_scale(accuracy: list[float], losses: list[float], diverged: float) -> dict[str, Any]:
    factors = [1 / 16, 1 / 2, 1.0, 2.0, 16.0]
    return {
        "factors": factors,
        "accuracy": [[one] * SEEDS for one in accuracy],
        "train_loss": [[one] * SEEDS for one in losses],
        "diverged": [[diverged] * SEEDS for _ in factors],
    }


def test_one_right_scale_has_useless_neighbours() -> None:
    losses = [2.3, 1.0, 0.1, 1.0, math.inf]
    sharp = random_scale([0.1, 0.5, 0.95, 0.5, 0.1], losses, 1.0)
    assert judged("random_scale", sharp) == "supported"
    broad = random_scale([0.1, 0.95, 0.95, 0.95, 0.1], losses, 1.0)
    assert judged("random_scale", broad) == "qualified"
    any_scale = random_scale([0.95] * 5, losses, 0.0)
    assert judged("random_scale", any_scale) == "refuted"


def test_layers_change_second_moments_as_their_fans_say() -> None:
    numbers = run(claim_by_name("layer_variance"), quick=True).numbers
    after_relu = numbers["forward"]["linear 512 to 64 after ReLU"]
    # E x^2 / Var x of a rectified normal number; 6 networks of 64 units stray by 4 percent.
    assert sum(after_relu) / len(after_relu) == pytest.approx(math.pi / (math.pi - 1), rel=0.12)
    # Every second row and column: a quarter of the products.
    strided = numbers["backward"]["conv 4x4, stride 2"]
    assert sum(strided) / len(strided) == pytest.approx(0.25, rel=0.04)


def test_the_gradient_of_tanh_and_sigmoid_at_their_gain_grows_and_fades_as_chi_says() -> None:
    claim = claim_by_name("forward_is_backward")
    numbers = run(claim, quick=True).numbers
    for name in ("tanh", "sigmoid"):
        gain = theory.gain(name)
        chi = gain**2 * theory.moments(name, 1.0).derivative_mean_square
        for rms in numbers["gradient"][f"{name}, equal widths"]:
            factor = (rms[1] / rms[-1]) ** (2 / (len(rms) - 2))
            assert factor == pytest.approx(chi, rel=0.05)


@pytest.mark.parametrize(("name", "slope"), [("tanh", 0.532), ("sigmoid", 0.094)])
def test_large_weights_multiply_the_gradient_by_their_scale(name: str, slope: float) -> None:
    assert theory.chi_1(name, 64.0) / 64.0 == pytest.approx(slope, rel=0.02)


def test_settings_that_an_experiment_cannot_use_are_named() -> None:
    with pytest.raises(InputError, match="'layout' or 'shape'"):
        run(claim_by_name("layer_variance"), quick=True, settings={"fans": "size"})
    with pytest.raises(UnknownNameError, match="no norm is called 'batsh'"):
        run(claim_by_name("batch_norm_forgives"), quick=True, settings={"norm": "batsh"})
