"""What each parameter is for, and how branches hang together, on models built by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fanin.observation import observe
from fanin.recipes.reading.anatomy import Anatomy, Part
from fanin.recipes.reading.heads import heads_of
from fanin.schemes import constant, he_normal, lecun_normal, normal, zeros
from tests.observation.bodies import Body, weight
from tests.recipes.named.transformer_models import Attention, gpt2_model, ids, neox_model

X = torch.randn(6, 16, generator=torch.Generator().manual_seed(1))
S = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(1))


def anatomy_of(model: nn.Module, inputs: object = X) -> Anatomy:
    return Anatomy(model, observe(model, inputs))


def parts(model: nn.Module, inputs: object = X) -> dict[str, Part]:
    anatomy = anatomy_of(model, inputs)
    return {name: anatomy.part(name) for name in anatomy.parameters}


class Block(nn.Module):
    """x + b(relu(a(x))), where wanted with a norm before."""

    def __init__(self, *, norm: bool = False, gate: bool = False) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(16) if norm else nn.Identity()
        self.a, self.b = nn.Linear(16, 32), nn.Linear(32, 16)
        self.gate = nn.Parameter(torch.zeros(())) if gate else None

    def forward(self, x: Tensor) -> Tensor:
        branch = self.b(F.relu(self.a(self.norm(x))))
        return x + (branch if self.gate is None else self.gate * branch)


def residual(blocks: int, **values: Any) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(16, 16), *(Block(**values) for _ in range(blocks)), nn.Linear(16, 5)
    )


# Parts


@pytest.mark.parametrize(
    "norm",
    [nn.LayerNorm(16), nn.BatchNorm1d(16), nn.GroupNorm(4, 16)],
    ids=lambda norm: type(norm).__name__,
)
def test_layers_and_norms_of_torch(norm: nn.Module) -> None:
    assert parts(nn.Sequential(nn.Linear(16, 16), norm, nn.PReLU(), nn.Linear(16, 3))) == {
        "0.weight": Part.WEIGHT,
        "0.bias": Part.BIAS,
        "1.weight": Part.NORM_SCALE,
        "1.bias": Part.NORM_SHIFT,
        "2.weight": Part.SLOPE,
        "3.weight": Part.WEIGHT,
        "3.bias": Part.BIAS,
    }


def test_a_norm_by_hand_is_a_norm() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        x = m.a(x)
        x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + 1e-5).sqrt()
        out: Tensor = m.b(x * m.scale + m.shift)
        return out

    model = Body(
        forward,
        a=nn.Linear(16, 16),
        b=nn.Linear(16, 3),
        scale=torch.ones(16),
        shift=torch.zeros(16),
    )
    found = parts(model)
    assert (found["scale"], found["shift"]) == (Part.NORM_SCALE, Part.NORM_SHIFT)


def test_a_factor_without_a_norm_is_a_gate() -> None:
    assert parts(residual(1, gate=True))["1.gate"] is Part.GATE


def test_an_addend_without_a_norm_is_a_bias() -> None:
    model = Body(
        lambda m, x: m.a(x) + m.shift, a=nn.Linear(16, 4, bias=False), shift=torch.zeros(4)
    )
    assert parts(model)["shift"] is Part.BIAS


def test_class_tokens_and_positions_are_signals_and_tables_are_tables() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(9, 16)
            self.token = nn.Parameter(torch.randn(1, 1, 16))
            self.places = nn.Parameter(torch.randn(1, 6, 16))
            self.head = nn.Linear(16, 3)

        def forward(self, i: Tensor) -> Tensor:
            x = torch.cat([self.token.expand(len(i), -1, -1), self.table(i)], 1)
            out: Tensor = self.head(x + self.places)
            return out

    found = parts(Tokens(), torch.randint(0, 9, (4, 5)))
    assert found["table.weight"] is Part.TABLE
    assert found["token"] is found["places"] is Part.SIGNAL


def test_weight_norm_has_a_length_and_a_weight() -> None:
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(16, 4)))
    found = parts(model)
    assert found["0.parametrizations.weight.original0"] is Part.MAGNITUDE
    assert found["0.parametrizations.weight.original1"] is Part.WEIGHT


def test_what_is_not_understood_or_not_used_is_unknown() -> None:
    model = Body(
        lambda m, x: F.linear(m.a(x), m.odd.cumsum(0)),
        a=nn.Linear(16, 16), odd=weight(3, 16), unused=weight(4),
    )  # fmt: skip
    found = parts(model)
    assert found["odd"] is found["unused"] is Part.UNKNOWN
    assert found["a.weight"] is Part.WEIGHT


def test_a_tied_table_is_a_table_or_weight_once() -> None:
    anatomy = anatomy_of(gpt2_model(1), ids())
    name = "transformer.wte.weight"
    assert anatomy.part(name) in {Part.TABLE, Part.WEIGHT}
    assert {use.role for use in anatomy.uses_of(name)} >= {"table", "weight"}
    assert "lm_head.weight" not in anatomy.parameters


def test_frozen_parameters_are_named_and_in_no_list_of_parts() -> None:
    model = residual(1)
    model[0].requires_grad_(False)
    anatomy = anatomy_of(model)
    assert anatomy.frozen == ("0.weight", "0.bias")
    assert "0.weight" not in anatomy.of(Part.WEIGHT)
    assert "0.weight" not in [use.parameter for use in anatomy.weights]
    assert anatomy.part("0.weight") is Part.WEIGHT


def test_weights_come_in_the_order_of_execution() -> None:
    model = Body(
        lambda m, x: m.a(m.c(m.b(x))), a=nn.Linear(16, 4), b=nn.Linear(16, 16), c=nn.Linear(16, 16)
    )
    anatomy = anatomy_of(model)
    assert [use.parameter for use in anatomy.weights] == ["b.weight", "c.weight", "a.weight"]
    assert anatomy.of(Part.WEIGHT) == ("a.weight", "b.weight", "c.weight")


def test_the_main_use_of_a_weight_is_one_in_its_own_shape() -> None:
    model = Body(
        lambda m, x: F.linear(F.relu(F.linear(x, m.w)), m.w.t()), w=weight(32, 16)
    )  # fmt: skip
    use = anatomy_of(model).main_use("w")
    assert use is not None
    assert use.layout is not None
    assert use.layout.shape == (32, 16)
    assert anatomy_of(model).main_use("w") is not None
    assert anatomy_of(nn.Linear(16, 2)).uses_of("none") == ()


# Branches


@pytest.mark.parametrize("blocks", [1, 2, 7])
@pytest.mark.parametrize("norm", [False, True])
def test_residual_blocks_make_one_stream(blocks: int, norm: bool) -> None:
    anatomy = anatomy_of(residual(blocks, norm=norm))
    assert [len(stream) for stream in anatomy.streams] == [blocks]
    assert {anatomy.depth_of(branch) for branch in anatomy.branches} == {blocks}
    assert list(anatomy.last_weights()) == [f"{n}.b.weight" for n in range(1, blocks + 1)]
    assert [b.weights for b in anatomy.branches] == [
        (f"{n}.a.weight", f"{n}.b.weight") for n in range(1, blocks + 1)
    ]


def test_a_plain_network_has_no_branches() -> None:
    anatomy = anatomy_of(nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 2)))
    assert anatomy.branches == () == anatomy.streams
    assert anatomy.last_weights() == {}


def test_a_gate_on_the_branch_leaves_the_weight_before_it_the_last() -> None:
    anatomy = anatomy_of(residual(3, gate=True))
    assert list(anatomy.last_weights()) == [f"{n}.b.weight" for n in (1, 2, 3)]


def test_a_shortcut_with_a_weight_ends_no_stream() -> None:
    class Down(nn.Module):
        def __init__(self, i: int, o: int) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(i, o), nn.Linear(o, o)
            self.short = nn.Linear(i, o) if i != o else nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            return self.short(x) + self.b(F.relu(self.a(x)))

    model = nn.Sequential(Down(16, 16), Down(16, 8), Down(8, 8), nn.Linear(8, 2))
    anatomy = anatomy_of(model)
    assert [branch.shortcut for branch in anatomy.branches] == [None, "1.short.weight", None]
    assert set(anatomy.last_weights()) == {"0.b.weight", "1.b.weight", "2.b.weight"}


def test_two_networks_side_by_side_are_two_streams() -> None:
    model = Body(
        lambda m, x: m.head(torch.cat([m.one(x), m.two(x)], -1)),
        one=nn.Sequential(nn.Linear(16, 16), Block(), Block()),
        two=nn.Sequential(nn.Linear(16, 16), Block(), Block(), Block()),
        head=nn.Linear(32, 3),
    )
    anatomy = anatomy_of(model)
    assert sorted(len(stream) for stream in anatomy.streams) == [2, 3]
    last = anatomy.last_weights()
    assert anatomy.depth_of(last["one.1.b.weight"]) == 2
    assert anatomy.depth_of(last["two.1.b.weight"]) == 3


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_pre_norm_attention_and_mlp_alternate_in_one_stream(layers: int) -> None:
    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.LayerNorm(16), nn.LayerNorm(16)
            self.mixer = Attention(16)
            self.up, self.down = nn.Linear(16, 32), nn.Linear(32, 16)

        def forward(self, x: Tensor) -> Tensor:
            x = x + self.mixer(self.one(x))
            return x + self.down(F.gelu(self.up(self.two(x))))

    model = nn.Sequential(nn.Linear(16, 16), *(Layer() for _ in range(layers)))
    anatomy = anatomy_of(model, S)
    expected = [f"{n}.{w}.weight" for n in range(1, layers + 1) for w in ("mixer.o", "down")]
    assert list(anatomy.last_weights()) == expected
    assert {anatomy.depth_of(branch) for branch in anatomy.branches} == {2 * layers}
    roles = {use.parameter: use.attention for use in anatomy.weights}
    assert [roles[f"1.mixer.{w}.weight"] for w in "qkvo"] == ["query", "key", "value", "output"]
    assert roles["1.up.weight"] is None


def test_parallel_attention_and_mlp_add_twice_in_one_branch() -> None:
    anatomy = anatomy_of(neox_model(2), ids())
    assert {anatomy.depth_of(branch) for branch in anatomy.branches} == {4}


def test_post_norm_blocks_are_branches_too() -> None:
    model = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 2, enable_nested_tensor=False
    )
    anatomy = anatomy_of(model, S)
    assert list(anatomy.last_weights()) == [
        f"layers.{n}.{w}.weight" for n in (0, 1) for w in ("self_attn.out_proj", "linear2")
    ]


# Heads


def heads(model: nn.Module, inputs: object = X) -> list[tuple[str, str | None]]:
    return [(h.weight.parameter, h.bias) for h in heads_of(anatomy_of(model, inputs))]


def test_the_last_weight_is_the_head() -> None:
    assert heads(residual(2)) == [("3.weight", "3.bias")]


def test_every_output_has_its_head() -> None:
    model = Body(
        lambda m, x: {"one": m.one(m.a(x).relu()), "two": m.two(m.a(x).relu())},
        a=nn.Linear(16, 16), one=nn.Linear(16, 3), two=nn.Linear(16, 1, bias=False),
    )  # fmt: skip
    assert heads(model) == [("one.weight", "one.bias"), ("two.weight", None)]


@pytest.mark.parametrize("end", [nn.Identity(), nn.LayerNorm(16)], ids=["stream", "norm"])
def test_the_start_of_a_stream_that_is_the_output_is_no_head(end: nn.Module) -> None:
    """Other weights read it: a bias of the targets' mean there would be felt by all of them."""
    assert heads(nn.Sequential(nn.Linear(16, 16), Block(), Block(), end)) == []


