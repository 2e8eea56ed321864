"""muP: scales and rates by width."""

from __future__ import annotations

import math
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import fanin
from fanin import recipes, schemes
from fanin.errors import InputError, ModelError
from fanin.recipes import Batch, Plan, planned
from tests.recipes.named.decoder import Decoder, tokens
from tests.recipes.state import assert_same_parameters, parameter_bits

X = torch.randn(8, 12, generator=torch.Generator().manual_seed(0))


def mlp(width: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(12, width),
        activation(),
        nn.Linear(width, width),
        activation(),
        nn.Linear(width, 3),
    )


def plan_of(model: nn.Module, inputs: object, **named: object) -> Plan:
    return planned(recipes.mup(**named), model, Batch(inputs))


@given(st.integers(1, 200), st.integers(4, 200), st.booleans())
@settings(max_examples=25, deadline=None)
def test_the_table_holds_for_every_width_and_base(base: int, width: int, by_model: bool) -> None:
    model = mlp(width, nn.Identity)
    plan = plan_of(model, X, base=mlp(base) if by_model else base)
    m = width / base
    inputs, hidden, output = (plan.row(f"{i}.weight") for i in (0, 2, 4))
    assert math.isclose(inputs.std, 1 / math.sqrt(12))
    assert math.isclose(hidden.std, 1 / math.sqrt(width))
    assert math.isclose(output.std, math.sqrt(base) / width)
    assert (inputs.learning_rate, inputs.weight_decay) == (1, 1)
    for row in (hidden, output):
        assert math.isclose(row.learning_rate, 1 / m)
        assert math.isclose(row.learning_rate * row.weight_decay, 1)
    for i in (0, 2, 4):
        bias = plan.row(f"{i}.bias")
        assert (bias.scheme, bias.learning_rate) == (schemes.zeros(), 1)


def test_the_gain_of_the_activation_before_a_weight_counts() -> None:
    plan = plan_of(mlp(64), X, base=64)
    assert math.isclose(plan.row("0.weight").std, 1 / math.sqrt(12))
    assert math.isclose(plan.row("2.weight").std, math.sqrt(2 / 64))


def test_at_the_base_width_all_rates_are_the_base_rate() -> None:
    for base in (32, mlp(32)):
        rows = plan_of(mlp(32), X, base=base).rows
        assert {row.learning_rate for row in rows} == {1.0}


def test_the_groups_of_the_optimizer_have_the_rates() -> None:
    model = mlp(64)
    plan = plan_of(model, X, base=16)
    groups = plan.param_groups(0.1, weight_decay=0.01)
    rates = {name: (g["lr"], g["weight_decay"]) for g in groups for name in g["names"]}
    assert rates["0.weight"] == rates["2.bias"] == (0.1, 0.01)
    assert rates["2.weight"] == rates["4.weight"] == (0.025, 0.04)
    torch.optim.AdamW(groups)


def test_a_decoder_has_constant_tables_and_norms_and_a_shrinking_readout() -> None:
    plan = plan_of(Decoder(64), tokens(), base=Decoder(16))
    assert plan.row("table.weight").std == 1
    assert plan.row("blocks.0.norm1.weight").scheme == schemes.ones()
    for name in ("table.weight", "position", "blocks.0.norm1.weight", "blocks.1.up.bias"):
        assert plan.row(name).learning_rate == 1, name
    for name in ("query", "key", "value", "out", "up", "down"):
        row = plan.row(f"blocks.1.{name}.weight")
        assert (row.learning_rate, row.weight_decay) == (0.25, 4), name
    head = plan.row("head.weight")
    assert math.isclose(head.std, math.sqrt(16) / 64)
    assert head.learning_rate == 0.25
    assert math.isclose(plan.row("blocks.0.query.weight").std, 1 / 8)
    assert plan.unmatched == plan.kept == ()


def test_with_a_number_a_weight_of_four_widths_has_four_times_the_m() -> None:
    plan = plan_of(Decoder(64), tokens(), base=16)
    assert plan.row("blocks.0.up.weight").learning_rate == 0.25
    assert plan.row("blocks.0.down.weight").learning_rate == 1 / 16


def test_the_readout_may_start_at_0() -> None:
    model = Decoder(32)
    plan = plan_of(model, tokens(), base=16, zero_readout=True)
    assert plan.row("head.weight").scheme == schemes.zeros()
    assert plan.row("head.weight").learning_rate == 0.5
    plan.init_(model)
    assert bool((model(tokens()) == 0).all())


