"""``fanin.recommend``: what it prescribes for each kind of model, and what the weights then do."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import fanin
from fanin.recipes.plans.plan import Plan
from fanin.schemes import constant, identity, orthogonal
from tests.observation.bodies import Body, between, weight
from tests.recipes.measured import (
    assert_as_predicted,
    assert_healthy,
    good,
    observed,
    ratios,
    spread,
)
from tests.recipes.named.transformer_models import (
    bert_model,
    from_config,
    gpt2_model,
    ids,
    images,
    llama_model,
    mixtral_model,
    vit_model,
)
from tests.recipes.networks import (
    ACTIVATIONS,
    CLASSES,
    IMAGES,
    S,
    X,
    noise,
    perceptron,
    resnet,
)


def std(plan: Plan, name: str) -> float:
    return plan.row(name).std


def scheme(plan: Plan, name: str) -> Any:
    """Without the factor that a measurement put on it."""
    made = plan.row(name).scheme
    return getattr(made, "base", made)


# Plain networks


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_signals_of_a_perceptron_are_as_predicted(name: str) -> None:
    plan = good(perceptron(ACTIVATIONS[name]), X, CLASSES, F.cross_entropy)
    assert plan.row("5.weight").predicted == pytest.approx(1.0, rel=0.3)
    assert all(row.std == 0 for row in plan.rows if row.parameter.endswith("bias"))


@pytest.mark.parametrize(
    "function",
    [
        F.relu,
        lambda z: z.clamp(min=0),
        lambda z: torch.where(z > 0, z, 0 * z),
        lambda z: (z + z.abs()) / 2,
    ],
    ids=["function", "clamp", "where", "absolute"],
)
def test_what_follows_counts_and_not_its_name(function: Callable[[Tensor], Tensor]) -> None:
    model = between(lambda m, z: function(z))
    plan = good(model, noise(64, 8))
    assert scheme(plan, "b.weight") == orthogonal(scheme(plan, "b.weight").gain)
    assert scheme(plan, "b.weight").gain == pytest.approx(math.sqrt(2))


def test_a_module_called_relu_that_is_none_gets_its_own_gain() -> None:
    class ReLU(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            return 3 * z

    model = nn.Sequential(nn.Linear(16, 400), ReLU(), nn.Linear(400, 5))
    plan = fanin.recommend(model, X)
    assert std(plan, "2.weight") == pytest.approx(1 / 3 / 20, rel=0.15)


def test_the_first_weight_has_gain_one() -> None:
    plan = fanin.recommend(perceptron(), X)
    assert std(plan, "0.weight") == pytest.approx(1 / 4, rel=0.12)


# Convolutions and norms


def test_a_resnet() -> None:
    plan = good(resnet(), IMAGES, CLASSES[:8], F.cross_entropy)
    assert "norm" in plan.row("3.c1.weight").reason
    assert plan.row("3.b1.weight").scheme.std(None) == 0
    assert "measured" in plan.row("8.weight").reason  # pooling shrinks what the head reads


def test_convolutions_of_every_kind() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1, groups=4), nn.ReLU(),
        nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.GELU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Tanh(), nn.Conv2d(8, 3, 3, padding=1),
    )  # fmt: skip
    plan = good(model, IMAGES)
    fans = {name: plan.row(f"{name}.weight").layout.fan_in for name in "02468"}  # type: ignore[union-attr]
    assert fans == {"0": 27, "2": 36, "4": 64, "6": 9, "8": 72}


@pytest.mark.parametrize("training", [True, False])
def test_convolutions_with_norms_in_both_modes(training: bool) -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 16, 3), nn.GroupNorm(4, 16), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * 144, 5),
    ).train(training)  # fmt: skip
    good(model, IMAGES, CLASSES[:8], F.cross_entropy)
    assert model.training is training


# Residual networks and transformers


class Block(nn.Module):
    def __init__(self, *, norm: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(16) if norm else nn.Identity()
        self.a, self.b = nn.Linear(16, 32), nn.Linear(32, 16)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.b(F.relu(self.a(self.norm(x))))


@pytest.mark.parametrize("norm", [False, True], ids=["plain", "pre-norm"])
@pytest.mark.parametrize("blocks", [2, 12])
def test_residual_networks_keep_signals_and_gradients(blocks: int, norm: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(16, 16), *(Block(norm=norm) for _ in range(blocks)), nn.LayerNorm(16),
        nn.Linear(16, 5),
    )  # fmt: skip
    plan = good(model, X, CLASSES, F.cross_entropy)
    for n in range(1, blocks + 1):
        expected = min(1.0, 1.5 / math.sqrt(blocks))
        assert plan.row(f"{n}.b.weight").predicted == pytest.approx(expected, rel=0.01)
        assert blocks == 2 or str(blocks) in plan.row(f"{n}.b.weight").reason
    shown = observed(model, plan, 3, X, CLASSES, F.cross_entropy)
    joins = [s for s in shown.signals if s.kind == "join"]
    assert len(joins) == blocks
    assert spread(s.forward.rms for s in joins) < 4
    assert spread(s.gradient.rms for s in joins if s.gradient is not None) < 4


def test_the_start_of_a_stream_without_a_head_is_no_head() -> None:
    """The mean of the targets there would drown what every branch reads."""
    model = nn.Sequential(nn.Linear(16, 16), Block(norm=False), Block(norm=False))
    plan = fanin.recommend(model, X, X + 50, loss=F.mse_loss)
    assert plan.row("0.weight").predicted == pytest.approx(1.0)
    assert plan.row("0.bias").std == 0
    assert_as_predicted(model, plan, X, X + 50, F.mse_loss)


@pytest.mark.parametrize("calls", [4, 12])
def test_a_block_that_is_run_several_times_is_a_branch_each_time(calls: int) -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.inner = nn.Linear(16, 16), nn.Linear(16, 16)
            self.head = nn.Linear(16, 5)

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x)
            for _ in range(calls):
                x = x + self.inner(F.relu(x))
            return self.head(x)

    plan = fanin.recommend(Shared(), X)
    assert std(plan, "inner.weight") <= 1.2 * math.sqrt(2 / 16 / calls)


@pytest.mark.parametrize("first", [True, False], ids=["pre-norm", "post-norm"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_encoders_of_torch(first: bool, activation: str) -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(
        32, 4, 64, dropout=0.0, activation=activation, batch_first=True, norm_first=first
    )
    norm = nn.LayerNorm(32) if first else None
    model = nn.TransformerEncoder(layer, 3, norm=norm, enable_nested_tensor=False)
    plan = good(model, noise(4, 6, 32))
    total = 1.5 if first else 1.0
    assert plan.row("layers.0.linear2.weight").predicted == pytest.approx(
        total / math.sqrt(6), rel=0.01
    )
    # Packed: three weights of fan_in 32 in one tensor.
    assert std(plan, "layers.0.self_attn.in_proj_weight") == pytest.approx(
        1 / math.sqrt(32), rel=0.15
    )
    shown = observed(model, plan, 2, noise(4, 6, 32))
    gradients = [s.gradient.rms for s in shown.signals if s.kind == "join" and s.gradient]
    assert spread(gradients) < 4


def test_an_encoder_and_a_decoder_have_depths_of_their_own() -> None:
    torch.manual_seed(0)
    model = nn.Transformer(32, 4, 2, 2, 64, dropout=0.0, batch_first=True)
    plan = good(model, (noise(4, 6, 32), noise(4, 5, 32)))
    for part, number in (("encoder", 4), ("decoder", 6)):
        row = plan.row(f"{part}.layers.1.linear2.weight")
        assert row.predicted == pytest.approx(1 / math.sqrt(number), rel=0.01)


def t5() -> nn.Module:
    return from_config(
        "T5ForConditionalGeneration", "T5Config", vocab_size=40, d_model=16, d_kv=4, d_ff=32,
        num_layers=2, num_heads=2, decoder_start_token_id=0, pad_token_id=0,
    )  # fmt: skip


LANGUAGE = {"gpt2": gpt2_model, "llama": llama_model, "mixtral": mixtral_model, "t5": t5}


@pytest.mark.parametrize("name", LANGUAGE)
def test_language_models(name: str) -> None:
    good(LANGUAGE[name](), {"input_ids": ids(), "labels": ids()})


def test_bert_and_its_vectors() -> None:
    good(bert_model(), ids())


def test_a_vision_transformer() -> None:
    """Its classes are read off one token, which is the same for all images at first."""
    model = vit_model()
    plan = fanin.recommend(model, images())
    assert plan.unmatched == ()
    found = ratios(model, plan, images(), seeds=range(1, 6))
    for name, numbers in found.items():
        assert 0.5 < sorted(numbers)[2] < 2 or name == "classifier.weight", (name, numbers)
    assert_healthy(model, plan, images())


def test_a_head_that_reads_one_vector_is_not_fitted_to_one_draw() -> None:
    """The middle one of many seeds is as predicted, though each single one is noise."""
    model, one = perceptron(out=2), X[:1].expand(8, -1)
    plan = fanin.recommend(model, one)
    middle = {
        name: sorted(n)[10] for name, n in ratios(model, plan, one, seeds=range(1, 22)).items()
    }
    assert all(0.7 < number < 1.4 for number in middle.values()), middle


# Recurrent networks


class Recurrent(nn.Module):
    def __init__(self, layer: nn.Module, width: int) -> None:
        super().__init__()
        self.layer, self.head = layer, nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x)[0])


@pytest.mark.parametrize("two", [False, True], ids=["one way", "both ways"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN], ids=["lstm", "gru", "rnn"])
def test_recurrent_layers(kind: Callable[..., nn.Module], layers: int, two: bool) -> None:
    torch.manual_seed(0)
    made = kind(16, 24, layers, bidirectional=two, batch_first=True)
    plan = good(Recurrent(made, 24 * (1 + two)), S)
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[type(made).__name__]
    for name, parameter in made.named_parameters():
        row = plan.row(f"layer.{name}")
        if name.startswith("weight_hh"):
            assert row.scheme == orthogonal()
        elif name.startswith("weight_ih"):
            fan_in = parameter.shape[1]
            assert row.std == pytest.approx(1 / math.sqrt(fan_in), rel=0.1)
    fanin.init_(model := Recurrent(made, 24 * (1 + two)), plan)
    for name, parameter in model.layer.named_parameters():
        if name.startswith("weight_hh"):
            for block in parameter.detach().chunk(gates):
                assert torch.allclose(block @ block.T, torch.eye(24), atol=1e-5)
        if name.startswith("bias_ih") and gates > 1:
            blocks = [set(block.tolist()) for block in parameter.detach().chunk(gates)]
            assert blocks == [{0.0}, {1.0}, *[{0.0}] * (gates - 2)]
        elif name.startswith("bias"):
            assert not bool(parameter.any())


def test_a_relu_layer_keeps_its_state_by_the_identity() -> None:
    plan = good(Recurrent(nn.RNN(16, 24, nonlinearity="relu", batch_first=True), 24), S)
    assert plan.row("layer.weight_hh_l0").scheme == identity()


def test_long_sequences_make_gates_remember_long() -> None:
    model = Recurrent(nn.LSTM(16, 24, batch_first=True), 24)
    plan = fanin.recommend(model, noise(4, 100, 16))
    plan.init_(model, 1)
    forget = model.layer.bias_ih_l0.detach().chunk(4)[1]  # type: ignore[union-attr,operator]
    assert float(forget.max()) > 2
    assert "100 steps" in plan.row("layer.bias_ih_l0").reason


def test_recurrent_layers_without_bias_or_with_a_projection() -> None:
    good(Recurrent(nn.LSTM(16, 24, batch_first=True, bias=False), 24), S)
    good(Recurrent(nn.GRU(16, 24, batch_first=True, bias=False), 24), S)


class Steps(nn.Module):
    """A cell, or an Elman network written by hand, over the steps of a sequence."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell, self.head = cell, nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        state = None
        for at in range(x.shape[1]):
            state = self.cell(x[:, at], state)
        out: Tensor = self.head(state[0] if isinstance(state, tuple) else state)
        return out


