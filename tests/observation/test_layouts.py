"""What every way of using a weight says of its fans, written out and against ``fanin.fans``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from fanin import fans
from fanin.fans import Layout
from fanin.observation import observe
from tests.observation.bodies import Body, one, weight

Case = tuple[str, Callable[..., Any], dict[str, Tensor], str, int, int]


def rows(*shape: int) -> Tensor:
    return torch.randn(6, *shape)


def ids(shape: tuple[int, ...] = (3, 5)) -> Tensor:
    return torch.randint(10, shape)


def same_fans(found: Layout | None, expected: Layout) -> None:
    assert found is not None
    assert found.fan_in == expected.fan_in
    assert found.fan_out == expected.fan_out
    assert found.out_axes == expected.out_axes
    assert found.in_axes == expected.in_axes
    assert found.groups == expected.groups
    assert found.blocks == expected.blocks


DIMENSIONS = {1: (nn.Conv1d, nn.ConvTranspose1d), 2: (nn.Conv2d, nn.ConvTranspose2d),
              3: (nn.Conv3d, nn.ConvTranspose3d)}  # fmt: skip


@pytest.mark.parametrize("padding", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_convolutions(axes: int, groups: int, padding: str) -> None:
    model = DIMENSIONS[axes][0](
        4, 8, 3, stride=2, padding=2, dilation=2, groups=groups, padding_mode=padding
    )
    use = one(observe(model, torch.randn(2, 4, *[7] * axes)), "weight")
    assert use.op == f"conv{axes}d"
    same_fans(use.layout, fans.conv(model.weight.shape, groups=groups))
    assert use.fan_in == 4 // groups * 3**axes


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolutions(axes: int, groups: int) -> None:
    model = DIMENSIONS[axes][1](4, 8, 3, stride=2, padding=1, output_padding=1, groups=groups)
    use = one(observe(model, torch.randn(2, 4, *[4] * axes)), "weight")
    assert use.op == f"conv_transpose{axes}d"
    same_fans(use.layout, fans.conv_transpose(model.weight.shape, stride=2, groups=groups))
    assert use.fan_in == 4 // groups * 3**axes / 2**axes


def test_convolution_with_keywords_and_same_padding() -> None:
    def body(m: Any, x: Tensor) -> Tensor:
        return F.conv2d(x, weight=m.w, padding="same", groups=2)

    use = one(observe(Body(body, w=weight(8, 2, 3, 3)), torch.randn(2, 4, 6, 6)), "w")
    assert (use.op, use.fan_in, use.fan_out) == ("conv2d", 18, 36)


def test_bilinear() -> None:
    use = one(observe(nn.Bilinear(3, 4, 5), (rows(3), rows(4))), "weight")
    same_fans(use.layout, fans.bilinear((5, 3, 4)))


MATRICES: list[Case] = [
    ("at", lambda m, x: x @ m.w, {"w": weight(8, 5)}, "matmul", 8, 5),
    ("at reversed", lambda m, x: (m.w @ x.T).T, {"w": weight(5, 8)}, "matmul", 8, 5),
    ("at transposed", lambda m, x: x @ m.w.T, {"w": weight(5, 8)}, "matmul", 8, 5),
    ("at square", lambda m, x: x @ m.w, {"w": weight(8, 8)}, "matmul", 8, 8),
    ("at a vector", lambda m, x: x @ m.w, {"w": weight(8)}, "matmul", 8, 1),
    ("matmul keywords", lambda m, x: torch.matmul(input=x, other=m.w), {"w": weight(8, 5)},
     "matmul", 8, 5),
    ("linear keywords", lambda m, x: F.linear(input=x, weight=m.w), {"w": weight(5, 8)},
     "linear", 8, 5),
    ("mm", lambda m, x: torch.mm(x, m.w), {"w": weight(8, 5)}, "mm", 8, 5),
    ("mv", lambda m, x: torch.mv(m.w, x[0]), {"w": weight(5, 8)}, "mv", 8, 5),
    ("inner", lambda m, x: torch.inner(x, m.w), {"w": weight(5, 8)}, "inner", 8, 5),
    ("addmm", lambda m, x: torch.addmm(m.b, x, m.w), {"w": weight(8, 5), "b": weight(5)},
     "addmm", 8, 5),
    ("addmm reversed", lambda m, x: torch.addmm(m.b, m.w, x.T),
     {"w": weight(5, 8), "b": weight(5, 1)}, "addmm", 8, 5),
    ("bmm", lambda m, x: torch.bmm(x.view(3, 2, 8), m.w), {"w": weight(3, 8, 5)}, "bmm", 8, 5),
    ("baddbmm", lambda m, x: torch.baddbmm(m.b, x.view(3, 2, 8), m.w),
     {"w": weight(3, 8, 5), "b": weight(3, 1, 5)}, "baddbmm", 8, 5),
    ("tensordot", lambda m, x: torch.tensordot(x, m.w, dims=([1], [1])), {"w": weight(5, 8)},
     "tensordot", 8, 5),
    ("tensordot by number", lambda m, x: torch.tensordot(x, m.w, 1), {"w": weight(8, 5)},
     "tensordot", 8, 5),
    ("einsum", lambda m, x: torch.einsum("bi,oi->bo", x, m.w), {"w": weight(5, 8)},
     "einsum", 8, 5),
    ("einsum weight first", lambda m, x: torch.einsum("oi,bi->bo", m.w, x), {"w": weight(5, 8)},
     "einsum", 8, 5),
    ("einsum heads", lambda m, x: torch.einsum("bi,ihd->bhd", x, m.w), {"w": weight(8, 2, 3)},
     "einsum", 8, 6),
    ("einsum heads back", lambda m, x: torch.einsum("bhd,hdo->bo", x.view(6, 2, 4), m.w),
     {"w": weight(2, 4, 5)}, "einsum", 8, 5),
    ("einsum dots", lambda m, x: torch.einsum("...i,io->...o", x, m.w), {"w": weight(8, 3)},
     "einsum", 8, 3),
    ("einsum sublists", lambda m, x: torch.einsum(x, [0, 1], m.w, [1, 2], [0, 2]),
     {"w": weight(8, 3)}, "einsum", 8, 3),
    ("einsum experts", lambda m, x: torch.einsum("bi,eio->ebo", x, m.w), {"w": weight(3, 8, 5)},
     "einsum", 8, 15),
    ("flattened kernel", lambda m, x: m.w.flatten(1) @ F.unfold(x.view(6, 2, 2, 2), 2),
     {"w": weight(5, 2, 2, 2)}, "matmul", 8, 5),
    ("scaled", lambda m, x: F.linear(x, m.w * (1 / math.sqrt(8))), {"w": weight(5, 8)},
     "linear", 8, 5),
    ("masked", lambda m, x: F.linear(x, m.w * torch.ones(5, 8).tril()), {"w": weight(5, 8)},
     "linear", 8, 5),
    ("normalized", lambda m, x: F.linear(F.normalize(x), F.normalize(m.w)), {"w": weight(5, 8)},
     "linear", 8, 5),
    ("standardized", lambda m, x: F.linear(
        x, (m.w - m.w.mean(1, keepdim=True)) / m.w.std(1, keepdim=True)), {"w": weight(5, 8)},
     "linear", 8, 5),
    ("over its norm", lambda m, x: F.linear(x, m.w * (1 / m.w.norm())), {"w": weight(5, 8)},
     "linear", 8, 5),
    ("straight through", lambda m, x: F.linear(x, m.w + (m.w.sign() - m.w).detach()),
     {"w": weight(5, 8)}, "linear", 8, 5),
    ("aten", lambda m, x: torch.ops.aten.linear(x, m.w), {"w": weight(5, 8)}, "linear", 8, 5),
]  # fmt: skip


@pytest.mark.parametrize("case", MATRICES, ids=lambda case: case[0])
def test_products(case: Case) -> None:
    _, body, parameters, op, fan_in, fan_out = case
    seen = observe(Body(body, **parameters), rows(8))
    use = one(seen, "w")
    assert (use.op, use.fan_in, use.fan_out) == (op, fan_in, fan_out)
    assert seen.unmatched == ()
    assert [use.role for use in seen.uses_of("b")] == (["bias"] if "b" in parameters else [])


def test_factors_of_a_weight() -> None:
    model = Body(
        lambda m, x: F.linear(x, m.w + 2 * m.up @ m.down),
        w=weight(6, 8), up=weight(6, 2), down=weight(2, 8),
    )  # fmt: skip
    seen = observe(model, rows(8))
    found = {use.parameter: (use.fan_in, use.fan_out) for use in seen.uses}
    assert found == {"w": (8, 6), "up": (2, 6), "down": (8, 2)}


def test_lora_beside_a_frozen_weight() -> None:
    model = Body(
        lambda m, x: m.base(x) + x @ m.down.T @ m.up.T * 2.0,
        base=nn.Linear(8, 6).requires_grad_(False), down=weight(2, 8), up=torch.zeros(6, 2),
    )  # fmt: skip
    seen = observe(model, rows(8))
    assert (one(seen, "down").fan_in, one(seen, "down").fan_out) == (8, 2)
    assert (one(seen, "up").fan_in, one(seen, "up").fan_out) == (2, 6)
    assert one(seen, "base.weight").fan_in == 8
    trainable = {p.name: p.trainable for p in seen.parameters}
    assert trainable == {"base.weight": False, "base.bias": False, "down": True, "up": True}


class TestTables:
    def test_embedding(self) -> None:
        model = nn.Embedding(10, 4, padding_idx=0, max_norm=1.0, scale_grad_by_freq=True)
        use = one(observe(model, ids()), "weight", "table")
        assert (use.op, use.fan_in, use.fan_out) == ("embedding", 1, 4)

    @pytest.mark.parametrize(
        "body",
        [
            lambda m, i: F.embedding(i, m.w),
            lambda m, i: m.w[i],
            lambda m, i: m.w.index_select(0, i.flatten()),
            lambda m, i: torch.index_select(m.w, 0, i.flatten()),
        ],
        ids=["embedding", "getitem", "index_select method", "index_select"],
    )
    def test_rows(self, body: Callable[..., Tensor]) -> None:
        use = one(observe(Body(body, w=weight(10, 3)), ids()), "w", "table")
        assert (use.fan_in, use.fan_out) == (1, 3)

    @pytest.mark.parametrize(
        "body",
        [
            lambda m, i: m.w[:, i],
            lambda m, i: m.w.index_select(1, i.flatten()),
            lambda m, i: torch.index_select(m.w, dim=1, index=i.flatten()),
        ],
        ids=["getitem", "index_select", "index_select keywords"],
    )
    def test_columns(self, body: Callable[..., Tensor]) -> None:
        use = one(observe(Body(body, w=weight(3, 10)), ids()), "w", "table")
        assert use.layout is not None
        assert (use.fan_in, use.fan_out, use.layout.out_axes) == (1, 3, (0,))

    @pytest.mark.parametrize(("mode", "fan_in"), [("mean", 0.2), ("sum", 5), ("max", None)])
    def test_bags(self, mode: str, fan_in: float | None) -> None:
        use = one(observe(nn.EmbeddingBag(10, 4, mode=mode), ids()), "weight", "table")
        assert use.fan_in == fan_in

    def test_bags_of_different_sizes(self) -> None:
        inputs = (ids((6,)), torch.tensor([0, 1]))
        use = one(observe(nn.EmbeddingBag(10, 4, mode="sum"), inputs), "weight", "table")
        assert use.fan_in == 3
        use = one(observe(nn.EmbeddingBag(10, 4, mode="mean"), inputs), "weight", "table")
        assert use.fan_in == pytest.approx((1 + 1 / 5) / 2)

    def test_one_hot_times_a_matrix_is_a_use(self) -> None:
        model = Body(lambda m, i: F.one_hot(i, 10).float() @ m.w, w=weight(10, 3))
        use = one(observe(model, ids((6,))), "w")
        assert (use.op, use.fan_in, use.fan_out) == ("matmul", 10, 3)


class TestRecurrent:
    @pytest.mark.parametrize(
        ("kind", "gates"), [(nn.RNN, 1), (nn.LSTM, 4), (nn.GRU, 3)], ids=["rnn", "lstm", "gru"]
    )
    @pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
    @pytest.mark.parametrize("batch_first", [True, False], ids=["batch first", "time first"])
    def test_layers(self, kind: type[nn.Module], gates: int, bias: bool, batch_first: bool) -> None:
        model = kind(3, 5, 2, bidirectional=True, batch_first=batch_first, bias=bias)
        seen = observe(model, torch.randn(2, 7, 3))
        blocks = (5,) * gates if gates > 1 else ()
        weights = [use for use in seen.uses if use.role == "weight"]
        assert len(weights) == 8
        for use in weights:
            fan_in = 5 if "_hh_" in use.parameter else 3 if "_l0" in use.parameter else 10
            assert use.layout is not None
            assert (use.fan_in, use.fan_out, use.layout.blocks) == (fan_in, 5, blocks)
            assert use.time_steps == (7 if batch_first else 2)
            assert use.recurrent
        biases = [use.parameter for use in seen.uses if use.role == "bias"]
        assert len(biases) == (8 if bias else 0)
        assert seen.unmatched == seen.unused == ()

    @pytest.mark.filterwarnings("ignore:LSTM with projections")
    def test_projections(self) -> None:
        seen = observe(nn.LSTM(3, 6, proj_size=2), torch.randn(7, 4, 3))
        found = {u.parameter: (u.fan_in, u.fan_out) for u in seen.uses if u.role == "weight"}
        assert found == {"weight_ih_l0": (3, 6), "weight_hh_l0": (2, 6), "weight_hr_l0": (6, 2)}

    def test_packed_sequences(self) -> None:
        def body(m: Any, x: Tensor) -> Tensor:
            packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([5, 3]), batch_first=True)
            return m.lstm(packed)[0].data

        model = Body(body, lstm=nn.LSTM(3, 6, batch_first=True))
        use = one(observe(model, torch.randn(2, 5, 3)), "lstm.weight_hh_l0")
        assert (use.fan_in, use.fan_out, use.time_steps) == (6, 6, 5)

    @pytest.mark.parametrize(
        ("kind", "gates"),
        [(nn.RNNCell, 1), (nn.LSTMCell, 4), (nn.GRUCell, 3)],
        ids=["rnn", "lstm", "gru"],
    )
    @pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
    def test_cells(self, kind: type[nn.Module], gates: int, bias: bool) -> None:
        seen = observe(kind(3, 5, bias=bias), torch.randn(2, 3))
        for name, fan_in in (("weight_ih", 3), ("weight_hh", 5)):
            use = one(seen, name)
            assert use.layout is not None
            assert (use.fan_in, use.fan_out) == (fan_in, 5)
            assert use.layout.blocks == ((5,) * gates if gates > 1 else ())
            assert use.recurrent


class TestParametrizations:
    @pytest.mark.parametrize(
        ("make", "inputs"),
        [
            (lambda: nn.Linear(8, 6), (4, 8)),
            (lambda: nn.Conv2d(2, 6, 3), (2, 2, 5, 5)),
            (lambda: nn.ConvTranspose2d(4, 6, 3, groups=2), (2, 4, 5, 5)),
        ],
        ids=["linear", "conv", "transposed conv"],
    )
    @pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm"])
    def test_norms(self, make: Callable[[], nn.Module], inputs: tuple[int, ...], kind: str) -> None:
        plain = one(observe(make(), torch.randn(inputs)), "weight")
        seen = observe(getattr(parametrizations, kind)(make()), torch.randn(inputs))
        name = "original" if kind == "spectral_norm" else "original1"
        use = one(seen, f"parametrizations.weight.{name}")
        assert plain.layout is not None
        same_fans(use.layout, plain.layout)
        assert use.through
        if kind == "weight_norm":
            (g,) = seen.uses_of("parametrizations.weight.original0")
            assert g.role == "magnitude"
            assert g.layout is None

    @pytest.mark.parametrize("how", ["matrix_exp", "cayley", "householder"])
    def test_orthogonal(self, how: str) -> None:
        model = parametrizations.orthogonal(nn.Linear(8, 6), orthogonal_map=how)
        seen = observe(model, rows(8))
        use = one(seen, "parametrizations.weight.original")
        assert use.op == "linear"
        assert seen.unmatched == ()


class TestPacked:
    def test_windows_of_one_weight(self) -> None:
        seen = observe(Body(
            lambda m, x: F.linear(x, m.w[:4]).sum() + F.linear(x, m.w[4:]).sum(), w=weight(12, 8)
        ), rows(8))  # fmt: skip
        first, second = seen.uses_of("w")
        assert first.layout is not None
        assert first.layout == second.layout
        assert first.layout.blocks == (4, 8)
        assert first.fan_in == 8

    @pytest.mark.parametrize(
        "cut",
        [
            lambda h: h.chunk(3, -1),
            lambda h: h.split(32, -1),
            lambda h: h.unflatten(-1, (3, 32)).unbind(-2),
            lambda h: (h[..., :32], h[..., 32:64], h[..., 64:]),
            lambda h: h.view(-1, 3, 4, 8).permute(1, 0, 2, 3).flatten(2),
            lambda h: F.dropout(h, 0.1).chunk(3, -1),
            lambda h: h.double().chunk(3, -1),
        ],
        ids=["chunk", "split", "unbind", "slices", "views", "after dropout", "after a cast"],
    )
    def test_outputs_that_are_split(self, cut: Callable[[Tensor], Any]) -> None:
        def body(m: Any, x: Tensor) -> Tensor:
            q, k, v = cut(m.packed(x))
            return torch.softmax(q @ k.mT, -1) @ v

        use = one(observe(Body(body, packed=nn.Linear(8, 96)), rows(8)), "packed.weight")
        assert use.layout is not None
        assert use.layout.blocks == (32, 32, 32)
        assert (use.fan_in, use.fan_out) == (8, 32)
        assert use.attention == "query+key+value"

    @pytest.mark.parametrize("width", [100, 600])
    def test_a_cast_to_few_digits_moves_no_units(self, width: int) -> None:
        """Numbers of units above 256 have no bfloat16 of their own."""

        def body(m: Any, x: Tensor) -> Tensor:
            a, b = m.packed(x).to(torch.bfloat16).chunk(2, -1)
            return (a.tanh() * b).float()

        use = one(observe(Body(body, packed=nn.Linear(8, 2 * width)), rows(8)), "packed.weight")
        assert use.layout is not None
        assert use.layout.blocks == (width, width)

    def test_a_cast_to_complex_numbers(self) -> None:
        model = Body(lambda m, x: torch.fft.ifft(m.a(x).to(torch.cfloat)).real, a=nn.Linear(8, 4))
        assert one(observe(model, rows(8)), "a.weight").fan_out == 4


class TestExperts:
    @pytest.mark.parametrize(
        ("body", "shape"),
        [
            (lambda m, x: torch.cat([x[i::2] @ m.w[i] for i in range(2)]), (2, 8, 4)),
            (lambda m, x: torch.cat([F.linear(x, w) for w in m.w.unbind()]), (2, 4, 8)),
            (lambda m, x: torch.bmm(x.expand(2, -1, -1), m.w), (2, 8, 4)),
            (lambda m, x: x.unsqueeze(0) @ m.w, (2, 8, 4)),
        ],
        ids=["index", "unbind", "bmm", "broadcast"],
    )
    def test_stacks(self, body: Callable[..., Tensor], shape: tuple[int, ...]) -> None:
        seen = observe(Body(body, w=weight(*shape)), rows(8))
        for use in seen.uses_of("w"):
            assert (use.role, use.fan_in, use.fan_out) == ("weight", 8, 4)
            assert use.layout is not None
            assert use.layout.batch_axes == (0,)

    @pytest.mark.parametrize(
        "product",
        [
            lambda x, w: torch.bmm(x[:, None], w),
            lambda x, w: torch.einsum("bi,bio->bo", x, w),
            lambda x, w: x[:, None] @ w,
        ],
        ids=["bmm", "einsum", "matmul"],
    )
    def test_a_matrix_for_each_token_is_no_table(self, product: Callable[..., Tensor]) -> None:
        """Expert weights that are gathered by the router's choice multiply: they are weights."""

        def body(m: Any, x: Tensor) -> Tensor:
            return product(x, m.w[m.router(x).argmax(-1)])

        seen = observe(Body(body, router=nn.Linear(8, 2), w=weight(2, 8, 4)), rows(8))
        (use,) = seen.uses_of("w")
        assert (use.role, use.fan_in, use.fan_out) == ("weight", 8, 4)

    def test_a_list(self) -> None:
        class Listed(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.router = nn.Linear(8, 3)
                self.experts = nn.ModuleList(nn.Linear(8, 4) for _ in range(3))

            def forward(self, x: Tensor) -> Tensor:
                shares = self.router(x).softmax(-1)
                return sum(e(x) * shares[:, k, None] for k, e in enumerate(self.experts))

        seen = observe(Listed(), rows(8))
        for k in range(3):
            use = one(seen, f"experts.{k}.weight")
            assert (use.fan_in, use.fan_out, use.calls) == (8, 4, 1)


def test_a_modulated_convolution_reads_a_weight() -> None:
    """Each example scales the kernel by its style: the kernel is no scale for that."""

    def body(m: Any, x: Tensor) -> Tensor:
        kernels = m.w * m.style(x.mean((2, 3)))[:, None, :, None, None]
        return F.conv2d(x.reshape(1, -1, 5, 5), kernels.reshape(-1, 4, 3, 3), groups=2)

    model = Body(body, w=weight(6, 4, 3, 3), style=nn.Linear(4, 4))
    seen = observe(model, torch.randn(2, 4, 5, 5))
    missed = {miss.parameter for miss in seen.unmatched}
    assert "w" in missed or [(u.role, u.fan_in) for u in seen.uses_of("w")] == [("weight", 36)]


def test_complex_weights() -> None:
    model = Body(
        lambda m, x: (x.to(torch.cfloat) @ m.w).real, w=torch.randn(8, 5, dtype=torch.cfloat)
    )
    use = one(observe(model, rows(8)), "w")
    assert (use.fan_in, use.fan_out) == (8, 5)


def test_a_vector_that_is_viewed_as_a_matrix_has_no_fans_of_its_own() -> None:
    use = one(observe(Body(lambda m, x: F.linear(x, m.w.view(6, 8)), w=weight(48)), rows(8)), "w")
    assert use.layout is None
    assert use.through == ("view",)
