"""GPT-2: the last weight of each branch divided by the root of what is added to its stream."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

import fanin
from fanin.errors import ModelError
from fanin.observation import observe
from fanin.recipes.named.gpt2 import gpt2
from fanin.recipes.reading.anatomy import Anatomy
from tests.recipes.named.transformer_models import (
    gpt2_model,
    ids,
    images,
    mixtral_model,
    neox_model,
    t5_model,
    vectors,
    vit_model,
)


def stds(model: nn.Module, inputs: object) -> dict[str, float]:
    return {row.parameter: row.std for row in gpt2().plan(model, inputs).rows}


def test_the_outputs_of_gpt2_have_its_own_std_and_the_rest_two_hundredths() -> None:
    found = stds(gpt2_model(3), ids())
    for name, std in found.items():
        if name.endswith("bias") or ".ln_" in name:
            assert std == 0.0
        elif "c_proj" in name:
            assert std == pytest.approx(0.02 / math.sqrt(6))
        else:
            assert std == pytest.approx(0.02), name


def test_renamed_modules_change_nothing() -> None:
    class Renamed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            inner = gpt2_model(2)
            self.zebra = inner.transformer
            for number, block in enumerate(list(self.zebra.h)):
                block.attn.a_name = block.attn.c_proj
                self.add_module(f"yak{number}", block)

        def forward(self, x: Tensor) -> Tensor:
            return self.zebra(x).last_hidden_state

    model = Renamed()
    found = stds(model, ids())
    last = [n for n, s in found.items() if s == pytest.approx(0.01)]
    assert len(last) == 4


def test_a_table_that_is_the_head_too_is_drawn_once() -> None:
    model = gpt2_model(1)
    rows = gpt2().plan(model, ids()).rows
    assert [row.parameter for row in rows].count("transformer.wte.weight") == 1
    assert "lm_head.weight" not in [row.parameter for row in rows]


def test_parallel_attention_and_mlp_add_two_signals_a_layer() -> None:
    found = stds(neox_model(3), ids())
    outputs = [s for n, s in found.items() if n.endswith(("dense.weight", "4h_to_h.weight"))]
    assert outputs == pytest.approx([0.02 / math.sqrt(6)] * 6)


def test_experts_are_scaled_and_their_router_is_not() -> None:
    found = stds(mixtral_model(), ids())
    assert found["model.layers.0.mlp.experts.down_proj"] == pytest.approx(0.01)
    assert found["model.layers.0.mlp.experts.gate_up_proj"] == pytest.approx(0.02)
    assert found["model.layers.0.mlp.gate.weight"] == pytest.approx(0.02)


def test_encoder_and_decoder_have_depths_of_their_own() -> None:
    found = stds(t5_model(), {"input_ids": ids(), "labels": ids()})
    assert found["encoder.block.0.layer.0.SelfAttention.o.weight"] == pytest.approx(0.01)
    three = 0.02 / math.sqrt(3)
    for name in ("0.SelfAttention.o", "1.EncDecAttention.o", "2.DenseReluDense.wo"):
        assert found[f"decoder.block.0.layer.{name}.weight"] == pytest.approx(three)
    assert found["decoder.block.0.layer.1.EncDecAttention.v.weight"] == pytest.approx(0.02)


def test_learned_positions_are_drawn_and_no_bias() -> None:
    found = stds(vit_model(), images())
    assert found["vit.embeddings.position_embeddings"] == pytest.approx(0.02)
    assert found["vit.embeddings.patch_embeddings.projection.bias"] == 0.0


def test_a_model_without_branches_is_refused() -> None:
    with pytest.raises(ModelError, match=r"'gpt2' scales residual branches, .* Sequential showed"):
        gpt2().plan(nn.Sequential(nn.Linear(4, 4)), torch.randn(3, 4))


class OneByOne(nn.Module):
    """x + attention(n) + mlp(n), added one after the other; a nested branch in the MLP."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(16) for _ in range(layers))
        self.one = nn.ModuleList(nn.Linear(16, 16) for _ in range(layers))
        self.two = nn.ModuleList(nn.Linear(16, 16) for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        for norm, one, two in zip(self.norms, self.one, self.two, strict=True):
            x = x + one(norm(x)).relu() + two(norm(x)).tanh()
        return x


def test_parallel_branches_that_are_added_in_turn_make_one_stream() -> None:
    anatomy = Anatomy(model := OneByOne(3), observe(model, vectors()))
    assert [len(stream) for stream in anatomy.streams] == [6]
    assert anatomy.depth_of(anatomy.branches[0]) == 6


class Group(nn.Module):
    """Residual blocks inside a residual group, without a weight of the group's own or with one."""

    def __init__(self, inner: int, own: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(16, 16) for _ in range(inner))
        self.own = nn.Linear(16, 16) if own else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for block in self.blocks:
            y = y + block(y.relu())
        return x + 0.2 * self.own(y)


def test_blocks_inside_groups_are_one_stream_through_all_groups() -> None:
    model = nn.Sequential(nn.Linear(16, 16), *(Group(2, own=False) for _ in range(3)))
    anatomy = Anatomy(model, observe(model, vectors()))
    assert [len(stream) for stream in anatomy.streams] == [6]


def test_groups_with_a_weight_of_their_own_are_a_stream_beside_those_of_their_blocks() -> None:
    model = nn.Sequential(nn.Linear(16, 16), *(Group(2, own=True) for _ in range(3)))
    anatomy = Anatomy(model, observe(model, vectors()))
    last = anatomy.last_weights()
    assert {anatomy.depth_of(last[f"{n}.own.weight"]) for n in (1, 2, 3)} == {3}
    assert {anatomy.depth_of(last[f"{n}.blocks.1.weight"]) for n in (1, 2, 3)} == {2}


class Gated(nn.Module):
    """x + a(x) * sigmoid(b(x)): b only weighs what a puts out."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(16, 16), nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.a(x) * self.b(x).sigmoid()


def test_a_gate_is_no_output_of_its_branch() -> None:
    model = nn.Sequential(nn.Linear(16, 16), Gated(), Gated())
    anatomy = Anatomy(model, observe(model, vectors()))
    assert set(anatomy.last_weights()) == {"1.a.weight", "2.a.weight"}
    assert anatomy.depth_of(anatomy.branches[0]) == 2


def test_layers_that_share_their_weights_are_counted_each() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.inner = nn.Linear(16, 16), nn.Linear(16, 16)

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x)
            for _ in range(4):
                x = x + self.inner(x.relu())
            return x

    assert stds(Shared(), vectors())["inner.weight"] == pytest.approx(0.01)


def test_a_plan_is_written_and_leaves_the_model_alone_until_then() -> None:
    model = gpt2_model(1)
    before = {n: p.clone() for n, p in model.named_parameters()}
    plan = gpt2().plan(model, ids())
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())
    assert plan == gpt2().plan(model, ids())
    fanin.init_(model, plan, seed=3)
    assert not torch.equal(model.transformer.wte.weight, before["transformer.wte.weight"])
