"""Observations of six small models, written out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fanin.observation import Observation, Use, observe

RELU = math.sqrt(2.0)
GELU = 1.5335304411955353


def facts(use: Use) -> tuple[object, ...]:
    """What a reader would write down of a weight's use."""
    return (
        use.parameter,
        use.op,
        use.fan_in,
        use.fan_out,
        None if use.gain is None else round(use.gain, 4),
        tuple((region.ops, region.ends) for region in use.regions),
    )


def weights(seen: Observation) -> list[Use]:
    return [use for use in seen.uses if use.role in {"weight", "table"}]


def clean(seen: Observation) -> None:
    assert seen.unmatched == ()
    assert seen.unused == ()
    assert seen.nonfinite is None


class TestPlainMLP:
    @pytest.fixture(scope="class")
    @classmethod
    def seen(cls) -> Observation:
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 16), nn.Tanh(), nn.Linear(16, 4)
        )
        return observe(model, torch.randn(64, 8), torch.randint(4, (64,)), loss=F.cross_entropy)

    def test_weights(self, seen: Observation) -> None:
        clean(seen)
        assert [facts(use) for use in weights(seen)] == [
            ("0.weight", "linear", 8, 32, 1.4142, ((("relu",), "weight"),)),
            ("2.weight", "linear", 32, 16, 1.5925, ((("tanh",), "weight"),)),
            ("4.weight", "linear", 16, 4, 1.0, (((), "output"),)),
        ]

    def test_what_comes_before(self, seen: Observation) -> None:
        sources = [use.source for use in weights(seen)]
        assert [(s.kind, s.name, s.ops) for s in sources if s] == [
            ("input", "input", ()),
            ("weight", "0.weight", ("relu",)),
            ("weight", "2.weight", ("tanh",)),
        ]
        assert [round(s.gain or 0, 4) for s in sources if s] == [1.0, 1.4142, 1.5925]

    def test_biases(self, seen: Observation) -> None:
        biases = [use for use in seen.uses if use.role == "bias"]
        assert [use.parameter for use in biases] == ["0.bias", "2.bias", "4.bias"]
        assert all(use.layout is None and use.op == "linear" for use in biases)

    def test_the_head(self, seen: Observation) -> None:
        assert [use.feeds_output for use in weights(seen)] == [False, False, True]
        assert seen.objective.kind == "given"
        assert (seen.objective.op, seen.objective.classes) == ("cross_entropy", 4)
        assert seen.loss == pytest.approx(math.log(4), rel=0.2)

    def test_structure(self, seen: Observation) -> None:
        assert seen.branches == ()
        assert [step.kind for step in seen.steps] == [
            "input", "weight", "weight", "weight", "output",
        ]  # fmt: skip
        assert [edge.ops for edge in seen.edges] == [(), ("relu",), ("tanh",), ()]


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.project = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = (
            layer(x).view(batch, length, self.heads, -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        scores = (q @ k.transpose(-1, -2)) / math.sqrt(width / self.heads)
        mixed = scores.softmax(-1) @ v
        return self.project(mixed.transpose(1, 2).reshape(batch, length, width))


class PreNormBlock(nn.Module):
    """A block with attention and GELU by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.LayerNorm(16)
        self.attention = Attention(16, 4)
        self.second = nn.LayerNorm(16)
        self.wide = nn.Linear(16, 64)
        self.narrow = nn.Linear(64, 16)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.first(x))
        h = self.wide(self.second(x))
        h = 0.5 * h * (1 + torch.erf(h / math.sqrt(2)))
        return x + self.narrow(h)


class TestPreNormBlock:
    @pytest.fixture(scope="class")
    @classmethod
    def seen(cls) -> Observation:
        torch.manual_seed(0)
        return observe(PreNormBlock(), torch.randn(6, 10, 16))

    def test_weights(self, seen: Observation) -> None:
        clean(seen)
        assert [(u.parameter, u.fan_in, u.fan_out, u.attention) for u in weights(seen)] == [
            ("attention.query.weight", 16, 16, "query"),
            ("attention.key.weight", 16, 16, "key"),
            ("attention.value.weight", 16, 16, "value"),
            ("attention.project.weight", 16, 16, "output"),
            ("wide.weight", 16, 64, None),
            ("narrow.weight", 64, 16, None),
        ]

    def test_a_gelu_by_hand_is_a_gelu(self, seen: Observation) -> None:
        (wide,) = seen.uses_of("wide.weight")
        assert wide.gain == pytest.approx(GELU, rel=1e-9)
        assert wide.regions[0].ends == "weight"
        assert wide.regions[0].at == "narrow.weight"

    def test_norms(self, seen: Observation) -> None:
        before = {use.parameter: use.norm_before for use in weights(seen)}
        for name in ("query", "key", "value"):
            norm = before[f"attention.{name}.weight"]
            assert norm is not None
            assert (norm.op, norm.module) == ("layer_norm", "first")
        assert before["attention.project.weight"] is None
        assert before["wide.weight"] is not None
        assert before["narrow.weight"] is None
        assert all(use.norm_after is None for use in weights(seen))

    def test_branches(self, seen: Observation) -> None:
        attention, feed_forward = seen.branches
        assert attention.start == "x"
        assert attention.shortcut is feed_forward.shortcut is None
        assert attention.last == ("attention.project.weight",)
        assert feed_forward.start == attention.join
        assert feed_forward.weights == ("wide.weight", "narrow.weight")
        assert feed_forward.last == ("narrow.weight",)
        members = [(use.branch, use.last_of_branch) for use in weights(seen)]
        assert members == [
            (0, False), (0, False), (0, False), (0, True), (1, False), (1, True),
        ]  # fmt: skip

    def test_signals(self, seen: Observation) -> None:
        kinds = [signal.kind for signal in seen.signals]
        assert kinds.count("join") == 2
        assert kinds.count("norm") == 2
        for name in ("first", "second"):
            assert seen.signal(name).forward.rms == pytest.approx(1.0, rel=1e-3)


class ResidualBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.down = nn.Conv2d(8, 16, 1, stride=2, bias=False)
        self.bn3 = nn.BatchNorm2d(16)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        out += self.bn3(self.down(x))
        return F.relu(out, inplace=True)


class TestResNetBlock:
    @pytest.fixture(scope="class")
    @classmethod
    def seen(cls) -> Observation:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 8, 3), ResidualBlock(), nn.AdaptiveAvgPool2d(1),
                              nn.Flatten(), nn.Linear(16, 10))  # fmt: skip
        return observe(model, torch.randn(4, 3, 12, 12))

    def test_weights(self, seen: Observation) -> None:
        clean(seen)
        assert [facts(use) for use in weights(seen)] == [
            ("0.weight", "conv2d", 27, 72, 1.0, (((), "weight"),)),
            ("1.conv1.weight", "conv2d", 72, 144, 1.0, (((), "norm"),)),
            ("1.conv2.weight", "conv2d", 144, 144, 1.0, (((), "norm"),)),
            ("1.down.weight", "conv2d", 8, 16, 1.0, (((), "norm"),)),
            ("4.weight", "linear", 16, 10, 1.0, (((), "output"),)),
        ]

    def test_norms(self, seen: Observation) -> None:
        after = {use.parameter: use.norm_after for use in weights(seen)}
        assert after["1.conv1.weight"] is not None
        assert after["1.conv1.weight"].module == "1.bn1"
        assert after["4.weight"] is None
        (scale,) = seen.uses_of("1.bn1.weight")
        assert (scale.role, scale.gain) == ("scale", pytest.approx(RELU))
        (second,) = seen.uses_of("1.conv2.weight")
        assert second.norm_before is not None
        assert second.norm_before.module == "1.bn1"
        assert second.source is not None
        assert second.source.ops == ("relu",)

    def test_branch_with_a_projection(self, seen: Observation) -> None:
        (branch,) = seen.branches
        assert branch.start == "0.weight"
        assert branch.shortcut == "1.down.weight"
        assert branch.weights == ("1.conv1.weight", "1.conv2.weight")
        assert branch.last == ("1.conv2.weight",)


class TestLSTM:
    @pytest.fixture(scope="class")
    @classmethod
    def seen(cls) -> Observation:
        class Reader(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.embedding = nn.Embedding(50, 12)
                self.lstm = nn.LSTM(12, 20, batch_first=True)
                self.head = nn.Linear(20, 5)

            def forward(self, ids: Tensor) -> Tensor:
                states, _ = self.lstm(self.embedding(ids))
                return self.head(states[:, -1])

        torch.manual_seed(0)
        return observe(Reader(), torch.randint(50, (4, 7)))

    def test_weights(self, seen: Observation) -> None:
        clean(seen)
        rows = [(u.parameter, u.op, u.fan_in, u.fan_out, u.time_steps) for u in weights(seen)]
        assert rows == [
            ("embedding.weight", "embedding", 1, 12, None),
            ("lstm.weight_ih_l0", "lstm", 12, 20, 7),
            ("lstm.weight_hh_l0", "lstm", 20, 20, 7),
            ("head.weight", "linear", 20, 5, None),
        ]

    def test_gates(self, seen: Observation) -> None:
        for name in ("lstm.weight_ih_l0", "lstm.weight_hh_l0"):
            (use,) = seen.uses_of(name)
            assert use.layout is not None
            assert use.layout.blocks == (20, 20, 20, 20)
            assert use.recurrent
        assert [use.role for use in seen.uses_of("lstm.bias_hh_l0")] == ["bias"]

    def test_the_table(self, seen: Observation) -> None:
        (use,) = seen.uses_of("embedding.weight")
        assert use.role == "table"
        assert not use.recurrent
        assert seen.signal("embedding.weight").kind == "table"


class GPT2(nn.Module):
    """Packed query, key and value, and a head tied to the table."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(40, 16)
        self.positions = nn.Embedding(10, 16)
        self.norm = nn.LayerNorm(16)
        self.packed = nn.Linear(16, 48)
        self.project = nn.Linear(16, 16)
        self.last = nn.LayerNorm(16)
        self.head = nn.Linear(16, 40, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, ids: Tensor) -> Tensor:
        batch, length = ids.shape
        x = self.tokens(ids) + self.positions(torch.arange(length))
        q, k, v = (
            part.view(batch, length, 2, 8).transpose(1, 2)
            for part in self.packed(self.norm(x)).split(16, dim=2)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.project(mixed.transpose(1, 2).reshape(batch, length, 16))
        return self.head(self.last(x))


class TestTiedGPT2:
    @pytest.fixture(scope="class")
    @classmethod
    def seen(cls) -> Observation:
        torch.manual_seed(0)
        return observe(GPT2(), torch.randint(40, (3, 10)))

    def test_the_tied_table_has_two_uses(self, seen: Observation) -> None:
        clean(seen)
        look_up, head = seen.uses_of("tokens.weight")
        assert look_up.names == head.names == ("tokens.weight", "head.weight")
        assert (look_up.op, look_up.fan_in, look_up.fan_out) == ("embedding", 1, 16)
        assert (head.op, head.fan_in, head.fan_out) == ("linear", 16, 40)
        assert head.feeds_output
        assert not look_up.feeds_output
        assert head.norm_before is not None
        assert head.norm_before.module == "last"

    def test_packed_attention(self, seen: Observation) -> None:
        (use,) = seen.uses_of("packed.weight")
        assert use.attention == "query+key+value"
        assert use.layout is not None
        assert use.layout.blocks == (16, 16, 16)
        assert (use.fan_in, use.fan_out) == (16, 16)
        (output,) = seen.uses_of("project.weight")
        assert output.attention == "output"
        assert output.last_of_branch

    def test_positions_are_looked_up_by_no_input(self, seen: Observation) -> None:
        (use,) = seen.uses_of("positions.weight")
        assert (use.role, use.regions[0].ends) == ("table", "join")
        assert len(seen.branches) == 1  # the sum of the two tables is none


class Mixture(nn.Module):
    """Top-2 of four experts, stacked, with a router."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(12, 4, bias=False)
        self.wide = nn.Parameter(torch.randn(4, 12, 40) / math.sqrt(12))
        self.narrow = nn.Parameter(torch.randn(4, 20, 12) / math.sqrt(20))

    def forward(self, x: Tensor) -> Tensor:
        shares, chosen = self.router(x).softmax(-1).topk(2)
        gates = torch.zeros(len(x), 4).scatter(1, chosen, shares)
        value, gate = torch.einsum("bi,eio->ebo", x, self.wide).chunk(2, dim=-1)
        each = torch.bmm(value * F.silu(gate), self.narrow)
        return x + torch.einsum("ebo,be->bo", each, gates)


class TestMixtureOfExperts:
    @pytest.fixture(scope="class")
    @classmethod
    def seen(cls) -> Observation:
        torch.manual_seed(0)
        return observe(Mixture(), torch.randn(32, 12))

    def test_weights(self, seen: Observation) -> None:
        clean(seen)
        rows = [(use.parameter, use.op, use.fan_in, use.fan_out) for use in weights(seen)]
        assert rows == [
            ("router.weight", "linear", 12, 4),
            ("wide", "einsum", 12, 160),
            ("narrow", "bmm", 20, 12),
        ]

    def test_the_gate_has_the_gain_of_its_sigma(self, seen: Observation) -> None:
        (use,) = seen.uses_of("wide")
        # SwiGLU: E (a silu(b))^2 = E silu(b)^2
        assert use.gain == pytest.approx(1.6766, rel=1e-3)

    def test_the_router_ends_in_a_softmax(self, seen: Observation) -> None:
        (use,) = seen.uses_of("router.weight")
        assert use.regions[0].ends == "softmax"

    def test_branch(self, seen: Observation) -> None:
        (branch,) = seen.branches
        assert branch.start == "x"
        assert "narrow" in branch.last
