"""The code of a plan: plain torch, formatted, and of the same distributions."""

from __future__ import annotations

import ast
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import fanin
from fanin import schemes as s
from fanin.errors import InputError
from fanin.fans import (
    Layout,
    bilinear,
    conv,
    conv_transpose,
    einsum,
    embedding,
    experts,
    linear,
    packed,
    recurrent,
    transposed_linear,
)
from fanin.noise import Uniform
from fanin.recipes import Plan, Row, as_recipe, planned
from fanin.recipes.recipe import Batch
from fanin.schemes.matrices import matrices_of
from tests.schemes.subjects import singular_values
from tests.testing.others import Plain

DRAWS = 20
# The chance that two samples of one law differ as much, for each comparison of a case.
RARE = 1e-7


class Holder(nn.Module):
    """One weight, whatever it is for."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full(shape, 7.0))


def plan_of(scheme: s.Scheme, layout: Layout | None, shape: tuple[int, ...]) -> Plan:
    return Plan("tried", (Row("weight", shape, scheme, "a try", layout),))


def compiled(source: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[nn.Module], None]:
    """The function of the code, where fanin cannot be imported."""
    with monkeypatch.context() as hidden:
        for name in [name for name in sys.modules if name.partition(".")[0] == "fanin"]:
            hidden.setitem(sys.modules, name, None)
        namespace: dict[str, Any] = {"__name__": "weights"}
        exec(compile(source, "weights.py", "exec"), namespace)
    return namespace["init_weights"]


def samples(
    plan: Plan, model: nn.Module, monkeypatch: pytest.MonkeyPatch, draws: int = DRAWS
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Of each parameter: draws by the code, and by the plan."""
    drawn: dict[str, tuple[list[Any], list[Any]]] = {row.parameter: ([], []) for row in plan.rows}
    init_weights = compiled(plan.to_python(), monkeypatch)
    state = torch.get_rng_state()
    torch.manual_seed(1)
    for seed in range(draws):
        for which, draw in enumerate((init_weights, lambda m, seed=seed: plan.init_(m, seed))):
            with torch.no_grad():
                for name in drawn:
                    model.get_parameter(name).fill_(7.0)
            draw(model)
            for name, kept in drawn.items():
                kept[which].append(model.get_parameter(name).detach().double().numpy().copy())
    torch.set_rng_state(state)
    return {name: (np.stack(one), np.stack(other)) for name, (one, other) in drawn.items()}


def assert_same_law(one: np.ndarray, other: np.ndarray, what: str) -> None:
    """Mean and mean square of the whole and of each slice, and the distribution of elements."""
    scale = math.sqrt(np.square(other).mean()) or 1.0
    for power in (1, 2):
        for axis in (None, *range(1, one.ndim)):
            kept = () if axis is None else (axis,)
            over = tuple(a for a in range(1, one.ndim) if a not in kept)
            a, b = ((x**power).mean(over).reshape(len(x), -1) for x in (one, other))
            error = np.sqrt((a.var(0, ddof=1) + b.var(0, ddof=1)) / len(a))
            allowed = (5.5 if axis is None else 7) * error + 1e-5 * scale**power
            off = np.abs(a.mean(0) - b.mean(0)) - allowed
            assert off.max() <= 0, (
                f"{what}: moment {power} along axis {axis} at {off.argmax()}: "
                f"{a.mean(0)[off.argmax()]} by the code, {b.mean(0)[off.argmax()]} by the plan"
            )
    pooled = [np.sort(np.round(x.ravel() / scale, 5)) for x in (one, other)]
    # Mirrored and copied elements are no evidence of their own.
    distinct = len(np.unique(np.abs(pooled[1])))
    grid = np.concatenate(pooled)
    shares = [np.searchsorted(x, grid, "right") / x.size for x in pooled]
    distance = np.abs(shares[0] - shares[1]).max()
    limit = math.sqrt(-0.5 * math.log(RARE / 2)) * math.sqrt(2 / distinct)
    assert distance <= limit, f"{what}: distance {distance:.3g} of the laws, allowed {limit:.3g}"


