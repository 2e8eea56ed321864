"""BERT: one standard deviation everywhere."""

from __future__ import annotations

import pytest

import fanin
from fanin.recipes.named.bert import bert
from tests.recipes.named.transformer_models import bert_model, ids, images, llama_model, vit_model


@pytest.mark.parametrize("layers", [1, 3])
def test_every_weight_and_table_has_two_hundredths_whatever_the_depth(layers: int) -> None:
    for row in bert().plan(bert_model(layers), ids()).rows:
        plain = row.parameter.endswith("bias") or "LayerNorm" in row.parameter
        assert row.std == (0.0 if plain else pytest.approx(0.02)), row.parameter


def test_the_row_of_the_padding_token_is_zero_and_norms_are_one() -> None:
    model = bert_model(1)
    fanin.init_(model, "bert", inputs=ids())
    table = model.embeddings.word_embeddings.weight
    assert not table[0].any()
    assert float(table[1:].detach().std()) == pytest.approx(0.02, rel=0.1)
    assert bool((model.embeddings.LayerNorm.weight == 1).all())


def test_norms_written_by_hand_start_at_one_as_well() -> None:
    model = llama_model()
    fanin.init_(model, bert(0.01), inputs=ids())
    assert bool((model.model.norm.weight == 1).all())
    assert float(model.lm_head.weight.detach().std()) == pytest.approx(0.01, rel=0.1)


def test_learned_signals_are_drawn_too() -> None:
    plan = bert().plan(vit_model(), images())
    for name in ("cls_token", "position_embeddings"):
        assert plan.row(f"vit.embeddings.{name}").std == pytest.approx(0.02)


def test_its_std_is_its_argument() -> None:
    assert fanin.recipes.as_recipe("bert:0.1") == bert(std=0.1)