class Elman(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.i, self.h = nn.Linear(16, 24), nn.Linear(24, 24, bias=False)
        self.function = function

    def forward(self, x: Tensor, state: Tensor | None) -> Tensor:
        state = x.new_zeros(len(x), 24) if state is None else state
        return self.function(self.i(x) + self.h(state))


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell, nn.RNNCell], ids=["lstm", "gru", "rnn"])
def test_cells(kind: Callable[..., nn.Module]) -> None:
    plan = good(Steps(kind(16, 24)), S)
    assert plan.row("cell.weight_hh").scheme == orthogonal()


@pytest.mark.parametrize(
    ("function", "expected"), [(torch.tanh, orthogonal()), (F.relu, identity())]
)
def test_a_recurrent_network_by_hand(function: Any, expected: Any) -> None:
    plan = good(Steps(Elman(function)), S)
    assert plan.row("cell.h.weight").scheme == expected
    measured = plan.row("cell.h.weight").measured
    assert measured is not None
    assert measured > 0  # not that of the first step, whose state is 0


# Tables, heads that are tied, lengths, gates


class Words(nn.Module):
    def __init__(self, *, tied: bool, padding: int | None = None) -> None:
        super().__init__()
        self.table = nn.Embedding(40, 16, padding_idx=padding)
        self.inner, self.head = nn.Linear(16, 16), nn.Linear(16, 40, bias=False)
        if tied:
            self.head.weight = self.table.weight

    def forward(self, i: Tensor) -> Tensor:
        return self.head(F.gelu(self.inner(self.table(i)))).flatten(0, 1)