SQUARE, CONV = linear((24, 24)), conv((16, 12, 3, 3))
WIDENING = linear((20, 12))
TURNED = conv_transpose((12, 16, 4, 4), stride=2)
GROUPED = conv((24, 4, 3), groups=3)
GROUPED_TRANSPOSED = conv_transpose((12, 6, 3), groups=2)
DEPTHWISE = conv((12, 1, 5, 5), groups=12)
CONV1D = transposed_linear((24, 30))
QKV = packed(linear((72, 24)), 3)
GROUPED_QUERIES = packed(linear((48, 24)), (24, 16, 8))
TURNED_QKV = packed(transposed_linear((24, 48)), (24, 16, 8))
GATES = recurrent((80, 20), 4)
EXPERTS = experts((3, 16, 24))
EXPERTS_T = experts((3, 24, 16), transposed=True)
HEADS = einsum("bthd,hde->bte", (4, 6, 20))
TABLE = embedding((40, 16))
BIAS = Layout("bias", (48,), 1, 1, (0,), ())
ALL = (
    SQUARE, WIDENING, CONV, TURNED, GROUPED, GROUPED_TRANSPOSED, DEPTHWISE, CONV1D, QKV,
    GROUPED_QUERIES, TURNED_QKV, GATES, EXPERTS, EXPERTS_T, HEADS, TABLE, bilinear((6, 5, 4)),
)  # fmt: skip
MASK = torch.arange(240).reshape(20, 12) % 3 != 1


@dataclass(frozen=True)
class Case:
    scheme: s.Scheme
    layouts: tuple[Layout, ...]

    def __str__(self) -> str:
        return repr(self.scheme)


