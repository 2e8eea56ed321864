"""DeepNorm: beta on values, outputs and MLPs; alpha on the skip, which forward code has."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from fanin.errors import ModelError
from fanin.observation.tracing import trace
from fanin.recipes.named.deepnorm import deepnorm
from tests.recipes.named.transformer_models import (
    Attention,
    bert_model,
    from_config,
    gpt2_model,
    ids,
    neox_model,
    stacked,
    vectors,
)


def xavier(rows: int, columns: int) -> float:
    return math.sqrt(2 / (rows + columns))


def test_twelve_layers_have_the_constants_of_the_paper() -> None:
    alpha, beta = 2.21336, 0.31947
    model = stacked(12, alpha=2.2133638394006434)
    plan = deepnorm().plan(model, vectors())
    assert not plan.notes
    for row in plan.rows:
        layer, _, name = row.parameter.partition(".")
        if name in {"mixer.q.weight", "mixer.k.weight"}:
            assert row.std == pytest.approx(xavier(16, 16))
        elif name in {"mixer.v.weight", "mixer.o.weight"}:
            assert row.std == pytest.approx(beta * xavier(16, 16), rel=1e-4)
        elif name in {"up.weight", "down.weight"}:
            assert row.std == pytest.approx(beta * xavier(16, 32), rel=1e-4), layer
        else:
            assert row.std == 0.0
    assert trace(model, vectors()).joins[0].skip.factor == pytest.approx(alpha, rel=1e-4)


def test_a_skip_that_is_not_multiplied_is_noted_with_its_alpha() -> None:
    (note,) = deepnorm().plan(stacked(12), vectors()).notes
    assert "multiply the skip of the residual branch of '0.mixer.q.weight'" in note
    assert "and 23 more in its stream by alpha = 2.21336" in note
    assert "the pass shows a factor of 1" in note


def test_a_branch_that_is_divided_by_alpha_is_as_good() -> None:
    class Divided(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            inner = stacked(1)[0]
            self.mixer, self.norm = inner.mixer, nn.LayerNorm(16)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(x + self.mixer(x) / 1.0**0.25)

    assert not deepnorm().plan(Divided(), vectors()).notes


def test_a_parameter_on_the_skip_is_set_to_alpha() -> None:
    model = stacked(12, omega=True)
    plan = deepnorm().plan(model, vectors())
    assert not plan.notes
    plan.init_(model, 0)
    for block in model:
        for omega in block.omegas:
            assert omega.tolist() == pytest.approx([2.2133638] * 16)


def test_what_forward_multiplies_already_is_counted_in() -> None:
    model = stacked(12, omega=True, alpha=2.0)
    deepnorm().plan(model, vectors()).init_(model, 0)
    assert model[0].omegas[0][0].item() == pytest.approx(2.2133638 / 2)


def test_encoder_and_decoder_have_their_own_constants() -> None:
    model = nn.Transformer(16, 2, 6, 6, 32, batch_first=True).eval()
    plan = deepnorm().plan(model, (vectors(), vectors(4)))
    for side, alpha, beta in (("encoder", 1.41794, 0.49699), ("decoder", 2.05977, 0.34329)):
        for layer in (0, 5):
            where = f"{side}.layers.{layer}"
            for name in ("linear1", "linear2"):
                row = plan.row(f"{where}.{name}.weight")
                assert row.std == pytest.approx(beta * xavier(16, 32), rel=1e-4)
            out = plan.row(f"{where}.self_attn.out_proj.weight")
            assert out.std == pytest.approx(beta * xavier(16, 16), rel=1e-4)
        assert any(f"alpha = {alpha}" in note and f"'{side}." in note for note in plan.notes)


def thirds(weight: torch.Tensor) -> list[float]:
    return [float(part.detach().square().mean().sqrt()) for part in weight.chunk(3)]


def test_packed_values_are_scaled_and_queries_and_keys_are_not() -> None:
    torch.manual_seed(0)
    layer = nn.TransformerDecoderLayer(64, 2, 64, batch_first=True)
    model = nn.TransformerDecoder(layer, 2).eval()
    x = vectors(5, 64)
    deepnorm().plan(model, (x, x)).init_(model, 0)
    beta, plain = (4 * 6) ** -0.25, xavier(64, 64)
    for name in ("self_attn", "multihead_attn"):
        found = thirds(getattr(model.layers[1], name).in_proj_weight)
        assert found == pytest.approx([plain, plain, beta * plain], rel=0.05), name


def test_values_that_heads_hold_in_turn_are_found() -> None:
    values = trace(neox_model(1), ids()).values[
        "gpt_neox.layers.0.attention.query_key_value.weight"
    ]
    assert values == {*range(16, 24), *range(40, 48)}


class InTurn(Attention):
    """Each head holds its query, key and value; the values pass a gate of their own or not."""

    def __init__(self, *, gate: bool = False) -> None:
        super().__init__(64, packed=True)
        self.gate = gate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (2, -1)).transpose(1, 2).chunk(3, -1)
        made = F.scaled_dot_product_attention(q, k, v * v.sigmoid() if self.gate else v)
        return self.o(made.transpose(1, 2).flatten(2))


def test_values_that_heads_hold_in_turn_are_scaled_head_by_head() -> None:
    model = stacked(8, 64)
    model[0].mixer = InTurn()
    deepnorm().plan(model, vectors(5, 64)).init_(model, 0)
    heads = model[0].mixer.qkv.weight.unflatten(0, (2, 3, 32)).detach()
    beta, plain = 64**-0.25, xavier(64, 64)
    for head in heads:
        found = [float(part.square().mean().sqrt()) for part in head]
        assert found == pytest.approx([plain, plain, beta * plain], rel=0.08)


def test_a_packed_weight_whose_values_are_not_found_is_named() -> None:
    model = stacked(1, 64)
    model[0].mixer = InTurn(gate=True)
    with pytest.raises(ModelError, match=r"which outputs of '0.mixer.qkv.weight' are values"):
        deepnorm().plan(model, vectors(5, 64))


def test_values_of_a_conv1d_are_found_along_its_out_axis() -> None:
    assert trace(gpt2_model(1), ids()).values["transformer.h.0.attn.c_attn.weight"] == {
        *range(32, 48)
    }


@pytest.mark.parametrize("norm_first", [True])
def test_the_first_branch_that_is_pre_norm_is_named(norm_first: bool) -> None:
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=norm_first)
    model = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(16), enable_nested_tensor=False)
    with pytest.raises(ModelError, match=r"'layers.0.self_attn.in_proj_weight' .* is pre-norm"):
        deepnorm().plan(model.eval(), vectors())


def test_one_pre_norm_branch_before_a_last_norm_is_not_taken_for_post_norm() -> None:
    class One(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.mixer = nn.Linear(16, 16), stacked(1)[0].mixer
            self.norm, self.last = nn.LayerNorm(16), nn.LayerNorm(16)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.stem(x)
            return self.last(x + self.mixer(self.norm(x)))

    with pytest.raises(ModelError, match="a norm inside it comes first"):
        deepnorm().plan(One(), vectors())


def test_models_without_branches_or_attention_are_refused() -> None:
    with pytest.raises(ModelError, match="'deepnorm' scales the residual branches"):
        deepnorm().plan(nn.Sequential(nn.Linear(4, 4)), torch.randn(3, 4))


def test_bert_and_bart_have_a_row_for_each_parameter() -> None:
    bart = from_config(
        "BartModel", "BartConfig", vocab_size=40, d_model=16, encoder_layers=2, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32,
        decoder_ffn_dim=32, max_position_embeddings=16, decoder_start_token_id=1, pad_token_id=0,
    )  # fmt: skip
    plan = deepnorm().plan(bart, ids())
    beta = (12 * 1) ** -0.25
    row = plan.row("decoder.layers.0.encoder_attn.v_proj.weight")
    assert row.std == pytest.approx(beta * xavier(16, 16))
    assert len(plan.rows) == len(list(bart.parameters()))
    assert deepnorm().plan(bert_model(), ids()).row(
        "embeddings.word_embeddings.weight"
    ).std == pytest.approx(0.25)


@settings(max_examples=6, deadline=None)
@given(st.integers(1, 9))
def test_any_depth_has_two_n_to_a_fourth(layers: int) -> None:
    model = stacked(layers, alpha=(2 * layers) ** 0.25)
    plan = deepnorm().plan(model, vectors())
    assert not plan.notes
    assert plan.row("0.down.weight").std == pytest.approx((8 * layers) ** -0.25 * xavier(16, 32))


@pytest.mark.parametrize("layers", [4, 32])
def test_one_update_changes_the_model_less_than_with_plain_xavier(layers: int) -> None:
    """The claim of sections 3 and 4: the change of the output by one step stays bounded."""

    def change(scaled: bool) -> float:
        x = vectors(5, 32)
        model = stacked(layers, 32, alpha=(2 * layers) ** 0.25 if scaled else 1.0)
        for weight in (p for p in model.parameters() if p.dim() == 2):
            nn.init.xavier_normal_(weight)
        if scaled:
            deepnorm().plan(model, x).init_(model, 0)
        before = model(x)
        (before * x.flip(0)).mean().backward()
        torch.optim.SGD(model.parameters(), 0.1).step()
        return (model(x) - before).square().mean().sqrt().item()

    assert change(scaled=True) < 0.3 * change(scaled=False)