WORDS = torch.randint(0, 40, (8, 6), generator=torch.Generator().manual_seed(3))


def test_a_table_is_the_signal_itself() -> None:
    plan = good(Words(tied=False), WORDS, WORDS.flatten(), F.cross_entropy)
    assert std(plan, "table.weight") == pytest.approx(1.0, rel=0.1)


def test_a_table_that_is_the_head_is_drawn_once_for_scores_of_rms_1() -> None:
    model = Words(tied=True)
    plan = good(model, WORDS, WORDS.flatten(), F.cross_entropy)
    assert [row.parameter for row in plan.rows] == ["table.weight", "inner.weight", "inner.bias"]
    plan.init_(model, 1)
    assert float(model(WORDS).detach().square().mean().sqrt()) == pytest.approx(1.0, rel=0.5)


def test_the_row_of_padding_is_zero() -> None:
    model = Words(tied=False, padding=3)
    fanin.init_(model, inputs=WORDS)
    assert not bool(model.table.weight[3].any())
    assert bool(model.table.weight[2].any())


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_bags_of_words_have_rms_1(mode: str) -> None:
    model = Body(
        lambda m, i: m.head(F.relu(m.bag(i))),
        bag=nn.EmbeddingBag(40, 16, mode=mode), head=nn.Linear(16, 5),
    )  # fmt: skip
    plan = good(model, WORDS)
    assert plan.row("bag.weight").predicted == pytest.approx(1.0)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize(
    "normed",
    [nn.utils.parametrizations.weight_norm, nn.utils.weight_norm],
    ids=["parametrization", "hook"],
)
def test_weight_norm_sets_the_length(normed: Callable[[nn.Linear], nn.Module]) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(normed(nn.Linear(16, 32)), nn.ReLU(), normed(nn.Linear(32, 5)))
    plan = good(model, X * 100)
    lengths = [row for row in plan.rows if row.shape in {(32, 1), (5, 1)}]
    assert len(lengths) == 2
    assert all(isinstance(row.scheme, constant) for row in lengths)
    assert all(row.predicted is not None for row in lengths)


