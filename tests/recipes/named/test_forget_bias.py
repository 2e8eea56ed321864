"""The bias of the forget gate."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import fanin
from fanin import recipes, schemes
from fanin.errors import InputError, ModelError
from fanin.recipes import Batch, planned
from tests.recipes.named.sequences import Over, Steps, words
from tests.recipes.state import assert_same_parameters, parameter_bits


@pytest.mark.parametrize(("text", "value"), [("forget_bias", 1.0), ("forget_bias:2.5", 2.5)])
def test_the_forget_gate_of_an_lstm_has_it_in_one_of_its_biases(text: str, value: float) -> None:
    model = Over(nn.LSTM(8, 6, 2, batch_first=True))
    fanin.init_(model, text, inputs=words())
    for layer in ("l0", "l1"):
        both = (getattr(model.layer, f"bias_{one}_{layer}").detach() for one in ("ih", "hh"))
        total = sum(both)
        expected = torch.zeros(4, 6)
        expected[1] = value
        assert bool((total.view(4, 6) == expected).all())
        assert bool((getattr(model.layer, f"bias_hh_{layer}") == 0).all())


@pytest.mark.parametrize(
    "model", [Over(nn.GRU(8, 6, batch_first=True)), Steps(nn.GRUCell(8, 6))], ids=["GRU", "cell"]
)
def test_the_update_gate_of_a_gru_has_it_so_that_the_state_is_kept(model: nn.Module) -> None:
    fanin.init_(model, recipes.forget_bias(30), inputs=words())
    layer = getattr(model, "layer", None) or model.cell
    state = torch.randn(1, 6)
    with torch.no_grad():
        if isinstance(layer, nn.GRUCell):
            after = layer(torch.zeros(1, 8), state)
        else:
            after = layer(torch.zeros(1, 1, 8), state[None])[1][0]
    assert torch.allclose(after, state, atol=1e-5)


def test_an_lstm_with_a_large_one_keeps_its_cell() -> None:
    model = Steps(nn.LSTMCell(8, 6))
    fanin.init_(model, recipes.forget_bias(30), inputs=words())
    cell = torch.randn(1, 6)
    with torch.no_grad():
        after = model.cell(torch.zeros(1, 8), (torch.zeros(1, 6), cell))[1]
    assert torch.allclose(after, cell, atol=1e-5)


def test_the_rest_is_orthogonal_xavier_and_plain() -> None:
    plan = planned(recipes.forget_bias(), Over(nn.LSTM(8, 6, batch_first=True)), Batch(words()))
    got = {row.parameter: row.scheme for row in plan.rows}
    assert got["table.weight"] == schemes.normal(std=1.0)
    assert got["layer.weight_ih_l0"] == got["head.weight"] == schemes.xavier_uniform()
    assert got["layer.weight_hh_l0"] == schemes.orthogonal()
    assert got["head.bias"] == schemes.zeros()


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (Over(nn.RNN(8, 6, nonlinearity="relu", batch_first=True)), "RNN with relu"),
        (Over(nn.GRU(8, 6, bias=False, batch_first=True)), r"'layer\.weight_ih_l0'"),
    ],
)
def test_what_is_missing_is_named(model: nn.Module, what: str) -> None:
    with pytest.raises(ModelError, match=f"'forget_bias'.*{what}"):
        planned(recipes.forget_bias(), model, Batch(words()))


@pytest.mark.parametrize("value", [float("inf"), "1", None])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="value"):
        recipes.forget_bias(value)


def test_the_model_is_only_read() -> None:
    model = Over(nn.LSTM(8, 6, batch_first=True))
    before = parameter_bits(model)
    recipe = recipes.forget_bias()
    assert planned(recipe, model, Batch(words())) == planned(recipe, model, Batch(words()))
    assert_same_parameters(model, before)