CASES = [
    Case(s.zeros(), (SQUARE,)),
    Case(s.ones(), (SQUARE,)),
    Case(s.constant(-0.3), (SQUARE, QKV)),
    Case(s.normal(std=0.02), (SQUARE, GROUPED_QUERIES)),
    Case(s.normal(mean=0.3, std=0.0), (SQUARE,)),
    Case(s.normal(mean=0.3, std=0.1), (CONV,)),
    Case(s.uniform(-0.1, 0.3), (SQUARE,)),
    Case(s.truncated_normal(std=0.02), (SQUARE, TURNED)),
    Case(s.truncated_normal(mean=1.0, std=0.1, low=-1.0, high=3.0, corrected=False), (SQUARE,)),
    Case(s.truncated_normal(low=0.0, high=math.inf), (SQUARE,)),
    Case(s.truncated_normal(low=2.0, high=9.0), (SQUARE,)),
    Case(s.truncated_normal(std=0.1, low=-math.inf, high=-6.0), (SQUARE,)),
    Case(s.variance_scaling(), (SQUARE, TURNED_QKV)),
    Case(s.variance_scaling(2.0, "fan_out", "uniform"), (CONV, GROUPED_QUERIES)),
    Case(s.variance_scaling(0.5, "fan_geo_avg", "normal"), (CONV,)),
    Case(s.xavier_normal(), ALL),
    Case(s.xavier_uniform(gain=2.0), (GROUPED_QUERIES, GATES)),
    Case(s.he_normal(0.2, "fan_out"), (CONV, GROUPED)),
    Case(s.he_uniform(), (CONV1D,)),
    Case(s.lecun_normal(), (HEADS,)),
    Case(s.lecun_uniform(), (TABLE,)),
    Case(s.siren(), (SQUARE,)),
    Case(s.siren(w0=5.0, first=True), (SQUARE,)),
    Case(s.spectral(2.0), (CONV, GROUPED_QUERIES)),
    Case(s.torch_default(), (SQUARE, CONV, TURNED, TABLE, GATES, bilinear((6, 5, 4)))),
    Case(s.torch_default("attention"), (QKV,)),
    Case(s.orthogonal(), ALL),
    Case(s.orthogonal(gain=2.0), (SQUARE, TURNED, EXPERTS)),
    Case(s.delta_orthogonal(), (CONV, TURNED, GROUPED, GROUPED_TRANSPOSED, DEPTHWISE)),
    Case(s.delta_orthogonal(gain=0.5), (conv((8, 4, 5)),)),
    Case(s.identity(), (SQUARE, WIDENING, CONV1D, QKV, TURNED_QKV, GATES, EXPERTS, HEADS)),
    Case(s.identity(gain=-0.5), (WIDENING, HEADS, EXPERTS)),
    Case(s.dirac(), (CONV, TURNED, GROUPED, GROUPED_TRANSPOSED, DEPTHWISE, bilinear((6, 5, 4)))),
    Case(s.dirac(groups=2), (CONV, TURNED, GROUPED)),
    Case(s.zero_hadamard(), ALL),
    Case(s.sparse(k=5), ALL),
    Case(s.sparse(fraction=0.25, std=0.1), (CONV, HEADS)),
    Case(s.mimetic("query", pair="p", heads=2), (SQUARE,)),
    Case(s.mimetic("output", pair="p", alpha=0.5, beta=0.2), (SQUARE,)),
    Case(s.mimetic("value", pair="p"), (linear((12, 24)),)),
    Case(s.looks_linear(), (SQUARE, CONV, TURNED, CONV1D, EXPERTS)),
    Case(s.looks_linear("first", s.he_normal()), (WIDENING, TURNED)),
    Case(s.looks_linear("last", s.orthogonal()), (WIDENING, CONV)),
    Case(s.icnr(s.he_normal()), (CONV, TURNED)),
    Case(s.icnr(s.orthogonal(), 2), (CONV, SQUARE)),
    Case(s.scaled(s.he_normal(), 0.1), (SQUARE, GROUPED_QUERIES)),
    Case(s.scaled(s.orthogonal(), 0.1), (SQUARE,)),
    Case(s.scaled(s.scaled(s.truncated_normal(), 0.5), 0.5), (SQUARE,)),
    Case(s.masked(s.he_normal(), MASK), (WIDENING,)),
    Case(s.masked(s.orthogonal(), MASK | True), (WIDENING,)),
    Case(s.blocks(s.orthogonal(), s.he_normal(), s.zeros()), (QKV, GROUPED_QUERIES, TURNED_QKV)),
    Case(s.blocks(*[s.xavier_normal()] * 4), (GATES, SQUARE)),
    Case(s.blocks(s.zeros(), s.ones(), s.zeros(), s.zeros()), (BIAS,)),
    Case(s.blocks(s.blocks(s.orthogonal(), s.ones()), s.sparse(k=2)), (SQUARE,)),
    Case(s.blocks(s.scaled(s.delta_orthogonal(), 2.0), s.dirac(), sizes=(12, 4)), ()),
    Case(s.blocks(s.mimetic("query", pair="p"), s.mimetic("key", pair="p")), (linear((48, 24)),)),
    Case(s.blocks(s.orthogonal()), (SQUARE,)),
    Case(s.per_unit(s.he_normal(), [unit / 7 - 1 for unit in range(24)]), (SQUARE,)),
    Case(s.per_unit(s.orthogonal(), [1.0] * 10 + [2.0] * 20), (CONV1D,)),
    Case(s.per_unit(s.sparse(k=2), [0.5] * 16), (CONV, TURNED)),
    Case(s.given(torch.linspace(-1, 1, 48)), (BIAS,)),
    Case(s.given(torch.arange(240.0).reshape(20, 12) / 3), (WIDENING,)),
    Case(s.given(torch.full((24, 24), 0.25)), (SQUARE,)),
    Case(s.chrono_bias(100), (BIAS,)),
    Case(s.chrono_bias(20.5, "gru"), (BIAS, WIDENING)[:1]),
    Case(s.scaled(s.chrono_bias(100), 0.5), (BIAS,)),
]  # fmt: skip
PAIRS = [(case.scheme, layout) for case in CASES for layout in case.layouts]
# Whatever the seed, they are the same, and so is the code's draw to the last bit.
EXACT = (s.zeros, s.ones, s.constant, s.identity, s.dirac, s.zero_hadamard, s.given)


def refused(scheme: s.Scheme, layout: Layout) -> bool:
    try:
        scheme.init_(torch.empty(layout.shape), layout=layout)
    except InputError:
        return True
    return False


def test_every_scheme_is_tried():
    assert {type(scheme) for scheme, _ in PAIRS} == set(s.SCHEMES.values())


@pytest.mark.parametrize(("scheme", "layout"), PAIRS, ids=lambda one: getattr(one, "op", repr(one)))
def test_the_code_draws_what_the_plan_draws(scheme, layout, monkeypatch):
    plan = plan_of(scheme, layout, layout.shape)
    if refused(scheme, layout):
        with pytest.raises(InputError):
            plan.to_python()
        return
    exact = isinstance(scheme, EXACT) or (
        scheme.std(layout) == 0 and not isinstance(scheme, s.blocks)
    )
    model = Holder(*layout.shape)
    draws = 2 if exact else DRAWS // 2 if "mimetic" in repr(scheme) else DRAWS
    one, other = samples(plan, model, monkeypatch, draws)["weight"]
    if exact:
        assert np.array_equal(one, other)
        return
    assert_same_law(one, other, f"{scheme!r} on {layout}")
    assert len(np.unique(one.reshape(len(one), -1), axis=0)) == len(one) or not scheme.std(layout)