@pytest.mark.parametrize(
    "normed",
    [nn.utils.parametrizations.spectral_norm, nn.utils.spectral_norm],
    ids=["parametrization", "hook"],
)
@pytest.mark.filterwarnings("ignore:.*spectral_norm.*:FutureWarning")
def test_where_a_norm_of_the_weight_sets_the_scale_the_plan_says_so(normed: Any) -> None:
    model = nn.Sequential(normed(nn.Linear(16, 32)), nn.ReLU(), normed(nn.Linear(32, 5)))
    plan = fanin.recommend(model, X)
    assert plan.unmatched == ()
    assert_healthy(model, plan, X)
    for row in plan.rows:
        if row.layout is not None:
            assert row.predicted is None
            assert "measured" not in row.reason
            assert "sets the scale" in row.reason


@pytest.mark.parametrize("function", [torch.sigmoid, F.silu, F.gelu, F.relu])
def test_gated_units(function: Callable[[Tensor], Tensor]) -> None:
    model = Body(
        lambda m, x: m.down(function(m.gate(x)) * m.up(x)),
        gate=nn.Linear(16, 48), up=nn.Linear(16, 48), down=nn.Linear(48, 16),
    )  # fmt: skip
    good(model, X)


def test_glu_of_torch() -> None:
    good(nn.Sequential(nn.Linear(16, 64), nn.GLU(), nn.Linear(32, 5)), X, CLASSES, F.cross_entropy)