def test_two_heads_that_are_added_are_both_heads() -> None:
    model = Body(
        lambda m, x: m.wide(x) + m.deep(m.a(x).relu()),
        a=nn.Linear(16, 16), wide=nn.Linear(16, 1), deep=nn.Linear(16, 1),
    )  # fmt: skip
    assert {name for name, _ in heads(model)} >= {"wide.weight"}


# Rows and plans


def test_rows_have_one_for_each_trainable_parameter_that_is_understood() -> None:
    model = residual(1, norm=True, gate=True)
    rows = anatomy_of(model).rows(lambda use: (he_normal(), "so"), source="who")
    given = {row.parameter: (row.scheme, row.source) for row in rows}
    assert list(given) == [n for n, _ in model.named_parameters() if not n.endswith("gate")]
    assert given["0.weight"] == (he_normal(), "who")
    assert given["0.bias"] == (zeros(), "")
    assert given["1.norm.weight"][0].std(None) == 0.0


def test_lengths_are_those_that_the_scheme_gives() -> None:
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(16, 4)))
    rows = anatomy_of(model).rows(lambda use: (lecun_normal(), ""))
    scheme = {row.parameter: row.scheme for row in rows}["0.parametrizations.weight.original0"]
    assert isinstance(scheme, constant)
    assert scheme.value == pytest.approx(1.0)