@pytest.mark.parametrize("layout", ALL, ids=lambda layout: f"{layout.op}{layout.shape}")
def test_orthogonal_weights_are_orthogonal(layout, monkeypatch):
    model = Holder(*layout.shape)
    plan = plan_of(s.orthogonal(gain=1.5), layout, layout.shape)
    compiled(plan.to_python(), monkeypatch)(model)
    for matrix in matrices_of(model.weight.detach(), layout):
        flat = matrix.view.reshape(matrix.outputs, -1)
        assert np.allclose(singular_values(flat), 1.5, atol=1e-5)


def test_a_mimetic_pair_shares_its_noise(monkeypatch):
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query = nn.Parameter(torch.ones(32, 32))
            self.key = nn.Parameter(torch.ones(32, 32))

    model = Attention()
    rows = [
        Row(name, (32, 32), s.mimetic(name, pair="block"), "a half", linear((32, 32)))
        for name in ("query", "key")
    ]
    compiled(Plan("mimetic", tuple(rows)).to_python(), monkeypatch)(model)
    product = model.query.T @ model.key
    assert abs(product.diagonal().mean() - 0.7) < 0.12
    off = product - torch.diag(product.diagonal())
    assert abs(off.square().sum(1).mean().sqrt() - 0.7) < 0.1


def test_copies_and_mirrors_are_exact(monkeypatch):
    model = Holder(16, 12, 3, 3)
    compiled(plan_of(s.icnr(s.he_normal()), CONV, CONV.shape).to_python(), monkeypatch)(model)
    groups = model.weight.detach().unflatten(0, (4, 4))
    assert torch.equal(groups, groups[:, :1].expand_as(groups))
    model = Holder(24, 24)
    compiled(plan_of(s.looks_linear(), SQUARE, (24, 24)).to_python(), monkeypatch)(model)
    quarter = model.weight.detach()[:12, :12]
    expected = torch.cat([torch.cat([quarter, -quarter], 1), torch.cat([-quarter, quarter], 1)])
    assert torch.equal(model.weight.detach(), expected)
    assert np.allclose(singular_values(quarter), 1.0, atol=1e-5)


@pytest.mark.parametrize("scheme", [s.sparse(k=5), s.sparse(fraction=0.5)], ids=repr)
def test_sparse_units_have_their_number_of_weights(scheme, monkeypatch):
    model = Holder(*CONV1D.shape)
    compiled(plan_of(scheme, CONV1D, CONV1D.shape).to_python(), monkeypatch)(model)
    assert torch.all((model.weight != 0).sum(0) == scheme.nonzero(24))


MODELS: dict[str, Callable[[], nn.Module]] = {
    "mlp": lambda: nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.LayerNorm(20), nn.Linear(20, 6)),
    "convolutions": lambda: nn.Sequential(
        nn.Conv2d(4, 8, 3),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, 3, groups=4),
        nn.PReLU(),
        nn.ConvTranspose2d(8, 4, 4, stride=2),
        nn.ConvTranspose2d(4, 4, 3, groups=2),
    ),
    "attention": lambda: nn.MultiheadAttention(16, 4, add_bias_kv=True),
    "attention of other widths": lambda: nn.MultiheadAttention(16, 4, kdim=8, vdim=12),
    "lstm": lambda: nn.LSTM(6, 8, num_layers=2, bidirectional=True, proj_size=4),
    "gru": lambda: nn.GRU(6, 8),
    "table": lambda: nn.Sequential(nn.Embedding(20, 8, padding_idx=3), nn.Linear(8, 20)),
    "bilinear": lambda: nn.Bilinear(4, 5, 6),
}


@pytest.mark.parametrize("recipe", ["he_normal", "xavier_uniform", "orthogonal", "default"])
@pytest.mark.parametrize("model", MODELS)
def test_the_code_draws_whole_models(model, recipe, monkeypatch):
    made = MODELS[model]()
    plan = as_recipe(recipe).plan(made)
    for name, (one, other) in samples(plan, made, monkeypatch).items():
        assert_same_law(one, other, f"{recipe} on {name}")


