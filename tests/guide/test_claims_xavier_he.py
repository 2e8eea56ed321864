"""What the claims on Xavier and He measure agrees with theory, and each can come out either way."""

from __future__ import annotations

import math
from typing import Any

import pytest

import fanin.guide as guide
from fanin.fans import linear
from fanin.guide.checks import verdict
from fanin.schemes import by_name


def of(name: str, numbers: dict[str, Any]) -> str:
    return verdict(tuple(guide.claim_by_name(name).judge(numbers)))


def test_what_widths_in_turn_cost_xavier_is_the_product_of_its_two_factors() -> None:
    result = guide.run(guide.claim_by_name("xavier_keeps_variance"), quick=True)
    curves = result.numbers["forward"]["alternating widths, linear"]
    measured = [(rms[-1] / rms[0]) ** 2 for rms in curves]
    pair = 4 * 256 * 32 / (256 + 32) ** 2
    mean = math.exp(sum(map(math.log, measured)) / len(measured))
    # Ten pairs of layers; units in 32 scatter the logarithm by about 2 / 32 a pair.
    assert math.log(mean) == pytest.approx(10 * math.log(pair), abs=1.5)


def test_the_wrong_constant_under_leaky_relu_compounds_exactly() -> None:
    result = guide.run(
        guide.claim_by_name("he_leaky"), quick=True, settings={"depth": 20, "trained": 2}
    )
    assert result.numbers["excess"]["0.25"] == pytest.approx([1.0625**19] * 3, rel=1e-3)


def test_the_modes_of_fan_differ_by_first_width_over_last() -> None:
    settings = {"wide": 64, "narrow": 16}
    result = guide.run(guide.claim_by_name("he_fan_mode"), quick=True, settings=settings)
    ratio = result.numbers["ratio"]
    assert ratio["narrowing"] == pytest.approx([4.0] * 3, rel=1e-3)
    assert ratio["widths in turn"] == pytest.approx([1.0] * 3, rel=1e-3)


def test_dead_units_at_the_start_are_the_same_for_every_scale() -> None:
    settings = {"rival": "normal:0.001", "depth": 6}
    result = guide.run(guide.claim_by_name("he_dying"), quick=True, settings=settings)
    start = result.numbers["dead"]["at the start"]
    assert start["he_normal"] == start["normal:0.001"]
    assert max(start["he_normal"]) > 0


def test_xaviers_variance_is_the_harmonic_mean_of_both_wishes() -> None:
    xavier = by_name("xavier_normal")
    for out, into in ((32, 256), (256, 32), (7, 7)):
        wanted = 2 / (1 / (1 / into) + 1 / (1 / out))
        assert xavier.std(linear((out, into))) ** 2 == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("deep", "shallow", "expected"),
    [
        ([0.9, 0.91, 0.92], [0.97, 0.98, 0.99], "supported"),
        ([0.9, 0.91, 0.92], [0.9, 0.91, 0.92], "qualified"),
        ([0.1, 0.1, 0.1], [0.97, 0.98, 0.99], "refuted"),
    ],
)
def test_whether_he_beats_xavier_is_decided_by_the_deep_network_and_limited_by_shallow_ones(
    deep: list[float], shallow: list[float], expected: str
) -> None:
    accuracy = {
        "2": {"he": shallow, "xavier": [0.9, 0.91, 0.92]},
        "5": {"he": shallow, "xavier": [0.9, 0.91, 0.92]},
        "20": {"he": deep, "xavier": [0.1, 0.1, 0.1]},
    }
    numbers = {"recipe": "he", "rival": "xavier", "accuracy": accuracy}
    assert of("he_beats_xavier", numbers) == expected


@pytest.mark.parametrize(
    ("thirty", "hundred", "expected"),
    [
        ([0.95, 0.95], [0.96, 0.96], "supported"),
        ([0.95, 0.95], [0.3, 0.3], "qualified"),
        ([0.2, 0.2], [0.1, 0.1], "refuted"),
    ],
)
def test_depth_is_an_obstacle_where_a_hundred_layers_do_not_learn(
    thirty: list[float], hundred: list[float], expected: str
) -> None:
    accuracy = {"10": [0.96, 0.96], "30": thirty, "100": hundred}
    numbers = {"deepest": 100, "accuracy": accuracy, "forward": [[1.0, 1.0], [1.0, 1.0]]}
    assert of("he_depth", numbers) == expected