def test_a_padding_row_is_told() -> None:
    model = nn.Sequential(nn.Embedding(9, 4, padding_idx=3), nn.Linear(4, 2))
    anatomy = anatomy_of(model, torch.randint(0, 9, (4, 5)))
    assert anatomy.row("0.weight", normal(), "").padding_index == 3
    assert anatomy.row("1.weight", normal(), "").padding_index is None


def test_a_plan_accounts_for_every_parameter_once() -> None:
    class All(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.frozen = nn.Linear(16, 16).requires_grad_(False)
            self.a, self.slope = nn.Linear(16, 8), nn.PReLU()
            self.gate, self.unused = nn.Parameter(torch.ones(())), nn.Parameter(torch.ones(2))

        def forward(self, x: Tensor) -> Tensor:
            return self.gate * self.slope(self.a(self.frozen(x)))

    anatomy = anatomy_of(All())
    plan = anatomy.planned("x", anatomy.rows(lambda use: (he_normal(), "")), notes=["so"])
    assert plan.kept == ("gate", "frozen.weight", "frozen.bias", "slope.weight")
    assert plan.unmatched == ("unused",)
    assert [row.parameter for row in plan.rows] == ["a.weight", "a.bias"]
    assert plan.notes == ("so",)


def test_the_anatomy_of_a_model_leaves_it_alone() -> None:
    model = residual(2)
    before = {name: one.clone() for name, one in model.named_parameters()}
    anatomy = anatomy_of(model)
    anatomy.last_weights()
    heads_of(anatomy)
    assert all(torch.equal(one, before[name]) for name, one in model.named_parameters())