def test_a_base_by_whose_side_nothing_feeds_the_output_still_finds_the_readout() -> None:
    class Behind(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.read, self.hidden = nn.Linear(12, width), nn.Linear(width, width)
            self.narrow, self.last = nn.Linear(width, 4), nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.narrow(self.hidden(self.read(x).relu()).relu()).relu())

    plan = plan_of(Behind(64), X, base=Behind(16))
    assert math.isclose(plan.row("narrow.weight").std, math.sqrt(2 * 16) / 64)
    assert plan.row("narrow.weight").learning_rate == 0.25
    assert math.isclose(plan.row("last.weight").std, math.sqrt(2 / 4))
    assert plan.row("last.weight").learning_rate == 1


def test_in_a_recurrent_net_only_the_first_input_weight_reads_the_data() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(5, 32, 2, batch_first=True)
            self.head = nn.Linear(32, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.lstm(x)[0][:, -1])

    plan = plan_of(Net(), torch.randn(3, 4, 5), base=8)
    rates = {row.parameter: row.learning_rate for row in plan.rows if "weight" in row.parameter}
    assert rates.pop("lstm.weight_ih_l0") == 1
    assert set(rates.values()) == {0.25}
    assert len(rates) == 4


def test_wider_heads_get_smaller_queries_with_a_smaller_rate() -> None:
    plain = plan_of(Decoder(64), tokens(), base=16)
    plan = plan_of(Decoder(64), tokens(), base=16, head_growth=4)
    for row, before in zip(plan.rows, plain.rows, strict=True):
        factor = 0.5 if "query" in row.parameter else 1.0
        assert math.isclose(row.std, before.std * factor)
        assert math.isclose(row.learning_rate, before.learning_rate * factor)
        assert math.isclose(row.weight_decay, before.weight_decay / factor)
    assert not any("logits" in note for note in plan.notes)
    assert any("logits" in note for note in plain.notes)


def test_smaller_queries_train_as_a_factor_in_the_logits_does() -> None:
    """Under AdamW, up to rounding and eps."""
    runs = []
    for fold in (True, False):
        model = Decoder(32, logit_factor=1.0 if fold else 0.5).double()
        growth = 4.0 if fold else 1.0
        plan = plan_of(model, tokens(), base=16, head_growth=growth)
        plan.init_(model, 3)
        if fold:  # the noise of a scaled weight is that of the plain one
            assert bool((model.blocks[0].query.weight.std() < 0.12).item())
        groups = plan.param_groups(0.01, weight_decay=0.1)
        optimizer = torch.optim.AdamW(groups, eps=1e-30)
        for _ in range(4):
            optimizer.zero_grad()
            F.cross_entropy(model(tokens()).flatten(0, 1), tokens().flatten()).backward()
            optimizer.step()
        runs.append(model(tokens()).detach())
    assert torch.allclose(runs[0], runs[1], atol=1e-6)


def test_queries_in_one_weight_with_keys_cannot_have_a_rate_of_their_own() -> None:
    layer = nn.TransformerEncoderLayer(16, 2, 32, 0.0, batch_first=True)
    model = nn.Sequential(layer, nn.Linear(16, 3))
    x = torch.randn(2, 5, 16)
    with pytest.raises(ModelError, match=r"'0\.self_attn\.in_proj_weight'.*head_growth"):
        plan_of(model, x, base=8, head_growth=2)
    assert plan_of(model, x, base=8).row("0.self_attn.in_proj_weight")
    with pytest.raises(ModelError, match="no attention"):
        plan_of(mlp(16), X, base=8, head_growth=2)


def test_a_table_that_is_the_readout_is_an_error_that_names_it_unless_it_is_asked_for() -> None:
    model = Decoder(32, tied=True)
    with pytest.raises(ModelError, match=r"'table\.weight'.*Untie"):
        plan_of(model, tokens(), base=16)
    plan = plan_of(model, tokens(), base=16, tied="table")
    assert (plan.row("table.weight").std, plan.row("table.weight").learning_rate) == (1, 1)
    assert any("'table.weight'" in note and "0.5" in note for note in plan.notes)


