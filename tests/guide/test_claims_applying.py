"""Claims on applying and choosing: what their checks conclude, and the code by hand."""

from __future__ import annotations

import inspect
from importlib import resources

import pytest
import torch
from torch import nn

import fanin
import fanin.guide as guide
from fanin.ensembles import load
from fanin.guide.checks import verdict
from fanin.guide.claim import Numbers
from fanin.guide.laboratory import from_scratch
from fanin.guide.laboratory.architectures import Convolutional, Recurrent, Transformer
from fanin.guide.laboratory.race import all_arrived, longer, no_longer, spread


def test_the_chapter_prints_the_very_lines_that_the_claim_runs() -> None:
    chapter = resources.files("fanin.guide.chapters").joinpath("08_applying.md").read_text("utf-8")
    first_block = chapter.split("```python\n")[1].split("```")[0]
    printed = [line[4:] for line in first_block.splitlines() if line[:3] in (">>>", "...")]

    source = inspect.getsource(from_scratch).split('"""')[2]
    written = [line for line in source.splitlines() if line.strip()]
    assert printed == written
    assert len(written) == 21
    assert "fanin." not in source


@pytest.mark.parametrize(
    ("layer", "rule", "scheme"),
    [
        (nn.Linear(30, 70), "xavier", "xavier_normal"),
        (nn.Linear(30, 70), "he", "he_normal"),
        (nn.Conv2d(6, 10, 3), "xavier", "xavier_normal"),
        (nn.Conv2d(6, 10, 3), "he", "he_normal"),
    ],
)
def test_the_scale_by_hand_is_that_of_the_scheme(layer: nn.Module, rule: str, scheme: str) -> None:
    plan = fanin.recipes.as_recipe(scheme).plan(layer)
    weight = next(layer.parameters())
    assert from_scratch.std(rule, weight) == pytest.approx(plan.row("weight").std)


def test_steps_that_ran_out_can_show_that_it_takes_longer_but_not_that_it_does_not() -> None:
    assert longer("", [100, 100, 100], [50, 52, 51], 100).met
    ran_out = longer("", [100, 100, 100], [99, 97, 98], 100)
    assert not ran_out.met
    assert not ran_out.decided
    arrived = longer("", [90, 91, 89], [90, 88, 91], 100)
    assert not arrived.met
    assert arrived.decided


def test_starts_that_all_ran_out_are_not_told_to_be_alike() -> None:
    assert no_longer("", [1.0, 1.01, 0.99], arrived=True).met
    ran_out = no_longer("", [1.0, 1.0, 1.0], arrived=False)
    assert not ran_out.met
    assert not ran_out.decided
    assert no_longer("", [2.0, 2.1, 2.2], arrived=False).decided
    assert not all_arrived({"a": [30, 100], "b": [40, 50]}, 100)
    assert all_arrived({"a": [30, 99], "b": [40, 50]}, 100)


def test_the_spread_among_equals_is_one_on_average() -> None:
    generator = torch.Generator().manual_seed(0)
    ratios = []
    for _ in range(200):
        draws = torch.empty(5, 6).log_normal_(4, 0.2, generator=generator)
        steps = {str(place): row.int().tolist() for place, row in enumerate(draws)}
        ratios.append(torch.tensor(spread(steps)).log().mean())
    assert abs(float(torch.stack(ratios).mean())) < 0.05
    assert spread({"a": [10, 10, 10], "b": [30, 30, 30], "c": [20, 20, 20]}) == [3, 3, 3]


@pytest.mark.parametrize("build", [Convolutional, Recurrent, Transformer])
def test_a_small_network_scores_flat_images_and_every_weight_gets_a_gradient(
    build: type[nn.Module],
) -> None:
    digits = load("digits")
    model = fanin.init_(build(), "xavier_normal", seed=0)
    loss = nn.functional.cross_entropy(model(digits.x_train[:64]), digits.y_train[:64])
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    weights = [name for name, _ in model.named_parameters()]
    moved = {name: float(one.abs().max()) > 0 for name, one in zip(weights, gradients, strict=True)}
    # A key's bias adds the same to all scores of a query, which softmax takes out.
    assert all(moved[name] for name in weights if not name.endswith("key.bias")), moved


def _race(random: list[int], xavier: list[int], he: list[int], zero: float = 0.1) -> Numbers:
    return {
        "starts": {"zero": "zeros", "random": "normal:0.01", "Xavier": "x", "He": "h"},
        "level": 0.5,
        "all": 300,
        "steps": {"zero": [300] * 3, "random": random, "Xavier": xavier, "He": he},
        "accuracy": {
            "zero": [zero, zero + 0.01, zero],
            "random": [0.9, 0.91, 0.9],
            "Xavier": [0.95, 0.951, 0.95],
            "He": [0.97, 0.971, 0.972],
        },
    }


@pytest.mark.parametrize(
    ("numbers", "wanted"),
    [
        (_race([300, 300, 300], [100, 101, 99], [60, 61, 60]), "supported"),
        (_race([300, 300, 300], [60, 61, 60], [60, 60, 61]), "qualified"),
        (_race([60, 61, 60], [60, 60, 61], [30, 31, 30]), "refuted"),
        (_race([300, 300, 300], [100, 101, 99], [60, 61, 60], zero=0.9), "refuted"),
    ],
)
def test_the_order_of_the_four_is_judged_by_its_steps(numbers: Numbers, wanted: str) -> None:
    assert verdict(guide.claim_by_name("four_on_mlp").judge(numbers)) == wanted


def test_half_precision_is_judged_by_lost_gradients_and_by_accuracy() -> None:
    judge = guide.claim_by_name("by_precision").judge
    fine, poor = [0.9, 0.901, 0.9], [0.1, 0.101, 0.1]

    def numbers(lost: float, half: list[float], brain: list[float]) -> Numbers:
        return {
            "scales": [0.5, 1.0],
            "scale": 1.0,
            "lost": {"float16": [[1.0, lost]] * 3, "bfloat16": [[1.0, lost]] * 3},
            "accuracy": {"float32": fine, "float16": half, "bfloat16": brain},
        }

    assert verdict(judge(numbers(0.9, poor, poor))) == "supported"
    assert verdict(judge(numbers(0.9, poor, fine))) == "qualified"
    assert verdict(judge(numbers(0.0, fine, fine))) == "refuted"
