"""Chrono initialization."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import fanin
from fanin import recipes, schemes
from fanin.errors import InputError, ModelError
from fanin.recipes import Batch, planned
from tests.recipes.named.sequences import ByHand, Over, Steps, words
from tests.recipes.state import assert_same_parameters, parameter_bits


def test_an_lstm_remembers_for_the_steps_of_the_pass() -> None:
    model = Over(nn.LSTM(8, 500, batch_first=True))
    fanin.init_(model, "chrono", inputs=words(30), seed=1)
    i, f, g, o = model.layer.bias_ih_l0.detach().chunk(4)
    assert bool((i == -f).all())
    assert bool((g == 0).all())
    assert bool((o == 0).all())
    assert bool((model.layer.bias_hh_l0 == 0).all())
    steps = f.exp()
    assert float(steps.min()) >= 1
    assert float(steps.max()) <= 29.001
    assert abs(float(steps.mean()) - 15) < 5 * (28 / math.sqrt(12 * 500))


def test_a_gru_gets_it_on_the_gate_that_keeps() -> None:
    model = Over(nn.GRU(8, 200, batch_first=True))
    fanin.init_(model, "chrono:784", inputs=words(), seed=1)
    r, z, n = model.layer.bias_ih_l0.detach().chunk(3)
    assert bool((r == 0).all())
    assert bool((n == 0).all())
    assert 3 < float(z.max()) <= math.log(783)
    assert bool((model.layer.bias_hh_l0 == 0).all())


def test_every_layer_and_direction_is_set_with_weights_by_gate() -> None:
    model = Over(nn.LSTM(8, 6, 2, batch_first=True, bidirectional=True))
    plan = planned(recipes.chrono(), model, Batch(words()))
    for layer in ("l0", "l0_reverse", "l1", "l1_reverse"):
        ih, hh = (plan.row(f"layer.weight_{one}_{layer}") for one in ("ih", "hh"))
        assert ih.scheme == schemes.xavier_uniform()
        assert hh.scheme == schemes.orthogonal()
        assert len(hh.layout.blocks) == 4
        bias = plan.row(f"layer.bias_ih_{layer}")
        assert (bias.scheme.name, bias.scheme.steps) == ("chrono_bias", 9)
        assert plan.row(f"layer.bias_hh_{layer}").scheme == schemes.zeros()
    assert plan.unmatched == ()
    plan.init_(model)
    for block in model.layer.weight_hh_l1.detach().chunk(4):
        assert torch.allclose(block @ block.T, torch.eye(6), atol=1e-5)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_a_projected_lstm_has_its_projection_drawn_as_a_weight() -> None:
    model = Over(nn.LSTM(8, 6, 2, batch_first=True, proj_size=3))
    plan = planned(recipes.chrono(), model, Batch(words()))
    assert plan.row("layer.weight_hr_l1").scheme == schemes.xavier_uniform()
    assert plan.row("layer.bias_ih_l1").scheme.name == "chrono_bias"


@pytest.mark.parametrize(
    ("cell", "gates"), [(nn.LSTMCell(8, 6), "lstm"), (nn.GRUCell(8, 6), "gru")]
)
def test_a_cell_needs_its_steps(cell: nn.RNNCellBase, gates: str) -> None:
    with pytest.raises(ModelError, match=r"'cell' is a cell.*chrono:784"):
        planned(recipes.chrono(), Steps(cell), Batch(words()))
    plan = planned(recipes.chrono(50), Steps(cell), Batch(words()))
    bias = plan.row("cell.bias_ih").scheme
    assert (bias.gates, bias.steps) == (gates, 50)
    assert plan.row("cell.bias_hh").scheme == schemes.zeros()


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (Over(nn.RNN(8, 6, batch_first=True)), "'layer' is an RNN with tanh"),
        (nn.Linear(5, 2), "ran none"),
        (ByHand(), "by hand"),
        (Over(nn.LSTM(8, 6, bias=False, batch_first=True)), "'layer', an LSTM, has none"),
    ],
    ids=["RNN", "no recurrence", "by hand", "no bias"],
)
def test_what_is_missing_is_named(model: nn.Module, what: str) -> None:
    inputs = words() if isinstance(model, Over) else torch.randn(3, 4, 5)
    with pytest.raises(ModelError, match=f"'chrono'.*{what}"):
        planned(recipes.chrono(), model, Batch(inputs))


def test_a_batch_of_one_step_does_not_show_the_steps() -> None:
    with pytest.raises(ModelError, match=r"1 step.*longer batch"):
        planned(recipes.chrono(), Over(nn.GRU(8, 6, batch_first=True)), Batch(words(1)))


@pytest.mark.parametrize("steps", [1, 0, float("nan"), float("inf"), "9", True])
def test_what_is_no_number_of_steps_is_refused(steps: object) -> None:
    with pytest.raises(InputError, match="steps"):
        recipes.chrono(steps)


def test_it_is_known_by_name_and_only_reads_the_model() -> None:
    model = Over(nn.LSTM(8, 6, batch_first=True))
    before = parameter_bits(model)
    recipe = recipes.as_recipe("chrono:784")
    assert recipe == recipes.chrono(784)
    assert planned(recipe, model, Batch(words())) == planned(recipe, model, Batch(words()))
    assert_same_parameters(model, before)