def test_a_base_of_other_parameters_is_an_error_that_names_the_first() -> None:
    base = nn.Sequential(nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 3))
    with pytest.raises(ModelError, match=r"'4\.weight'.*has none"):
        plan_of(mlp(16), X, base=base)


def test_a_model_without_width_is_an_error() -> None:
    with pytest.raises(ModelError, match=r"'mup'.*reads the model's input"):
        plan_of(nn.Linear(12, 3), X)


def test_a_weight_normalised_by_its_length_is_an_error() -> None:
    model = mlp(8)
    nn.utils.parametrizations.weight_norm(model[2])
    with pytest.raises(ModelError, match=r"'2\.parametrizations\.weight\.original0'"):
        plan_of(model, X)


@pytest.mark.parametrize(
    "named", [{"base": 0}, {"base": 2.5}, {"base": "64"}, {"base": True}, {"head_growth": 0.0}]
)
def test_what_is_no_base_and_no_growth_is_refused(named: dict[str, object]) -> None:
    with pytest.raises(InputError, match="|".join(named)):
        recipes.mup(**named)


def test_it_is_known_by_name_with_its_base() -> None:
    assert recipes.as_recipe("mup:64") == recipes.mup(64)
    assert recipes.as_recipe("mu_p") == recipes.mup()
    recipe = recipes.mup(mlp(4))
    assert str(recipe) == "mup(base=<Sequential of 87 parameters>)"
    assert recipe == recipes.mup(mlp(4)) != recipes.mup(mlp(5))
    assert pickle.loads(pickle.dumps(recipe)) == recipe
    assert recipes.mup(Decoder(16)) == recipes.mup(base=Decoder(16))


def test_the_model_is_only_read_and_plans_are_equal() -> None:
    model, base = Decoder(32), Decoder(16)
    before, base_before = parameter_bits(model), parameter_bits(base)
    first, second = (plan_of(model, tokens(), base=base) for _ in range(2))
    assert first == second
    assert first.seed is None
    assert_same_parameters(model, before)
    assert_same_parameters(base, base_before)


def test_what_a_layer_learns_depends_on_width_in_torchs_start_and_not_in_mup() -> None:
    """The change of the output in a few steps of Adam, width 32 against 512."""

    def change(width: int, recipe: object) -> float:
        total = 0.0
        for seed in range(4):
            model = mlp(width)
            plan = planned(recipes.as_recipe(recipe), model, Batch(X))
            plan.init_(model, seed)
            optimizer = torch.optim.Adam(plan.param_groups(0.003, model=model))
            before = model(X).detach()
            for _ in range(5):
                optimizer.zero_grad()
                F.cross_entropy(model(X), torch.arange(8) % 3).backward()
                optimizer.step()
            total += float((model(X).detach() - before).square().mean().sqrt())
        return total

    ours = change(512, recipes.mup(32)) / change(32, recipes.mup(32))
    torchs = change(512, "default") / change(32, "default")
    assert 0.6 < ours < 1.5, ours
    assert torchs > 5, torchs


def test_llama_has_each_weight_beside_its_base() -> None:
    from tests.zoo import torchvision_ops

    torchvision_ops.declare()
    from transformers import LlamaConfig, LlamaForCausalLM

    def build(width: int) -> nn.Module:
        config = LlamaConfig(
            vocab_size=50, hidden_size=width, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, intermediate_size=2 * width, max_position_embeddings=16,
        )  # fmt: skip
        return LlamaForCausalLM(config)

    batch = Batch({"input_ids": tokens()})
    plan = planned(recipes.mup(build(16), head_growth=2), build(32), batch)
    assert plan.unmatched == ()
    layer = "model.layers.1"
    assert plan.row("model.embed_tokens.weight").learning_rate == 1
    assert plan.row(f"{layer}.mlp.down_proj.weight").learning_rate == 0.5
    assert plan.row(f"{layer}.self_attn.k_proj.weight").learning_rate == 0.5
    query = plan.row(f"{layer}.self_attn.q_proj.weight")
    assert math.isclose(query.learning_rate, 0.5 / math.sqrt(2))
    assert math.isclose(plan.row("lm_head.weight").std, math.sqrt(16) / 32)


def test_init_takes_it() -> None:
    model = fanin.init_(mlp(64), "mup:16", inputs=X, seed=2)
    assert bool((model[4].bias == 0).all())
