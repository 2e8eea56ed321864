"""One scheme on recurrent layers, attention and transformers: several weights in one tensor."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from torch import nn

import fanin
from fanin.errors import ModelError
from fanin.recipes import OneScheme, as_recipe
from fanin.schemes import he_normal
from tests.claims import assert_close, assert_std

# Chance that one check of a standard deviation fails although it is right; 130 such checks.
RATE = 1e-6

# (recipe, its std from the fans, kurtosis of its law)
SCHEMES: dict[str, tuple[Callable[[float, float], float], float]] = {
    "he_normal": (lambda n, _: math.sqrt(2 / n), 3.0),
    "xavier_uniform": (lambda n, o: math.sqrt(2 / (n + o)), 1.8),
}


def _filled(model: nn.Module, value: float) -> nn.Module:
    for parameter in model.parameters():
        nn.init.constant_(parameter, value)
    return model


def _assert_zero(parameter: nn.Parameter, name: str) -> None:
    off = float(parameter.detach().abs().max())
    assert off == 0, f"{name} is up to {off:g} away from 0"


# (module, weight -> fan_in and fan_out of each of its blocks, by hand)
PACKED: dict[str, tuple[Callable[[], nn.Module], dict[str, tuple[int, int]]]] = {
    "attention": (
        lambda: nn.MultiheadAttention(96, 4),
        {"in_proj_weight": (96, 96), "out_proj.weight": (96, 96)},
    ),
    "attention of three widths": (
        lambda: nn.MultiheadAttention(96, 4, kdim=60, vdim=40, add_bias_kv=True),
        {
            "q_proj_weight": (96, 96),
            "k_proj_weight": (60, 96),
            "v_proj_weight": (40, 96),
            "out_proj.weight": (96, 96),
        },
    ),
    "RNN": (lambda: nn.RNN(60, 80), {"weight_ih_l0": (60, 80), "weight_hh_l0": (80, 80)}),
    "GRU": (
        lambda: nn.GRU(60, 80, num_layers=2, bidirectional=True),
        {
            **{f"weight_ih_l0{end}": (60, 80) for end in ("", "_reverse")},
            **{f"weight_ih_l1{end}": (160, 80) for end in ("", "_reverse")},
            **{f"weight_hh_l{i}{end}": (80, 80) for i in (0, 1) for end in ("", "_reverse")},
        },
    ),
    "LSTM with a projection": (
        lambda: nn.LSTM(60, 80, proj_size=50),
        {"weight_ih_l0": (60, 80), "weight_hh_l0": (50, 80), "weight_hr_l0": (80, 50)},
    ),
    "LSTMCell": (lambda: nn.LSTMCell(60, 80), {"weight_ih": (60, 80), "weight_hh": (80, 80)}),
    "GRUCell": (lambda: nn.GRUCell(60, 80), {"weight_ih": (60, 80), "weight_hh": (80, 80)}),
    "RNNCell": (lambda: nn.RNNCell(60, 80), {"weight_ih": (60, 80), "weight_hh": (80, 80)}),
}


@pytest.mark.parametrize("scheme", ["he_normal", "xavier_uniform"])
@pytest.mark.parametrize("kind", PACKED)
def test_each_block_of_a_packed_weight_has_the_std_of_its_own_fans(kind: str, scheme: str) -> None:
    make, fans = PACKED[kind]
    formula, kurtosis = SCHEMES[scheme]
    model = _filled(make(), 5.0)
    plan = as_recipe(scheme).plan(model)
    assert [row.parameter for row in plan.rows] == [name for name, _ in model.named_parameters()]
    fanin.init_(model, scheme, seed=3)
    left = dict(model.named_parameters())
    for name, (fan_in, fan_out) in fans.items():
        weight = left.pop(name).detach()
        for i, block in enumerate(weight.split(fan_out)):
            std = formula(fan_in, fan_out)
            assert_std(block.numpy(), std, kurtosis, RATE, f"block {i} of {name} under {scheme}")
    for name, parameter in left.items():
        assert "bias" in name
        if name not in {"bias_k", "bias_v"}:
            _assert_zero(parameter, name)


@pytest.mark.parametrize("name", ["bias_k", "bias_v"])
def test_learned_keys_and_values_are_drawn_as_torch_draws_them(name: str) -> None:
    model = nn.MultiheadAttention(4096, 2, kdim=1, vdim=1, add_bias_kv=True)
    row = next(r for r in as_recipe("he_normal").plan(model).rows if r.parameter == name)
    assert_close(row.std, 1 / 64, 1e-12, f"planned std of {name}")
    assert "learned key or value" in row.reason
    row.scheme.init_(model.get_parameter(name), seed=1, name=name)
    assert_std(model.get_parameter(name).detach().numpy(), 1 / 64, 3.0, RATE, name)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.TransformerEncoderLayer(12, 3, dim_feedforward=20),
        lambda: nn.TransformerDecoderLayer(12, 3, dim_feedforward=20),
        lambda: nn.Transformer(12, 3, 1, 2, 20),
        lambda: nn.Transformer(12, 3, 1, 2, 20, bias=False),
    ],
    ids=["encoder layer", "decoder layer", "whole", "whole without biases"],
)
@pytest.mark.parametrize("recipe", ["he_normal", "xavier_uniform", "normal:0.02"])
@pytest.mark.filterwarnings("ignore:enable_nested_tensor")  # of no matter here
def test_transformers_of_torch_get_a_row_for_every_parameter(
    make: Callable[[], nn.Module], recipe: str
) -> None:
    model = _filled(make(), 5.0)
    plan = as_recipe(recipe).plan(model)
    assert [row.parameter for row in plan.rows] == [name for name, _ in model.named_parameters()]
    assert fanin.init_(model, recipe) is model
    for name, parameter in model.named_parameters():
        assert float(parameter.detach().max()) < 5, name
        if name.endswith("bias"):
            _assert_zero(parameter, name)


def test_the_reason_says_how_many_weights_there_are() -> None:
    rows = OneScheme(he_normal()).plan(nn.LSTM(3, 5, bias=False, proj_size=2)).rows
    assert [row.reason for row in rows] == [
        "4 weights in one tensor, each of fan_in 3, fan_out 5",
        "4 weights in one tensor, each of fan_in 2, fan_out 5",
        "a weight of fan_in 5, fan_out 2",
    ]


def _gpt2() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=50,
        n_positions=16,
        n_embd=24,
        n_layer=2,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
    )
    return GPT2LMHeadModel(config)


def test_gpt2_of_transformers_gets_a_row_for_every_parameter() -> None:
    model = _gpt2()
    plan = as_recipe("normal:0.02").plan(model)
    rows = {row.parameter: row for row in plan.rows}
    assert list(rows) == [name for name, _ in model.named_parameters()]
    assert {rows[n].std for n in rows if n.endswith("bias")} == {0}
    ups = rows["transformer.h.1.mlp.c_fc.weight"].layout
    assert (ups.op, ups.fan_in, ups.fan_out) == ("transposed_linear", 24, 96)
    fanin.init_(_filled(model, 5.0), "normal:0.02")
    assert model.lm_head.weight is model.transformer.wte.weight
    assert max(float(p.detach().max()) for p in model.parameters()) == 1  # norms


def test_gpt2_without_its_head_has_fans_throughout() -> None:
    model = _gpt2().transformer
    rows = {row.parameter: row for row in as_recipe("he_normal").plan(model).rows}
    assert list(rows) == [name for name, _ in model.named_parameters()]
    for name, fan_in in {
        "h.0.attn.c_attn.weight": 24,
        "h.0.mlp.c_fc.weight": 24,
        "h.0.mlp.c_proj.weight": 96,
        "wpe.weight": 1,
    }.items():
        assert_close(rows[name].std, math.sqrt(2 / fan_in), 1e-12, f"std of {name}")


def test_gpt2s_table_tied_to_its_head_is_refused_where_the_two_disagree() -> None:
    with pytest.raises(ModelError) as caught:
        fanin.init_(_gpt2(), "he_normal")
    assert "'transformer.wte.weight' and 'lm_head.weight' are one parameter" in str(caught.value)
    assert "as embedding (fan_in 1) and as linear (fan_in 24)" in str(caught.value)
