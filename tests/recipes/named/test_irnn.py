"""IRNN."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import fanin
from fanin import recipes, schemes
from fanin.errors import InputError, ModelError
from fanin.recipes import Batch, planned
from tests.recipes.named.sequences import ByHand, Over, Steps, words
from tests.recipes.state import assert_same_parameters, parameter_bits


@pytest.mark.parametrize(
    "model",
    [
        Over(nn.RNN(8, 6, 2, nonlinearity="relu", batch_first=True)),
        Steps(nn.RNNCell(8, 6, nonlinearity="relu")),
    ],
    ids=["layer", "cell"],
)
def test_the_state_is_copied_and_the_inputs_add_little(model: nn.Module) -> None:
    fanin.init_(model, "irnn", inputs=words())
    named = dict(model.named_parameters())
    for name, parameter in named.items():
        values = parameter.detach()
        if "weight_hh" in name:
            assert bool((values == torch.eye(6)).all()), name
        elif "bias" in name:
            assert bool((values == 0).all()), name
        elif "weight_ih" in name or name == "head.weight":
            assert 0 < float(values.std()) < 0.002, name
    cell = getattr(model, "cell", None)
    if cell is not None:
        state = torch.rand(3, 6)
        with torch.no_grad():
            assert torch.equal(cell(torch.zeros(3, 8), state), state)


def test_a_bias_may_be_missing_and_the_std_be_given() -> None:
    model = Over(nn.RNN(8, 6, bias=False, nonlinearity="relu", batch_first=True))
    plan = planned(recipes.as_recipe("irnn:0.01"), model, Batch(words()))
    assert plan.row("layer.weight_ih_l0").scheme == schemes.normal(std=0.01)
    assert plan.row("table.weight").scheme == schemes.normal(std=1.0)


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (Over(nn.RNN(8, 6, batch_first=True)), "'layer' is an RNN with tanh"),
        (Over(nn.LSTM(8, 6, batch_first=True)), "'layer' is an LSTM"),
        (Steps(nn.GRUCell(8, 6)), "'cell' is a GRU"),
    ],
)
def test_another_recurrent_net_is_named_with_what_to_take(model: nn.Module, what: str) -> None:
    with pytest.raises(ModelError, match=f"{what}.*nonlinearity='relu'.*'forget_bias'"):
        planned(recipes.irnn(), model, Batch(words()))


def test_a_step_by_hand_is_an_error() -> None:
    with pytest.raises(ModelError, match="by hand"):
        planned(recipes.irnn(), ByHand(), Batch(torch.randn(3, 4, 5)))


def test_a_negative_std_is_refused() -> None:
    with pytest.raises(InputError, match="std"):
        recipes.irnn(-0.1)


def test_the_model_is_only_read() -> None:
    model = Over(nn.RNN(8, 6, nonlinearity="relu", batch_first=True))
    before = parameter_bits(model)
    assert planned(recipes.irnn(), model, Batch(words())) == planned(
        recipes.irnn(), model, Batch(words())
    )
    assert_same_parameters(model, before)
