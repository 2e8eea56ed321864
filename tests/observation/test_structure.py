"""Branches, norms, roles of attention, recurrence, sources and heads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fanin.observation import observe
from tests.observation.bodies import Body, one, weight


def rows() -> Tensor:
    return torch.randn(6, 8)


def same(*names: str) -> dict[str, Tensor | nn.Module]:
    return {name: nn.Linear(8, 8) for name in names}


class TestBranches:
    @pytest.mark.parametrize(
        "add",
        [
            lambda x, h: x + h,
            lambda x, h: h + x,
            lambda x, h: h.add_(x),
            lambda x, h: torch.add(x, h, alpha=0.5),
            lambda x, h: (x + h) / 2**0.5,
            lambda x, h: x + 0.1 * h,
            lambda x, h: x + F.dropout(h, 0.1),
            lambda x, h: torch.lerp(x, h, 0.5),
            lambda x, h: x - h,
        ],
        ids=["plus", "swapped", "in place", "alpha", "scaled", "small", "dropout", "lerp", "minus"],
    )
    def test_ways_of_adding(self, add: Callable[[Tensor, Tensor], Tensor]) -> None:
        def body(m: Any, x: Tensor) -> Tensor:
            x = m.e(x)
            return m.o(add(x, m.b(F.relu(m.a(x)))))

        seen = observe(Body(body, **same("e", "a", "b", "o")), rows())
        (branch,) = seen.branches
        assert branch.start == "e.weight"
        assert branch.shortcut is None
        assert (branch.weights, branch.last) == (("a.weight", "b.weight"), ("b.weight",))
        found = {u.parameter: (u.branch, u.last_of_branch) for u in seen.uses if u.role == "weight"}
        assert found == {
            "e.weight": (None, False), "a.weight": (0, False), "b.weight": (0, True),
            "o.weight": (None, False),
        }  # fmt: skip

    def test_learned_scales(self) -> None:
        def body(m: Any, x: Tensor) -> Tensor:
            x = m.e(x)
            return m.o(x + m.scale * m.a(x))

        seen = observe(Body(body, scale=torch.zeros(8), **same("e", "a", "o")), rows())
        (branch,) = seen.branches
        assert branch.last == ("a.weight",)
        scale = one(seen, "scale", "scale")
        assert scale.branch == 0

    def test_nested(self) -> None:
        def body(m: Any, x: Tensor) -> Tensor:
            x = m.e(x)
            h = m.a(x)
            return m.o(x + m.c(h + m.b(F.relu(h))))

        seen = observe(Body(body, **same("e", "a", "b", "c", "o")), rows())
        assert len(seen.branches) == 2
        inner, outer = seen.branches
        assert inner.weights == ("b.weight",)
        assert set(outer.weights) == {"a.weight", "b.weight", "c.weight"}
        assert one(seen, "b.weight").branch == 0
        assert one(seen, "c.weight").branch == 1
        assert outer.last == ("c.weight",)

    @pytest.mark.parametrize(
        "add",
        [
            lambda x, p, q: x + p + q,
            lambda x, p, q: p + q + x,
            lambda x, p, q: x + (p + q),
            lambda x, p, q: p + x + q,
        ],
        ids=["one by one", "skip last", "together", "skip between"],
    )
    def test_parallel_branches(self, add: Callable[..., Tensor]) -> None:
        """Attention and feed-forward beside each other: both end in the sum."""

        def body(m: Any, x: Tensor) -> Tensor:
            x = m.e(x)
            h = m.n(x)
            return m.o(add(x, m.a(h), m.c(F.relu(m.b(h)))))

        model = Body(body, n=nn.LayerNorm(8), **same("e", "a", "b", "c", "o"))
        seen = observe(model, rows())
        uses = {use.parameter: use for use in seen.uses if use.role == "weight"}
        assert all(uses[f"{name}.weight"].branch is not None for name in "abc")
        assert [name for name in uses if uses[name].last_of_branch] == ["a.weight", "c.weight"]
        assert not uses["b.weight"].last_of_branch

    def test_what_is_no_branch(self) -> None:
        for function in (
            lambda m, x: m.o(m.a(x) + m.b(x)),
            lambda m, x: m.o(torch.cat([m.a(x), m.b(x)], 1)[:, :8]),
            lambda m, x: m.o(m.a(x) * torch.sigmoid(m.b(x))),
            lambda m, x: m.o(m.a(x)) + 1.0 + 0.0 * m.b(x).sum(),
        ):
            assert observe(Body(function, **same("a", "b", "o")), rows()).branches == ()

    def test_a_shortcut_with_a_weight(self) -> None:
        def body(m: Any, x: Tensor) -> Tensor:
            x = m.e(x)
            return m.o(m.s(x) + m.b(F.relu(m.a(x))))

        seen = observe(Body(body, **same("e", "a", "b", "s", "o")), rows())
        (branch,) = seen.branches
        assert (branch.shortcut, branch.weights) == ("s.weight", ("a.weight", "b.weight"))
        assert not one(seen, "s.weight").last_of_branch


def rms_norm(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


def layer_norm(x: Tensor) -> Tensor:
    u = x.mean(-1, keepdim=True)
    s = (x - u).pow(2).mean(-1, keepdim=True)
    return (x - u) / torch.sqrt(s + 1e-6)


class TestNorms:
    @pytest.mark.parametrize(
        "norm",
        [
            rms_norm, layer_norm,
            lambda x: x / (x.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt(),
            lambda x: x / (x.norm(dim=-1, keepdim=True) / 8**0.5 + 1e-6),
            lambda x: (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-6),
            lambda x: (x - x.mean(0)) / (x.var(0) + 1e-6).sqrt(),
            lambda x: F.normalize(x) * 8**0.5,
            lambda x: F.layer_norm(x, (8,)),
            lambda x: F.rms_norm(x, (8,)),
            lambda x: F.batch_norm(x, None, None, training=True),
            lambda x: F.group_norm(x, 2),
            lambda x: F.instance_norm(x[:, None])[:, 0],
        ],
        ids=["rms", "layer", "over rms", "over length", "over std", "batch by hand", "normalize",
             "layer_norm", "rms_norm", "batch_norm", "group_norm", "instance_norm"],
    )  # fmt: skip
    def test_before_and_after(self, norm: Callable[[Tensor], Tensor]) -> None:
        model = Body(lambda m, x: m.b(norm(m.a(x))), **same("a", "b"))
        seen = observe(model, rows())
        before, after = one(seen, "b.weight").norm_before, one(seen, "a.weight").norm_after
        assert before is not None
        assert after is not None
        assert before == after
        source = one(seen, "b.weight").source
        assert source is not None
        assert source.kind == "norm"
        assert "norm" in [region.ends for region in one(seen, "a.weight").regions]
        assert one(seen, "a.weight").gain == 1.0

    @pytest.mark.parametrize(
        "function",
        [
            lambda x: x - x.mean(-1, keepdim=True),
            lambda x: x * x.mean(-1, keepdim=True).sigmoid(),
            lambda x: x * 2 + 1,
            lambda x: torch.tanh(x),
        ],
        ids=["centring", "squeeze and excite", "affine", "tanh"],
    )
    def test_what_is_no_norm(self, function: Callable[[Tensor], Tensor]) -> None:
        model = Body(lambda m, x: m.b(function(m.a(x))), **same("a", "b"))
        seen = observe(model, rows())
        assert one(seen, "b.weight").norm_before is None
        assert one(seen, "a.weight").norm_after is None

    def test_learned_scale_and_shift_by_hand(self) -> None:
        model = Body(
            lambda m, x: m.b(F.relu(rms_norm(m.a(x)) * m.g + m.h)),
            g=torch.ones(8), h=torch.zeros(8), **same("a", "b"),
        )  # fmt: skip
        seen = observe(model, rows())
        assert one(seen, "g", "scale").role == "scale"
        assert one(seen, "h", "shift").role == "shift"
        norm = one(seen, "b.weight").norm_before
        assert norm is not None
        assert norm.op == "by hand"
        assert one(seen, "g", "scale").gain == pytest.approx(2**0.5)

    def test_all_of_torch(self) -> None:
        for norm in (nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4, affine=True),
                     nn.LayerNorm([4, 5, 5]), nn.RMSNorm([4, 5, 5])):  # fmt: skip
            model = nn.Sequential(nn.Conv2d(3, 4, 1), norm, nn.ReLU(), nn.Conv2d(4, 2, 1))
            seen = observe(model, torch.randn(2, 3, 5, 5))
            assert one(seen, "1.weight", "scale").gain == pytest.approx(2**0.5)
            shifts = [use for use in seen.uses_of("1.bias") if use.role == "shift"]
            assert len(shifts) == (0 if isinstance(norm, nn.RMSNorm) else 1)
            before = one(seen, "3.weight").norm_before
            assert before is not None
            assert before.module == "1"


def mixed(q: Tensor, k: Tensor, v: Tensor, kind: str) -> Tensor:
    if kind == "fused":
        return F.scaled_dot_product_attention(q, k, v)
    if kind == "einsum":
        scores = torch.einsum("bqd,bkd->bqk", q, k) / 8**0.5
        return torch.einsum("bqk,bkd->bqd", scores.softmax(-1), v)
    if kind == "baddbmm":
        mask = torch.zeros(q.shape[0], q.shape[1], k.shape[1])
        return torch.bmm(torch.baddbmm(mask, q, k.mT, alpha=8**-0.5).softmax(-1), v)
    scores = (q @ k.mT) * 8**-0.5
    if kind == "masked":
        mask = torch.ones(scores.shape[-2:]).triu(1).bool()
        scores = scores.masked_fill(mask, float("-inf"))
    if kind == "biased":
        scores = scores + torch.linspace(-1, 0, scores.shape[-1])
    return F.dropout(scores.float().softmax(-1).to(v.dtype), 0.0) @ v


class TestAttention:
    @pytest.mark.parametrize("kind", ["fused", "einsum", "baddbmm", "plain", "masked", "biased"])
    def test_roles(self, kind: str) -> None:
        def body(m: Any, x: Tensor) -> Tensor:
            return m.o(mixed(m.q(x), m.k(x), m.v(x), kind))

        seen = observe(Body(body, **same("q", "k", "v", "o")), torch.randn(2, 5, 8))
        roles = {use.parameter: use.attention for use in seen.uses if use.role == "weight"}
        assert roles == {
            "q.weight": "query", "k.weight": "key", "v.weight": "value", "o.weight": "output",
        }  # fmt: skip
        assert {use.attention for use in seen.uses_of("q.bias")} == {"query"}

    def test_normalized_and_rotated_queries(self) -> None:
        def rotated(x: Tensor) -> Tensor:
            left, right = x.chunk(2, -1)
            angle = torch.linspace(0, 1, x.shape[1])[:, None]
            turned = torch.cat((-right, left), -1)
            return x * angle.cos() + turned * angle.sin()

        def body(m: Any, x: Tensor) -> Tensor:
            q, k = rotated(rms_norm(m.q(x))), rotated(rms_norm(m.k(x)))
            return m.o(mixed(q, k, m.v(x), "fused"))

        seen = observe(Body(body, **same("q", "k", "v", "o")), torch.randn(2, 5, 8))
        roles = {use.parameter: use.attention for use in seen.uses if use.role == "weight"}
        assert roles["q.weight"] == "query"
        assert roles["k.weight"] == "key"

    @pytest.mark.parametrize("weights", [True, False], ids=["weights", "no weights"])
    @pytest.mark.parametrize("extra", [True, False], ids=["bias_kv and zeros", "plain"])
    @pytest.mark.parametrize("other", [True, False], ids=["other widths", "same widths"])
    def test_multihead_attention(self, weights: bool, extra: bool, other: bool) -> None:
        sizes = {"kdim": 6, "vdim": 4} if other else {}
        model = nn.MultiheadAttention(8, 2, add_bias_kv=extra, add_zero_attn=extra, **sizes)
        key, value = (6, 4) if other else (8, 8)
        inputs = {
            "query": torch.randn(5, 3, 8), "key": torch.randn(7, 3, key),
            "value": torch.randn(7, 3, value), "need_weights": weights,
        }  # fmt: skip
        seen = observe(model, inputs)
        assert seen.unmatched == seen.unused == ()
        roles = [(u.parameter, u.attention, u.fan_in) for u in seen.uses if u.role == "weight"]
        name = "in_proj_weight"
        names = ["q_proj_weight", "k_proj_weight", "v_proj_weight"] if other else [name] * 3
        assert roles == [
            (names[0], "query", 8), (names[1], "key", key), (names[2], "value", value),
            ("out_proj.weight", "output", 8),
        ]  # fmt: skip
        learned = [use.role for n in ("bias_k", "bias_v") for use in seen.uses_of(n)]
        assert learned == (["input", "input"] if extra else [])
        if not other:
            for use in seen.uses_of(name):
                assert use.layout is not None
                assert (use.layout.blocks, use.fan_out) == ((8, 8, 8), 8)

    @pytest.mark.parametrize("norm_first", [True, False], ids=["pre", "post"])
    @pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
    def test_encoder_layers(self, norm_first: bool, training: bool) -> None:
        model = nn.TransformerEncoderLayer(8, 2, 16, norm_first=norm_first, batch_first=True)
        seen = observe(model.train(training), torch.randn(3, 5, 8))
        assert seen.unmatched == seen.unused == ()
        first, second = seen.branches
        assert first.last == ("self_attn.out_proj.weight",)
        assert second.last == ("linear2.weight",)
        before = one(seen, "linear1.weight").norm_before
        assert before is not None
        assert before.module == ("norm2" if norm_first else "norm1")
        assert one(seen, "self_attn.in_proj_weight").attention == "query+key+value"

    def test_the_whole_transformer(self) -> None:
        model = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
        seen = observe(model, (torch.randn(3, 5, 8), torch.randn(3, 4, 8)))
        assert seen.unmatched == seen.unused == ()
        assert len(seen.branches) == 5
        name = "decoder.layers.0.multihead_attn.in_proj_weight"
        assert [use.attention for use in seen.uses_of(name)] == ["query", "key+value"]


class TestRecurrence:
    def test_by_hand(self) -> None:
        def body(m: Any, x: Tensor) -> Tensor:
            h = torch.zeros(len(x), 8)
            for t in range(x.shape[1]):
                h = torch.tanh(m.i(x[:, t]) + m.h(h))
            return m.o(h)

        seen = observe(Body(body, **same("i", "h", "o")), torch.randn(3, 4, 8))
        steps = [use for use in seen.uses_of("h.weight") if use.role == "weight"]
        assert [(use.call, use.calls, use.recurrent) for use in steps] == [
            (k, 4, True) for k in range(4)
        ]
        assert not any(use.recurrent for use in seen.uses_of("i.weight"))
        assert not any(use.recurrent for use in seen.uses_of("o.weight"))
        start = steps[0].source
        assert start is None or start.kind != "parameter"  # zeros are not learned

    def test_cells(self) -> None:
        def body(m: Any, x: Tensor) -> Tensor:
            h = x.new_zeros(len(x), 6)
            for t in range(x.shape[1]):
                h = m.cell(x[:, t], h)
            return h

        seen = observe(Body(body, cell=nn.GRUCell(8, 6)), torch.randn(3, 4, 8))
        assert [use.call for use in seen.uses_of("cell.weight_hh")] == [0, 1, 2, 3]
        assert all(use.recurrent for use in seen.uses_of("cell.weight_hh"))

    def test_layers_that_are_shared_in_parallel_are_not_recurrent(self) -> None:
        model = Body(lambda m, x: m.o(m.a(x) - m.a(x.flip(0))), **same("a", "o"))
        uses = observe(model, rows()).uses_of("a.weight")
        assert [use.recurrent for use in uses] == [False, False]


@dataclasses.dataclass
class Answer:
    logits: Tensor
    other: dict[str, Any]


class TestHeadsAndSources:
    @pytest.mark.parametrize(
        "wrap",
        [
            lambda p, q: (p, q),
            lambda p, q: [p, [q]],
            lambda p, q: {"p": p, "rest": (q, None, 3)},
            lambda p, q: Answer(p, {"q": q}),
        ],
        ids=["tuple", "lists", "dict", "dataclass"],
    )
    def test_every_output_is_seen(self, wrap: Callable[[Tensor, Tensor], Any]) -> None:
        def body(m: Any, x: Tensor) -> Any:
            h = torch.relu(m.a(x))
            return wrap(m.p(h), m.q(h))

        seen = observe(Body(body, **same("a", "p", "q")), rows())
        heads = {use.parameter: use.feeds_output for use in seen.uses if use.role == "weight"}
        assert heads == {"a.weight": False, "p.weight": True, "q.weight": True}
        assert seen.output.size == 2 * 48

    def test_heads_after_what_is_no_weight(self) -> None:
        model = Body(
            lambda m, x: F.log_softmax(m.n(m.b(torch.relu(m.a(x)))), -1), n=nn.LayerNorm(8),
            **same("a", "b"),
        )  # fmt: skip
        seen = observe(model, rows())
        assert one(seen, "b.weight").feeds_output
        assert not one(seen, "a.weight").feeds_output

    def test_sources(self) -> None:
        def body(m: Any, first: Tensor, second: Tensor) -> Tensor:
            h = m.a(first) + torch.tanh(m.b(second * 2))
            return m.c(F.softmax(h, -1) @ m.table.expand(8, 8).mul(1.0))

        model = Body(body, table=weight(8, 8), **same("a", "b", "c"))
        seen = observe(model, (rows(), rows()))
        a, b, c = (one(seen, f"{name}.weight").source for name in "abc")
        assert a is not None
        assert b is not None
        assert c is not None
        assert (a.kind, a.name, a.ops, a.gain) == ("input", "input 0", (), 1.0)
        assert (b.kind, b.name, b.ops, b.gain) == ("input", "input 1", ("mul",), 0.5)
        assert (c.kind, c.name) == ("weight", "table")

    def test_class_tokens_and_queries_are_inputs(self) -> None:
        def body(m: Any, x: Tensor) -> Tensor:
            x = torch.cat([m.token.expand(len(x), 1, 8), x], 1)
            return m.attention(m.queries.expand(len(x), 2, 8), x, x)[0]

        model = Body(
            body, token=weight(1, 1, 8), queries=weight(1, 2, 8),
            attention=nn.MultiheadAttention(8, 2, batch_first=True),
        )  # fmt: skip
        seen = observe(model, torch.randn(3, 4, 8))
        assert [use.role for use in seen.uses_of("token")] == ["input"]
        assert [use.role for use in seen.uses_of("queries")] == ["input"]

    def test_modules_by_path(self) -> None:
        seen = observe(
            nn.Sequential(nn.Linear(8, 8), nn.Sequential(nn.ReLU(), nn.Linear(8, 2))), rows()
        )
        assert [use.module for use in seen.uses if use.role == "weight"] == ["0", "1.1"]

    def test_identical_modules(self) -> None:
        model = nn.Sequential(*(nn.Linear(8, 8) for _ in range(3)))
        model[2].load_state_dict(model[0].state_dict())
        assert observe(model, rows()).identical == (("0", "2"),)