def test_rows_of_padding_are_zero(monkeypatch):
    model = MODELS["table"]()
    compiled(as_recipe("he_normal").plan(model).to_python(), monkeypatch)(model)
    assert torch.all(model[0].weight[3] == 0)
    assert torch.all(model[0].weight[2] != 0)


@pytest.fixture(scope="module")
def gpt2() -> tuple[nn.Module, Plan]:
    from tests.zoo import torchvision_ops

    torchvision_ops.declare()
    import transformers

    config = transformers.GPT2Config(
        vocab_size=64, n_positions=16, n_embd=32, n_layer=3, n_head=4,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = transformers.GPT2LMHeadModel(config).eval()
    ids = torch.arange(12).reshape(1, 12)
    return model, planned(as_recipe("gpt2"), model, Batch({"input_ids": ids, "labels": ids}))


def test_the_code_draws_gpt2(gpt2, monkeypatch):
    model, plan = gpt2
    for name, (one, other) in samples(plan, model, monkeypatch, 12).items():
        assert_same_law(one, other, name)


def test_conv1d_of_transformers_is_orthogonal_block_by_block(gpt2, monkeypatch):
    model, plan = gpt2
    row = plan.row("transformer.h.0.attn.c_attn.weight")
    assert row.layout.blocks == (32, 32, 32)
    plan = plan.replaced([replace(row, scheme=s.orthogonal())])
    compiled(plan.to_python(), monkeypatch)(model)
    for block in model.transformer.h[0].attn.c_attn.weight.detach().chunk(3, 1):
        assert np.allclose(singular_values(block), 1.0, atol=1e-5)


class TestTheText:
    def test_equal_rows_are_one_loop_with_the_reason_and_the_formula(self):
        model = nn.Sequential(nn.Linear(256, 64), nn.Linear(64, 256), nn.Linear(256, 64))
        source = as_recipe("he_normal").plan(model).to_python()
        assert "sqrt(2 / 256)" in source
        assert 'for name in ("0.weight", "2.weight"):' in source
        assert "nn.init.normal_(model.get_parameter(name), std=0.08838834764831845)" in source
        assert source.count("# a bias needs no random start") == 1
        assert 'nn.init.normal_(model.get_parameter("1.weight"), std=0.1767766952966369)' in source

    def test_the_docstring_names_recipe_source_notes_and_the_seed(self):
        row = Row("weight", (3,), s.zeros(), "a reason")
        plan = Plan(
            'one "of" them', (row,), notes=("mind the\\gap",), source="Somebody. 2024.", seed=7
        )
        text = ast.get_docstring(ast.parse(plan.to_python()))
        assert text.startswith("Initial weights by the recipe one 'of' them.")
        for part in ("Somebody. 2024.", "mind the/gap", "seed 7"):
            assert part in text

    def test_what_is_kept_or_unknown_is_named(self):
        plan = Plan("r", (Row("a", (0, 3), s.ones(), "x"),), kept=("b.c",), unmatched=("d",))
        source = plan.to_python()
        assert "# Kept as the model made them: b.c." in source
        assert "# Not known to the recipe, left as they are: d." in source
        assert "# Without elements: a." in source
        assert "ones_" not in source

    def test_factors_of_the_optimizer_are_said(self):
        row = Row("a", (3, 3), s.ones(), "x", learning_rate=0.25, weight_decay=0.0)
        source = Plan("r", (row,)).to_python()
        assert "learning rate times 0.25 and weight decay times 0" in source

    def test_the_model_may_have_another_name(self, monkeypatch):
        plan = as_recipe("ones").plan(nn.Linear(2, 2))
        source = plan.to_python("net")
        assert "def init_weights(net: nn.Module) -> None:" in source
        assert "model" not in source.partition("def ")[2]
        for wrong in ("", "a b", "class", "nn", "weight", "parts_2", "torch"):
            with pytest.raises(InputError, match="model_name"):
                plan.to_python(wrong)

    def test_no_global_name_of_fanin_is_left(self):
        for scheme, layout in PAIRS:
            if not refused(scheme, layout):
                names = {
                    node.id
                    for node in ast.walk(
                        ast.parse(plan_of(scheme, layout, layout.shape).to_python())
                    )
                    if isinstance(node, ast.Name)
                }
                assert "fanin" not in names

    def test_a_formatter_changes_nothing(self, gpt2, tmp_path):
        pytest.importorskip("ruff")
        plans = [gpt2[1]]
        plans += [as_recipe(r).plan(m()) for m in MODELS.values() for r in ("he_normal", "default")]
        plans += [
            plan_of(scheme, layout, layout.shape)
            for scheme, layout in PAIRS
            if not refused(scheme, layout)
        ]
        long = "a." * 20 + "weight"
        plans.append(
            Plan(
                "a recipe of many words " * 9,
                tuple(
                    Row(long + str(i), (40, 12), scheme, "a long reason " * 20, linear((40, 12)))
                    for i, scheme in enumerate(
                        [
                            s.truncated_normal(std=0.1),
                            s.he_normal(),
                            s.he_normal(),
                            s.sparse(),
                            s.per_unit(s.ones(), [i / 3 for i in range(40)]),
                        ]
                    )
                ),
                kept=(long,),
                source="A source. " * 20,
                notes=("A note.",),
            )
        )
        for i, plan in enumerate(plans):
            (tmp_path / f"weights_{i}.py").write_text(plan.to_python())
        for arguments in (
            ["format", "--diff", "--line-length", "100"],
            ["check", "--select", "E,F,W,I", "--line-length", "100"],
        ):
            command = [sys.executable, "-m", "ruff", *arguments, "--isolated", str(tmp_path)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout[:3000] + done.stderr[-500:]


@dataclass(frozen=True)
class Triangular:
    mean, std = 0.0, 1.0

    def times(self, factor: float) -> Triangular:
        return self

    def fill(self, out: Any, stream: Any, start: int) -> None:
        out.fill(0)


class theirs(s.IndependentScheme):
    name, formula, use, citation = "theirs", "w ~ U(-1, 1)", "tests", "here, 2024"

    def law(self, layout: Layout | None) -> Any:
        return Uniform(-1.0, 1.0)

    def parameters(self) -> tuple[()]:
        return ()


class odd(theirs):
    def law(self, layout: Layout | None) -> Any:
        return Triangular()


class TestRefusals:
    @pytest.mark.parametrize(
        ("scheme", "layout", "why"),
        [
            (Plain(), SQUARE, "a scheme of another package"),
            (s.blocks(s.zeros(), Plain()), SQUARE, "a scheme of another package"),
            (odd(), SQUARE, "torch does not draw"),
            (s.given(torch.arange(257.0)), None, "257 numbers are too many for code"),
            (s.masked(s.ones(), torch.eye(24)), SQUARE, "576 numbers are too many for code"),
            (s.mimetic("query", pair="p"), QKV, "for one weight, not for several"),
        ],
        ids=repr,
    )
    def test_what_cannot_be_said_names_the_parameter_and_what_to_do(self, scheme, layout, why):
        shape = layout.shape if layout else (257,)
        with pytest.raises(InputError, match=why) as error:
            plan_of(scheme, layout, shape).to_python()
        assert "parameter 'weight'" in str(error.value)
        assert "fanin init" in str(error.value)

    def test_independent_draws_of_another_package_are_its_law(self, monkeypatch):
        plan = plan_of(theirs(), SQUARE, (24, 24))
        assert "nn.init.uniform_" in plan.to_python()
        one, other = samples(plan, Holder(24, 24), monkeypatch)["weight"]
        assert_same_law(one, other, "theirs")


def test_a_wrong_law_is_found(monkeypatch):
    """The comparison of these tests can fail: for a scale, a shape, and a place."""
    plan = plan_of(s.he_normal(), SQUARE, (24, 24))
    one, other = samples(plan, Holder(24, 24), monkeypatch)["weight"]
    assert_same_law(one, other, "equal")
    for wrong in (one * 1.08, np.sign(one) * one.std(), one + 0.03):
        with pytest.raises(AssertionError):
            assert_same_law(wrong, other, "wrong")
    moved = one.copy()
    moved[:, :2] *= 2
    moved[:, 2:] *= math.sqrt((24 - 8) / 22)
    with pytest.raises(AssertionError):
        assert_same_law(moved, other, "moved")


def test_the_plan_of_init_and_of_the_code_agree_in_public(monkeypatch):
    model = fanin.init_(nn.Linear(8, 8), "identity")
    weight = model.weight.clone()
    compiled(as_recipe("identity").plan(model).to_python(), monkeypatch)(model)
    assert torch.equal(weight, model.weight)
