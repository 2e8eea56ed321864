"""MoCo v3: Xavier by block."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from fanin.errors import ModelError
from fanin.recipes.named.moco import moco
from tests.recipes.named.transformer_models import PostNorm, gpt2_model, ids, images, vit_model


class Packed(nn.Module):
    """Patches, one block whose query, key and value are packed, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, stride=4)
        self.block = PostNorm(16, packed=True)
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(self.patches(x).flatten(2).mT).mean(1))


def test_packed_queries_keys_and_values_count_each_by_itself() -> None:
    model = Packed()
    plan = moco().plan(model, images())
    plan.init_(model, 0)
    bound = math.sqrt(6 / (16 + 48 / 3))
    largest = float(model.block.mixer.qkv.weight.detach().abs().max())
    assert 0.97 * bound < largest <= bound
    assert plan.row("block.mixer.qkv.weight").std == pytest.approx(bound / math.sqrt(3))
    assert plan.row("block.up.weight").std == pytest.approx(math.sqrt(2 / 48))
    assert plan.row("head.weight").std == pytest.approx(math.sqrt(2 / 21))


def test_patches_are_drawn_as_the_matrix_of_a_flattened_patch() -> None:
    plan = moco().plan(Packed(), images())
    assert plan.row("patches.weight").std == pytest.approx(math.sqrt(2 / (3 * 16 + 16)))
    assert plan.row("patches.bias").std == 0.0


def test_tokens_start_at_almost_zero() -> None:
    assert moco().plan(vit_model(), images()).row("vit.embeddings.cls_token").std == 1e-6


def test_other_models_are_refused() -> None:
    with pytest.raises(ModelError, match="recipe 'moco' is for vision transformers"):
        moco().plan(gpt2_model(), ids())
    with pytest.raises(ModelError, match="has no attention"):
        moco().plan(nn.Sequential(nn.Conv2d(3, 4, 3)), torch.randn(2, 3, 8, 8))
