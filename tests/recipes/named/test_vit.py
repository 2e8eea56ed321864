"""Vision transformers, as timm and as JAX have them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import fanin
from fanin.errors import ModelError, UnknownNameError
from fanin.recipes.named.vit import vit
from tests.recipes.named.transformer_models import gpt2_model, ids, images, vit_model

PATCH = "vit.embeddings.patch_embeddings.projection"


def test_timms_form_has_two_hundredths_and_torchs_own_patches() -> None:
    for row in vit().plan(vit_model(), images()).rows:
        name = row.parameter
        if name.startswith(PATCH):
            assert row.std == pytest.approx(1 / math.sqrt(3 * 3 * 64))
        elif name.endswith("cls_token"):
            assert row.std == pytest.approx(1e-6)
        elif name.endswith("bias") or "layernorm" in name:
            assert row.std == 0.0, name
        else:
            assert row.std == pytest.approx(0.02), name


def test_the_form_of_jax_has_xavier_lecun_small_biases_and_no_head() -> None:
    plan = vit("jax").plan(vit_model(), images())
    assert plan.row(f"{PATCH}.weight").std == pytest.approx(1 / math.sqrt(3 * 64))
    assert plan.row(f"{PATCH}.bias").std == 0.0
    assert plan.row("classifier.weight").std == 0.0
    block = "vit.layers.0"
    assert plan.row(f"{block}.attention.q_proj.weight").std == pytest.approx(0.25)
    assert plan.row(f"{block}.mlp.fc1.weight").std == pytest.approx(math.sqrt(2 / 48))
    assert plan.row(f"{block}.mlp.fc1.bias").std == pytest.approx(1e-6)
    assert plan.row(f"{block}.attention.q_proj.bias").std == 0.0
    assert plan.row("vit.embeddings.position_embeddings").std == pytest.approx(0.02)


def test_the_biases_of_the_patches_stay_within_torchs_bound() -> None:
    model = vit_model()
    fanin.init_(model, "vit", inputs=images(), seed=1)
    bias = model.vit.embeddings.patch_embeddings.projection.bias
    assert bool(bias.any())
    assert bias.abs().max().item() <= 1 / math.sqrt(3 * 64)


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="timm"):
        vit("tim")  # type: ignore[arg-type]  # on purpose


def test_a_language_model_is_refused_with_its_table() -> None:
    with pytest.raises(ModelError, match=r"'vit' .* 'transformer.wte.weight' looks up tokens"):
        vit().plan(gpt2_model(), ids())


def test_a_convolutional_network_is_refused() -> None:
    with pytest.raises(ModelError, match="'vit' is for vision transformers, and Sequential has no"):
        vit().plan(nn.Sequential(nn.Conv2d(3, 4, 3)), torch.randn(2, 3, 8, 8))
