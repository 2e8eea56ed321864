"""T5: the numbers of its code, and queries that make up for logits that are not divided."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from fanin.errors import ModelError
from fanin.observation.tracing import trace
from fanin.recipes.named.t5 import t5
from tests.recipes.named.transformer_models import (
    from_config,
    gpt2_model,
    ids,
    stacked,
    t5_model,
    vectors,
)

BATCH = {"input_ids": ids(), "labels": ids()}


def test_every_parameter_of_t5_has_the_std_of_its_rule() -> None:
    d, d_kv, d_ff, heads = 16, 4, 32, 2
    expected = {
        "shared": 1.0, "q": (d * d_kv) ** -0.5, "k": d**-0.5, "v": d**-0.5,
        "o": (heads * d_kv) ** -0.5, "wi": d**-0.5, "wo": d_ff**-0.5,
        "relative_attention_bias": d**-0.5,
    }  # fmt: skip
    plan = t5().plan(t5_model(), BATCH)
    for row in plan.rows:
        kind = row.parameter.split(".")[-2]
        std = 0.0 if kind.endswith("layer_norm") else expected[kind]
        assert row.std == pytest.approx(std), row.parameter
    assert not plan.unmatched


def test_a_tied_head_whose_input_is_divided_needs_no_note() -> None:
    assert not t5().plan(t5_model(tie_word_embeddings=True), BATCH).notes


def test_a_tied_head_whose_input_is_not_divided_is_noted() -> None:
    (note,) = t5().plan(gpt2_model(), ids()).notes
    assert (
        "'transformer.wte.weight' is also the head: multiply what it reads by d^-1/2 = 0.25" in note
    )


def test_queries_of_divided_logits_are_like_keys() -> None:
    plan = t5().plan(stacked(1), vectors())
    assert plan.row("0.mixer.q.weight").std == plan.row("0.mixer.k.weight").std == 0.25


class ByHand(nn.Module):
    """Attention written out: its logits times ``scale``, on the queries or on the logits."""

    def __init__(self, scale: float, *, on_queries: bool) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(16, 16) for _ in range(4))
        self.scale, self.on_queries = scale, on_queries

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.q(x), self.k(x), self.v(x)
        scores = (q * self.scale) @ k.mT if self.on_queries else q @ k.mT * self.scale
        mask = torch.zeros(x.shape[1], x.shape[1]).masked_fill(torch.ones(5, 5).triu(1) > 0, -9.0)
        return x + self.o((scores + mask).softmax(-1) @ v)


@pytest.mark.parametrize("on_queries", [True, False])
@pytest.mark.parametrize("scale", [1.0, 0.25, 0.125])
def test_the_factor_of_logits_written_by_hand_is_read(scale: float, on_queries: bool) -> None:
    model = ByHand(scale, on_queries=on_queries)
    scores = trace(model, vectors()).scores["q.weight"]
    assert scores.width == 16
    assert scores.factor == pytest.approx(scale)
    std = t5().plan(model, vectors()).row("q.weight").std
    assert std * math.sqrt(16) == pytest.approx(1 / (math.sqrt(16) * scale))


def test_logits_start_with_variance_one() -> None:
    model = ByHand(1.0, on_queries=False)
    x = torch.randn(64, 5, 16, generator=torch.Generator().manual_seed(0))
    squares = []
    for seed in range(20):
        t5().plan(model, x).init_(model, seed)
        squares.append((model.q(x) @ model.k(x).mT).square().mean().item())
    assert sum(squares) / 20 == pytest.approx(1.0, rel=0.2)


def test_packed_queries_of_logits_that_are_not_divided_are_refused() -> None:
    class Packed(ByHand):
        def __init__(self) -> None:
            super().__init__(1.0, on_queries=False)
            self.q = self.k = self.v = None
            self.qkv = nn.Linear(16, 48)

        def forward(self, x: Tensor) -> Tensor:
            q, k, v = self.qkv(x).chunk(3, -1)
            return x + self.o((q @ k.mT).softmax(-1) @ v)

    with pytest.raises(ModelError, match=r"'qkv.weight' makes key and query and value in one"):
        t5().plan(Packed(), vectors())


def test_a_model_without_attention_is_refused() -> None:
    with pytest.raises(ModelError, match=r"'t5' is for transformers, and Sequential has no att"):
        t5().plan(nn.Sequential(nn.Linear(4, 4)), torch.randn(3, 4))


def test_the_gated_form_has_the_rule_of_its_fan_in() -> None:
    model = from_config(
        "T5EncoderModel", "T5Config", vocab_size=40, d_model=16, d_kv=4, d_ff=24, num_layers=1,
        num_heads=2, feed_forward_proj="gated-gelu",
    )  # fmt: skip
    plan = t5().plan(model, ids())
    mlp = "encoder.block.0.layer.1.DenseReluDense"
    assert plan.row(f"{mlp}.wi_1.weight").std == pytest.approx(16**-0.5)
    assert plan.row(f"{mlp}.wo.weight").std == pytest.approx(24**-0.5)
