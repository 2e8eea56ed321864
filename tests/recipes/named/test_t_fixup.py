"""T-Fixup: no norms, Xavier, and factors that hang on the depth."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from fanin.errors import ModelError
from fanin.recipes.named.t_fixup import t_fixup
from tests.recipes.named.transformer_models import WORDS, Attention, ids, stacked, vectors


def xavier(rows: int, columns: int) -> float:
    return math.sqrt(2 / (rows + columns))


class Words(nn.Module):
    """Tokens, learned positions, a stack without norms, and a head."""

    def __init__(self, layers: int, width: int = 16) -> None:
        super().__init__()
        self.tokens = nn.Embedding(WORDS, width, padding_idx=0)
        self.places = nn.Parameter(torch.zeros(6, width))
        self.stack = stacked(layers, width, norm=False)
        self.head = nn.Linear(width, 7)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stack(self.tokens(x) + self.places))


def test_an_encoder_has_the_factors_of_the_paper() -> None:
    plan = t_fixup().plan(Words(4), ids())
    factor = 0.67 * 4**-0.25
    expected = {
        "q": xavier(16, 16), "k": xavier(16, 16), "v": factor * xavier(16, 16),
        "o": factor * xavier(16, 16), "up": factor * xavier(16, 32),
        "down": factor * xavier(16, 32),
    }  # fmt: skip
    for row in plan.rows:
        if row.parameter.startswith("stack"):
            kind = row.parameter.split(".")[-2]
            std = expected[kind] if row.parameter.endswith("weight") else 0.0
            assert row.std == pytest.approx(std), row.parameter
    small = 16**-0.5 * (9 * 4) ** -0.25
    assert plan.row("tokens.weight").std == pytest.approx(small)
    assert plan.row("tokens.weight").padding_index == 0
    assert plan.row("places").std == pytest.approx(small)
    assert plan.row("head.weight").std == pytest.approx(xavier(16, 7))


class Crossing(nn.Module):
    """Encoder and decoder of torch.nn, their norms taken out."""

    def __init__(self, encoders: int, decoders: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(WORDS, 32)
        self.both = nn.Transformer(32, 2, encoders, decoders, 32, dropout=0.0, batch_first=True)
        for module in list(self.both.modules()):
            for name, child in module.named_children():
                if isinstance(child, nn.LayerNorm):
                    setattr(module, name, nn.Identity())

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.both(self.tokens(x), self.tokens(y))


def test_a_decoder_has_its_own_factors_in_both_attentions() -> None:
    torch.manual_seed(0)
    model = Crossing(2, 3)
    plan = t_fixup().plan(model, (ids(), ids(5)))
    plan.init_(model, 0)
    plain, factor = xavier(32, 32), (9 * 3) ** -0.25
    layer = model.both.decoder.layers[2]
    for attention in (layer.self_attn, layer.multihead_attn):
        parts = [float(p.detach().std()) for p in attention.in_proj_weight.chunk(3)]
        assert parts == pytest.approx([plain, plain, factor * plain], rel=0.08)
        assert float(attention.out_proj.weight.detach().std()) == pytest.approx(
            factor * plain, rel=0.08
        )
    encoder = plan.row("both.encoder.layers.0.linear1.weight").std
    assert encoder == pytest.approx(0.67 * 2**-0.25 * plain)
    assert plan.row("both.decoder.layers.0.linear1.weight").std == pytest.approx(factor * plain)
    assert plan.row("tokens.weight").std == pytest.approx(32**-0.5 * factor)


@pytest.mark.parametrize("layers", [2, 32])
def test_the_signal_stays_bounded_at_any_depth(layers: int) -> None:
    model = stacked(layers, 32, norm=False)
    x = vectors(5, 32) * 32**-0.5 * (9 * layers) ** -0.25

    def growth() -> float:
        return float(model(x).detach().norm() / x.norm())

    for weight in (p for p in model.parameters() if p.dim() == 2):
        nn.init.xavier_uniform_(weight)
    plain = growth()
    t_fixup().plan(model, x).init_(model, 0)
    assert growth() < (3 if layers == 2 else 30)
    if layers == 32:
        assert plain > 30 * growth()


def test_the_first_norm_is_named() -> None:
    with pytest.raises(ModelError, match=r"'0.norms.0' is a norm \(layer_norm\)"):
        t_fixup().plan(stacked(2), vectors())


def test_a_norm_written_by_hand_is_a_norm() -> None:
    class ByHand(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mixer = Attention(16)

        def forward(self, x: Tensor) -> Tensor:
            normed = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)
            return x + self.mixer(normed)

    with pytest.raises(ModelError, match=r"is a norm \(by hand\)"):
        t_fixup().plan(ByHand(), vectors())


def test_models_without_attention_are_refused() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.inner(x.relu())

    with pytest.raises(ModelError, match=r"without attention, first the residual branch of '0.in"):
        t_fixup().plan(nn.Sequential(Block()), torch.randn(3, 4))