def test_stacked_experts_have_the_fans_of_one() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        share = m.router(x).softmax(-1)
        y = torch.einsum("bi,eio->ebo", x, m.up)
        y = torch.einsum("ebo,eoi->ebi", F.relu(y), m.down)
        out: Tensor = m.head(torch.einsum("be,ebi->bi", share, y))
        return out

    model = Body(
        forward, router=nn.Linear(16, 4), up=weight(4, 16, 32), down=weight(4, 32, 16),
        head=nn.Linear(16, 5),
    )  # fmt: skip
    plan = good(model, X, CLASSES, F.cross_entropy)
    assert std(plan, "up") == pytest.approx(1 / 4, rel=0.12)
    assert std(plan, "down") == pytest.approx(math.sqrt(2 / 32), rel=0.12)


class Sine(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(30 * x)


def test_sines_get_their_own_scheme() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(2, 64), Sine(), nn.Linear(64, 64), Sine(), nn.Linear(64, 64), Sine(),
        nn.Linear(64, 1),
    )  # fmt: skip
    places = torch.rand(256, 2, generator=torch.Generator().manual_seed(1)) * 2 - 1
    plan = good(model, places, torch.sin(places[:, :1]), F.mse_loss)
    assert float(std(plan, "0.weight")) == pytest.approx(1 / 2 / math.sqrt(3), rel=0.01)
    assert float(std(plan, "2.weight")) == pytest.approx(math.sqrt(2 / 64) / 30, rel=0.02)


@pytest.mark.parametrize("value", [0.0, 1e-5, 1.0])
def test_factors_of_branches_and_slopes_are_kept(value: float) -> None:
    class Scaled(Block):
        def __init__(self) -> None:
            super().__init__(norm=True)
            self.factor = nn.Parameter(torch.full((16,), value))

        def forward(self, x: Tensor) -> Tensor:
            return x + self.factor * self.b(F.gelu(self.a(self.norm(x))))

    model = nn.Sequential(
        nn.Linear(16, 16), nn.PReLU(), Scaled(), Scaled(), nn.LayerNorm(16), nn.Linear(16, 5)
    )
    plan = good(model, X, CLASSES, F.cross_entropy)
    assert set(plan.kept) == {"1.weight", "2.factor", "3.factor"}


def test_a_weight_at_two_places_in_a_row() -> None:
    model = Body(
        lambda m, x: m.head(F.relu(F.linear(F.relu(m.a(x)), m.a.weight.t()))),
        a=nn.Linear(16, 32, bias=False), head=nn.Linear(16, 5),
    )  # fmt: skip
    plan = good(model, X)
    assert [row.parameter for row in plan.rows] == ["a.weight", "head.weight", "head.bias"]
