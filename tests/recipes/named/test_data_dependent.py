"""Every unit starts with mean 0 and variance 1 on the batch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import fanin
from fanin.recipes import as_recipe
from fanin.recipes.named.data_dependent import data_dependent
from fanin.schemes import given as these
from fanin.schemes import normal, per_unit
from tests.recipes.named.residual_networks import (
    IMAGES,
    VECTORS,
    assert_only_reads,
    assert_refuses,
    outputs,
)


def assert_standard_units(
    model: nn.Module, inputs: Tensor, *, means: bool = True, tolerance: float = 2e-5
) -> None:
    for name, out in outputs(model, inputs, nn.Linear, nn.Conv2d).items():
        units = out.double().movedim(1, 0).flatten(1)
        variance, mean = torch.var_mean(units, 1, correction=0)
        assert variance == pytest.approx(torch.ones(len(units)), abs=tolerance), name
        if means:
            assert mean == pytest.approx(torch.zeros(len(units)), abs=tolerance), name


def plain() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=2), nn.Tanh(), nn.Flatten(),
        nn.Linear(32, 5),
    )  # fmt: skip


def test_every_unit_has_mean_0_and_variance_1() -> None:
    assert_standard_units(fanin.init_(plain(), "data_dependent", inputs=IMAGES, seed=2), IMAGES)


def test_the_rows_hold_what_was_measured() -> None:
    plan = assert_only_reads("data_dependent", plain(), IMAGES, seed=2)
    assert plan.seed == 2
    row = plan.row("0.weight")
    model = plain()
    normal(std=0.05).init_(model[0].weight, seed=2, name="0.weight", layout=row.layout)
    nn.init.zeros_(model[0].bias)
    units = model[0](IMAGES).detach().double().movedim(1, 0).flatten(1)
    std, mean = units.std(1, correction=0), units.mean(1)
    assert isinstance(row.scheme, per_unit)
    assert row.scheme.factors == pytest.approx((1 / std).tolist(), rel=1e-5)
    shift = plan.row("0.bias").scheme
    assert isinstance(shift, these)
    assert shift.values.double().numpy() == pytest.approx((-mean / std).numpy(), rel=1e-4, abs=1e-6)
    assert "1602.07868" in plan.citation()


def test_of_weight_norm_the_lengths_and_biases_are_set() -> None:
    model = plain()
    for place in (0, 2, 5):
        nn.utils.parametrizations.weight_norm(model[place])
    plan = assert_only_reads("data_dependent", model, IMAGES)
    assert plan.row("2.parametrizations.weight.original1").scheme == normal(std=0.05)
    assert isinstance(plan.row("2.parametrizations.weight.original0").scheme, these)
    assert_standard_units(plan.init_(model), IMAGES)


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.integers(2, 16), min_size=1, max_size=5),
    st.floats(1e-2, 1e2),
    st.floats(0.01, 1.0),
)
def test_any_widths_and_scales(widths: list[int], size: float, std: float) -> None:
    layers = [
        layer
        for before, after in zip([6, *widths], [*widths, 3], strict=True)
        for layer in (nn.Linear(before, after), nn.Softplus())
    ]
    model, x = nn.Sequential(*layers), (VECTORS * size).double()
    fanin.init_(model.double(), data_dependent(std), inputs=x, seed=1)
    assert_standard_units(model, x, tolerance=1e-9)


def test_a_layer_without_a_bias_has_variance_1_and_keeps_its_mean() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4, bias=False))
    plan = as_recipe("data_dependent").plan(model, inputs=VECTORS)
    (note,) = plan.notes
    assert "the mean stays as it is" in note
    assert "'2.weight'" in note
    plan.init_(model)
    assert_standard_units(model, VECTORS, means=False)
    assert outputs(model, VECTORS, nn.Linear)["2"].mean(0).abs().max() > 1e-3


def test_what_is_no_linear_layer_says_so() -> None:
    tokens = torch.arange(36).view(4, 9) % 9
    model = nn.Sequential(nn.Embedding(9, 6), nn.Linear(6, 3))
    plan = as_recipe("data_dependent").plan(model, inputs=tokens)
    assert plan.row("0.weight").scheme == normal(std=0.05)
    assert "not scaled" in plan.row("0.weight").reason
    assert "'0.weight'" in plan.notes[0]


def test_a_constant_unit_is_refused_by_its_weight() -> None:
    model = nn.Sequential(nn.Linear(6, 4), nn.Threshold(1e9, 0.0), nn.Linear(4, 2))
    assert_refuses("data_dependent", model, VECTORS, "unit 0 of '2.weight' is constant", "'lsuv'")


def test_a_batch_of_one_is_refused() -> None:
    model = nn.Sequential(nn.Linear(6, 4))
    assert_refuses("data_dependent", model, VECTORS[:1], "batch of 1 values (4 of 4 are)")


def test_a_frozen_bias_that_is_not_0_is_refused() -> None:
    model = nn.Sequential(nn.Linear(6, 4))
    nn.init.ones_(model[0].bias).requires_grad_(requires_grad=False)
    assert_refuses("data_dependent", model, VECTORS, "'0.bias' is frozen")
