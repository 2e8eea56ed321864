"""Parameters get other memory while weights are measured, and their own back."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import fanin
from fanin.errors import ModelError
from fanin.observation import untouched
from fanin.observation.copies import give_fresh_memory
from fanin.recipes.plans.row import Row
from fanin.recipes.plans.writer import overwrite
from fanin.schemes import normal, ones


def test_a_parameter_has_its_memory_and_numbers_back() -> None:
    layer = nn.Linear(3, 2)
    address, bits = layer.weight.data_ptr(), layer.weight.detach().clone()
    with untouched(layer):
        give_fresh_memory(layer.weight)
        assert layer.weight.data_ptr() != address
        nn.init.zeros_(layer.weight)
    assert layer.weight.data_ptr() == address
    assert torch.equal(layer.weight, bits)


def test_memory_that_somebody_else_holds_stays() -> None:
    layer = nn.Linear(3, 2)
    held = layer.weight.detach()
    with untouched(layer):
        give_fresh_memory(layer.weight)
        assert layer.weight.data_ptr() == held.data_ptr()


def test_recommend_leaves_every_parameter_where_it_was() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    flat = model[0].weight.detach().numpy()  # numpy holds the memory of one of them
    before = {name: (one, one.data_ptr()) for name, one in model.named_parameters()}
    bits = {name: one.detach().clone() for name, one in model.named_parameters()}
    fanin.recommend(model, torch.randn(6, 4))
    for name, one in model.named_parameters():
        assert one is before[name][0]
        assert one.data_ptr() == before[name][1]
        assert torch.equal(one, bits[name])
    assert flat.ctypes.data == model[0].weight.data_ptr()


def test_overwrite_checks_before_it_draws_and_leaves_others() -> None:
    layer = nn.Linear(3, 2)
    bias = layer.bias.detach().clone()
    overwrite([Row("weight", (2, 3), ones(), "")], layer, 0)
    assert torch.equal(layer.weight, torch.ones(2, 3))
    assert torch.equal(layer.bias, bias)
    wrong = [Row("weight", (2, 3), normal(std=1.0), ""), Row("bias", (3,), ones(), "")]
    with pytest.raises(ModelError, match="'bias' has shape"):
        overwrite(wrong, layer, 0)
    assert torch.equal(layer.weight, torch.ones(2, 3))
