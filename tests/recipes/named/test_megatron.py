"""Megatron: outputs s / sqrt(2 L); by layer s / sqrt(2 (l + 1))."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from fanin.errors import ModelError
from fanin.recipes.named.megatron import megatron
from tests.recipes.named.transformer_models import (
    gpt2_model,
    ids,
    llama_model,
    mixtral_model,
    neox_model,
    t5_model,
)


def test_outputs_are_divided_by_the_root_of_twice_the_layers() -> None:
    for row in megatron(0.006).plan(gpt2_model(3), ids()).rows:
        if "c_proj.weight" in row.parameter:
            assert row.std == pytest.approx(0.006 / math.sqrt(6))
        elif row.parameter.endswith("weight") and ".ln_" not in row.parameter:
            assert row.std == pytest.approx(0.006)


def test_by_layer_each_layer_has_its_own_scale() -> None:
    plan = megatron(by_layer=True).plan(gpt2_model(3), ids())
    for layer in range(3):
        for name in ("attn.c_proj", "mlp.c_proj"):
            row = plan.row(f"transformer.h.{layer}.{name}.weight")
            assert row.std == pytest.approx(0.02 / math.sqrt(2 * (layer + 1)))
        assert plan.row(f"transformer.h.{layer}.mlp.c_fc.weight").std == pytest.approx(0.02)


def test_by_layer_the_factor_without_an_activation_is_scaled_as_in_llama_depth() -> None:
    plan = megatron(by_layer=True).plan(llama_model(3), ids())
    for layer in range(3):
        scaled = 0.02 / math.sqrt(2 * (layer + 1))
        block = f"model.layers.{layer}"
        for name in ("self_attn.o_proj", "mlp.down_proj", "mlp.up_proj"):
            assert plan.row(f"{block}.{name}.weight").std == pytest.approx(scaled)
        assert plan.row(f"{block}.mlp.gate_proj.weight").std == pytest.approx(0.02)
    assert not plan.notes


def test_without_by_layer_that_factor_keeps_its_scale() -> None:
    plan = megatron().plan(llama_model(), ids())
    assert plan.row("model.layers.0.mlp.up_proj.weight").std == pytest.approx(0.02)


def test_factors_that_are_packed_with_their_gate_are_named() -> None:
    notes = megatron(by_layer=True).plan(mixtral_model(), ids()).notes
    assert any("'model.layers.0.mlp.experts.gate_up_proj' holds both factors" in n for n in notes)
    assert not megatron().plan(mixtral_model(), ids()).notes


def test_a_layer_with_parallel_branches_is_one_layer() -> None:
    plan = megatron(by_layer=True).plan(neox_model(2), ids())
    for layer in range(2):
        for name in ("attention.dense", "mlp.dense_4h_to_h"):
            row = plan.row(f"gpt_neox.layers.{layer}.{name}.weight")
            assert row.std == pytest.approx(0.02 / math.sqrt(2 * (layer + 1)))


def test_a_layer_of_a_decoder_adds_three_signals() -> None:
    plan = megatron(by_layer=True).plan(t5_model(), {"input_ids": ids(), "labels": ids()})
    row = plan.row("decoder.block.0.layer.0.SelfAttention.o.weight")
    assert row.std == pytest.approx(0.02 / math.sqrt(3))


def test_a_model_without_branches_is_refused() -> None:
    with pytest.raises(ModelError, match="recipe 'megatron' scales residual branches"):
        megatron().plan(nn.Sequential(nn.Linear(4, 4)), torch.randn(3, 4))
