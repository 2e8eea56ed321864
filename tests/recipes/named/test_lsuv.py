"""LSUV: every layer puts out variance 1 on the batch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import fanin
from fanin.errors import InputError
from fanin.recipes import as_recipe
from fanin.schemes import normal, orthogonal, scaled, zeros
from tests.recipes.named.residual_networks import (
    IMAGES,
    VECTORS,
    Block,
    Standardised,
    assert_only_reads,
    assert_refuses,
    network,
    outputs,
)


def assert_unit_variance(model: nn.Module, inputs: Tensor, but: tuple[str, ...] = ()) -> None:
    shown = outputs(model, inputs, nn.Linear, nn.Conv2d)
    assert len(shown) > len(but)
    for name, out in shown.items():
        if name not in but:
            assert float(out.std(correction=0)) == pytest.approx(1.0, abs=1e-3), name


def plain() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.GELU(), nn.Conv2d(8, 8, 3, groups=8), nn.Tanh(), nn.Flatten(),
        nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 4),
    )  # fmt: skip


def test_every_output_has_std_1() -> None:
    assert_unit_variance(fanin.init_(plain(), "lsuv", inputs=IMAGES, seed=3), IMAGES)


def test_the_rows_are_orthogonal_times_what_was_measured() -> None:
    plan = assert_only_reads("lsuv", plain(), IMAGES, seed=3)
    assert plan.seed == 3
    row = plan.row("0.weight")
    model = plain()
    orthogonal().init_(model[0].weight, seed=3, name="0.weight", layout=row.layout)
    nn.init.zeros_(model[0].bias)
    std = float(model[0](IMAGES).detach().std(correction=0))
    assert row.scheme.base == orthogonal()
    assert row.scheme.factor == pytest.approx(1 / std, rel=1e-5)
    assert f"{std:.4g}" in row.reason
    assert plan.row("0.bias").scheme == zeros()
    assert "1511.06422" in plan.citation()


def test_the_plan_holds_for_its_seed_alone() -> None:
    model = plain()
    plan = as_recipe("lsuv").plan(model, inputs=IMAGES, seed=3)
    with pytest.raises(InputError, match="measured on the weights of seed 3"):
        plan.init_(model, 4)
    assert_unit_variance(plan.init_(model), IMAGES)


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.integers(2, 24), min_size=2, max_size=6),
    st.floats(1e-3, 1e3),
    st.sampled_from([nn.ReLU, nn.Tanh, nn.SiLU, nn.Sigmoid]),
)
def test_any_widths_activations_and_scales_of_inputs(
    widths: list[int], size: float, activation: type[nn.Module]
) -> None:
    layers = [
        layer
        for before, after in zip([6, *widths], [*widths, 3], strict=True)
        for layer in (nn.Linear(before, after), activation())
    ]
    model, x = nn.Sequential(*layers), VECTORS * size
    assert_unit_variance(fanin.init_(model, "lsuv", inputs=x, seed=1), x)


@pytest.mark.parametrize("make", [lambda: Block(8), lambda: Block(8, norms=False, factor=())])
def test_residual_networks_with_and_without_norms(make: object) -> None:
    model = network(make)
    assert_unit_variance(fanin.init_(model, "lsuv", inputs=IMAGES, seed=2), IMAGES)


def test_of_weight_norm_and_standardised_weights_the_lengths_are_scaled() -> None:
    model = network(lambda: Block(8, norms=False), stem=Standardised(3, 8, 3))
    nn.utils.parametrizations.weight_norm(model[5])
    plan = as_recipe("lsuv").plan(model, inputs=IMAGES)
    assert plan.row("0.weight").scheme == orthogonal()
    assert isinstance(plan.row("0.gain").scheme, scaled)
    assert isinstance(plan.row("5.parametrizations.weight.original0").scheme, scaled)
    assert_unit_variance(plan.init_(model), IMAGES)


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.head = nn.Linear(6, 6), nn.Linear(6, 2)
        self.first: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x)
        self.first = [y.detach()]
        return self.head(self.inner(torch.tanh(y)))


def test_a_weight_that_is_used_twice_has_the_factor_of_its_first_use() -> None:
    model = fanin.init_(Twice(), "lsuv", inputs=VECTORS)
    assert_unit_variance(model, VECTORS, but=("inner",))
    assert float(model.first[0].std(correction=0)) == pytest.approx(1.0, abs=1e-3)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.lstm = nn.Embedding(9, 6), nn.LSTM(6, 8, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.lstm(self.table(tokens))[0])


def test_recurrent_layers_stay_orthogonal_and_say_so() -> None:
    tokens = torch.arange(36).view(4, 9) % 9
    model = Recurrent()
    plan = assert_only_reads("lsuv", model, tokens)
    row = plan.row("lstm.weight_hh_l0")
    assert row.scheme == orthogonal()
    assert "lstm is not proportional to its weights" in row.reason
    assert "'lstm.weight_ih_l0'" in plan.notes[0]
    assert plan.row("table.weight").scheme.base == normal(std=1.0)
    plan.init_(model)
    assert_unit_variance(model, tokens)


def test_a_constant_output_is_refused_by_the_name_of_its_weight() -> None:
    model = nn.Sequential(nn.Linear(6, 4), nn.Threshold(1e9, 0.0), nn.Linear(4, 2))
    assert_refuses("lsuv", model, VECTORS, "lsuv", "'2.weight' is constant")


class Renormalised(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return x @ (self.weight / self.weight.norm()).T


def test_a_weight_that_forward_makes_anew_from_its_direction_is_refused() -> None:
    model = nn.Sequential(nn.Linear(6, 4), Renormalised(4, 2, bias=False))
    assert_refuses("lsuv", model, VECTORS, "'1.weight'", "instead of 1", "weight_norm")


class Equalised(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return x @ (self.weight * 0.3).T


def test_a_weight_times_a_number_is_scaled() -> None:
    model = nn.Sequential(nn.Linear(6, 4), Equalised(4, 2, bias=False))
    assert_unit_variance(fanin.init_(model, "lsuv", inputs=VECTORS), VECTORS)


def test_a_frozen_bias_that_is_not_0_is_refused() -> None:
    model = nn.Sequential(nn.Linear(6, 4))
    nn.init.ones_(model[0].bias).requires_grad_(requires_grad=False)
    assert_refuses("lsuv", model, VECTORS, "frozen bias '0.bias'")


def test_a_frozen_weight_keeps_its_values() -> None:
    model = nn.Sequential(nn.Linear(6, 4, bias=False), nn.ReLU(), nn.Linear(4, 2))
    model[0].weight.requires_grad_(requires_grad=False)
    before = model[0].weight.clone()
    fanin.init_(model, "lsuv", inputs=VECTORS)
    assert torch.equal(model[0].weight, before)
    assert_unit_variance(model, VECTORS, but=("0",))


def test_dropout_is_the_same_every_time() -> None:
    model = nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.5), nn.Linear(4, 2))
    assert_only_reads("lsuv", model, VECTORS)
