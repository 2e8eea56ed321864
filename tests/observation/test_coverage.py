"""Every path from every parameter is a use, or it is named in ``unmatched`` or ``unused``."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from fanin.observation import Observation, observe
from tests.observation.bodies import Body, accounted, one, weight
from tests.zoo import quick


def rows() -> Tensor:
    return torch.randn(6, 8)


def missed(seen: Observation) -> dict[str, str]:
    return {miss.parameter: miss.op for miss in seen.unmatched}


class TestOutputsThatNoInputReaches:
    """Indices made by hand, positions and constants are no tensors of the input."""

    @pytest.mark.parametrize(
        "body",
        [
            lambda m, i: m.b(F.relu(m.a(F.one_hot(i, 10).float()))),
            lambda m, i: m.b(F.relu(m.a(F.one_hot(i.argmax(-1), 10).float()))),
            lambda m, i: m.b(F.relu(m.a(torch.linspace(-1, 1, 10).expand(4, 10)))),
            lambda m, i: m.b(F.relu(m.a(torch.randn(4, 10)))),
            lambda m, i: m.b(F.relu(m.a(torch.zeros(4, 10).scatter(1, i[:, :1], 1.0)))),
            lambda m, i: m.b(F.relu(m.a((i[:, :1] == torch.arange(10)).float()))),
        ],
        ids=["one_hot", "one_hot of argmax", "positions", "noise", "scatter", "comparison"],
    )
    def test_its_weights_have_uses(self, body: Callable[..., Tensor]) -> None:
        model = Body(body, a=nn.Linear(10, 5), b=nn.Linear(5, 3))
        seen = observe(model, torch.randint(10, (4, 7)))
        assert (one(seen, "a.weight").op, one(seen, "a.weight").fan_in) == ("linear", 10)
        assert (one(seen, "b.weight").op, one(seen, "b.weight").fan_in) == ("linear", 5)
        assert one(seen, "b.weight").feeds_output
        assert one(seen, "a.weight").gain == pytest.approx(2**0.5)

    def test_a_recurrent_net_on_letters(self) -> None:
        model = Body(
            lambda m, i: m.head(m.lstm(F.one_hot(i, 10).float())[0]),
            lstm=nn.LSTM(10, 5, batch_first=True), head=nn.Linear(5, 3),
        )  # fmt: skip
        seen = observe(model, torch.randint(10, (4, 7)))
        assert one(seen, "lstm.weight_ih_l0").fan_in == 10
        assert one(seen, "head.weight").fan_in == 5

    @pytest.mark.parametrize(
        "body",
        [lambda m, x: m.w * 2, lambda m, x: m.w, lambda m, x: (m.l(x), m.w)],
        ids=["computed", "itself", "beside others"],
    )
    def test_a_parameter_that_is_the_output(self, body: Callable[..., Any]) -> None:
        seen = observe(Body(body, w=weight(3), l=nn.Linear(8, 4)), rows())
        assert accounted(seen) == {"w", "l.weight", "l.bias"}
        assert {use.role for use in seen.uses_of("w")} <= {"input", "elementwise"}


def scripted(m: Any, x: Tensor) -> Tensor:
    return m.last(m.part(x))


def hidden(m: Any, x: Tensor) -> Tensor:
    h = m.first(x)
    with torch._C.DisableTorchFunction():
        h = F.linear(h, m.w)
    return m.last(h)


def in_a_thread(m: Any, x: Tensor) -> Tensor:
    made: list[Tensor] = []

    def work() -> None:
        with torch.enable_grad():
            made.append(m.part(x))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return m.last(made[0])


def in_vmap(m: Any, x: Tensor) -> Tensor:
    return m.last(torch.vmap(lambda row: torch.relu(m.w @ row))(x))


class ByNumpy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return torch.from_numpy(x.detach().numpy() @ w.detach().numpy().T)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, w = ctx.saved_tensors
        return gradient @ w, gradient.T @ x


class ByTorch(ByNumpy):
    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return x @ w.t()


class TestBlindSpots:
    @pytest.mark.filterwarnings("ignore:`torch.jit")
    def test_scripted(self) -> None:
        part = torch.jit.script(nn.Sequential(nn.Linear(8, 4), nn.ReLU()))
        seen = observe(Body(scripted, part=part, last=nn.Linear(4, 2)), rows())
        assert set(missed(seen)) == {"part.0.weight", "part.0.bias"}
        assert one(seen, "last.weight").fan_in == 4

    @pytest.mark.filterwarnings("ignore:`torch.jit")
    def test_traced(self) -> None:
        part = torch.jit.trace(nn.Sequential(nn.Linear(8, 4), nn.ReLU()), torch.randn(2, 8))
        seen = observe(Body(scripted, part=part, last=nn.Linear(4, 2)), rows())
        assert set(missed(seen)) == {"part.0.weight", "part.0.bias"}

    def test_behind_a_disabled_torch_function(self) -> None:
        model = Body(hidden, first=nn.Linear(8, 4), w=weight(5, 4), last=nn.Linear(5, 2))
        seen = observe(model, rows())
        assert set(missed(seen)) == {"w"}
        assert {region.ends for region in one(seen, "first.weight").regions} == {"op"}
        assert one(seen, "last.weight").fan_in == 5

    def test_an_activation_that_is_not_seen_ends_the_region(self) -> None:
        def body(m: Any, x: Tensor) -> Tensor:
            h = m.a(x)
            with torch._C.DisableTorchFunction():
                h = F.relu(h)
            return m.b(h)

        seen = observe(Body(body, a=nn.Linear(8, 4), b=nn.Linear(4, 2)), rows())
        assert [region.ends for region in one(seen, "a.weight").regions] == ["op"]

    @pytest.mark.filterwarnings("ignore:`torch.jit")
    @pytest.mark.parametrize("how", ["scripted", "in place and scripted", "in place and hidden"])
    def test_an_activation_that_is_not_seen_has_no_gain_of_the_identity(self, how: str) -> None:
        """What wrote to a signal unseen is known by autograd: its node is no one's."""

        def body(m: Any, x: Tensor) -> Tensor:
            h = m.a(x)
            if how == "in place and hidden":
                with torch._C.DisableTorchFunction():
                    h.relu_()
            else:
                h = m.act(h)
            return m.b(h)

        act = torch.jit.script(nn.ReLU(inplace=how != "scripted"))
        seen = observe(Body(body, a=nn.Linear(8, 4), b=nn.Linear(4, 2), act=act), rows())
        assert [region.ends for region in one(seen, "a.weight").regions] == ["op"]

    def test_in_another_thread(self) -> None:
        model = Body(in_a_thread, part=nn.Linear(8, 4), last=nn.Linear(4, 2))
        assert set(missed(observe(model, rows()))) == {"part.weight", "part.bias"}

    def test_inside_vmap(self) -> None:
        seen = observe(Body(in_vmap, w=weight(5, 8), last=nn.Linear(5, 2)), rows())
        assert set(missed(seen)) == {"w"}

    def test_a_function_of_numpy_is_named(self) -> None:
        model = Body(lambda m, x: m.last(ByNumpy.apply(x, m.w)), w=weight(5, 8),
                     last=nn.Linear(5, 2))  # fmt: skip
        assert missed(observe(model, rows())).keys() == {"w"}
        assert "ByNumpy" in missed(observe(model, rows()))["w"]

    def test_a_function_of_torch_is_seen(self) -> None:
        use = one(observe(Body(lambda m, x: ByTorch.apply(x, m.w), w=weight(5, 8)), rows()), "w")
        assert (use.fan_in, use.fan_out) == (8, 5)

    def test_every_miss_has_a_sentence(self) -> None:
        (miss,) = observe(Body(lambda m, x: x * torch.renorm(m.w, 2, 0, 1.0), w=weight(6, 8)),
                         rows()).unmatched  # fmt: skip
        assert (miss.parameter, miss.op, miss.module) == ("w", "renorm", "")
        assert "renorm" in miss.reason

    @pytest.mark.parametrize(
        ("body", "op"),
        [
            (lambda m, x: torch.special.zeta(x.abs() + 2, m.w[0].abs() + 1), "special_zeta"),
            (lambda m, x: F.linear(x, m.w.sort(0)[0]), "sort"),
            (lambda m, x: torch.convolution(
                x.view(6, 2, 4), m.w.view(5, 2, 4), None, [1], [0], [1], False, [0], 1
            ), "convolution"),
        ],
        ids=["with data", "on the way", "a rare name"],
    )  # fmt: skip
    def test_the_first_operation_that_is_not_understood(
        self, body: Callable[..., Tensor], op: str
    ) -> None:
        seen = observe(Body(body, w=weight(5, 8)), rows())
        assert missed(seen) == {"w": op} or one(seen, "w").fan_in == 8

    @pytest.mark.parametrize(
        "body",
        [
            lambda m, x: F.linear(x, (1 / (m.s + 2.0)) * m.w),
            lambda m, x: F.linear(x, (2.0**m.s) * m.w),
            lambda m, x: F.linear(x, m.w / (1.0 - m.s)),
        ],
        ids=["number over", "number to the power of", "number minus"],
    )
    def test_operators_with_a_number_on_the_left(self, body: Callable[..., Tensor]) -> None:
        seen = observe(Body(body, w=weight(5, 8), s=torch.tensor(0.5)), rows())
        assert seen.unmatched == ()
        assert one(seen, "w").fan_in == 8


class TestWhatIsSeenAsItRuns:
    @pytest.mark.parametrize("reentrant", [True, False], ids=["reentrant", "not reentrant"])
    def test_checkpoints(self, reentrant: bool) -> None:
        def body(m: Any, x: Tensor) -> Tensor:
            return m.last(checkpoint(m.part, m.first(x), use_reentrant=reentrant))

        part = nn.Sequential(nn.Linear(8, 4), nn.ReLU())
        model = Body(body, first=nn.Linear(8, 8), part=part, last=nn.Linear(4, 2))
        seen = observe(model, rows())
        assert seen.unmatched == seen.unused == ()
        use = one(seen, "part.0.weight")
        assert (use.calls, use.gain) == (1, pytest.approx(2**0.5))
        assert all(parameter.gradient_rms for parameter in seen.parameters)

    def test_autocast(self) -> None:
        def body(m: Any, x: Tensor) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                return m.b(torch.relu(m.a(x)))

        seen = observe(Body(body, a=nn.Linear(8, 4), b=nn.Linear(4, 2)), rows())
        assert one(seen, "a.weight").gain == pytest.approx(2**0.5)
        assert seen.signal("a.weight").dtype == "bfloat16"

    def test_compiled_parts(self) -> None:
        """Nothing is said on the way, not even a warning of torch's."""
        part = torch.compile(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), backend="eager")
        seen = observe(nn.Sequential(nn.Linear(8, 4), part, nn.Linear(4, 2)), rows())
        assert seen.unmatched == seen.unused == ()
        assert one(seen, "1._orig_mod.0.weight").gain == pytest.approx(2**0.5)

    def test_functional_call(self) -> None:
        def body(m: Any, x: Tensor) -> Tensor:
            halved = {name: p / 2 for name, p in m.l.named_parameters()}
            return torch.func.functional_call(m.l, halved, (x,))

        use = one(observe(Body(body, l=nn.Linear(8, 4)), rows()), "l.weight")
        assert (use.op, use.fan_in, use.through) == ("linear", 8, ("div",))

    def test_tied_and_shared(self) -> None:
        shared = nn.Linear(8, 8)
        seen = observe(nn.Sequential(shared, nn.ReLU(), shared), rows())
        first, second = seen.uses_of("2.weight")
        assert first.names == second.names == ("0.weight", "2.weight")
        assert [(use.call, use.calls) for use in (first, second)] == [(0, 2), (1, 2)]
        assert [p.name for p in seen.parameters] == ["0.weight", "0.bias"]

    def test_detached_and_frozen_parts_are_still_read(self) -> None:
        model = Body(
            lambda m, x: m.o(m.l(m.f(x)).detach()),
            f=nn.Linear(8, 8).requires_grad_(False), l=nn.Linear(8, 4), o=nn.Linear(4, 2),
        )  # fmt: skip
        seen = observe(model, rows())
        assert [u.parameter for u in seen.uses if u.role == "weight"] == [
            "f.weight", "l.weight", "o.weight",
        ]  # fmt: skip
        gradients = {p.name: p.gradient_rms is not None for p in seen.parameters}
        assert gradients["o.weight"]
        assert not gradients["l.weight"]
        assert not gradients["f.weight"]

    @pytest.mark.parametrize(
        ("body", "unused"),
        [
            (lambda m, x: m.l(x), {"w"}),
            (lambda m, x: (m.w * 2, m.l(x))[1], {"w"}),
            (lambda m, x: m.l(x) * float(m.w.detach().sum()), {"w"}),
            (lambda m, x: m.l(x) if m.w.sum() < 1e9 else x, {"w"}),
        ],
        ids=["never", "dropped", "as a number", "control flow"],
    )
    def test_unused(self, body: Callable[..., Tensor], unused: set[str]) -> None:
        seen = observe(Body(body, w=weight(4), l=nn.Linear(8, 4)), rows())
        assert set(seen.unused) == unused

    def test_layers_that_training_drops(self) -> None:
        def body(m: Any, x: Tensor) -> Tensor:
            return m.b(x) if m.training else m.b(m.a(x))

        seen = observe(Body(body, a=nn.Linear(8, 8), b=nn.Linear(8, 2)), rows())
        assert [(use.parameter, use.seen) for use in seen.uses if use.role == "weight"] == [
            ("b.weight", True), ("a.weight", False),
        ]  # fmt: skip
        assert seen.unused == ()
        assert one(seen, "a.weight").signal is None

    def test_a_penalty_in_the_loss_is_no_shift_of_a_signal(self) -> None:
        model = nn.Linear(8, 4)

        def loss(output: Tensor, _: object) -> Tensor:
            return output.square().mean() + model.weight.square().sum()

        roles = {use.role for use in observe(model, rows(), loss=loss).uses_of("weight")}
        assert "weight" in roles
        assert not roles & {"shift", "scale"}


class TestDeterminism:
    def models(self) -> list[tuple[nn.Module, object]]:
        model = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.5), nn.GELU(), nn.Linear(16, 4))
        norm = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
                             nn.LazyLinear(2))  # fmt: skip
        images = torch.randn(4, 3, 6, 6)
        norm(images)
        return [(model, rows()), (norm, images)]

    def test_one_seed_gives_one_observation(self) -> None:
        for model, inputs in self.models():
            torch.manual_seed(3)
            first = observe(model, inputs).to_dict()
            observe(nn.Sequential(nn.Linear(8, 8), nn.Dropout()), rows())
            torch.manual_seed(3)
            assert observe(model, inputs).to_dict() == first

    def test_inputs_keep_their_bits(self) -> None:
        def body(m: Any, x: Tensor) -> Tensor:
            x.mul_(2)
            return m.l(x)

        x = rows()
        before = x.clone()
        observe(nn.Sequential(nn.ReLU(inplace=False), nn.Linear(8, 4)), x)
        assert torch.equal(x, before)
        observe(Body(body, l=nn.Linear(8, 4)), x)
        assert torch.equal(x, before)

    @pytest.mark.parametrize("place", range(0, len(quick()), 12))
    def test_models_of_the_zoo(self, place: int) -> None:
        subject = quick()[place]
        torch.manual_seed(0)
        model, inputs = subject.build()
        torch.manual_seed(1)
        first = observe(model, inputs).to_dict()
        torch.manual_seed(1)
        second = observe(model, inputs).to_dict()
        assert first == second
        assert json.loads(json.dumps(first, allow_nan=False)) == first


BLOCKS = st.lists(
    st.tuples(
        st.sampled_from(["plain", "residual", "gated", "packed"]),
        st.sampled_from(["relu", "tanh", "gelu", "silu", "leaky_relu"]),
        st.integers(1, 9), st.booleans(), st.booleans(),
    ),
    min_size=1, max_size=5,
)  # fmt: skip


class Block(nn.Module):
    def __init__(self, kind: str, act: str, hidden: int, norm: bool, in_place: bool) -> None:
        super().__init__()
        self.kind, self.act, self.in_place = kind, getattr(F, act), in_place
        self.norm = nn.LayerNorm(6) if norm else nn.Identity()
        self.wide = nn.Linear(6, hidden * (2 if kind in {"gated", "packed"} else 1))
        self.narrow = nn.Linear(hidden, 6)

    def forward(self, x: Tensor) -> Tensor:
        h = self.wide(self.norm(x))
        if self.kind in {"gated", "packed"}:
            gate, value = h.chunk(2, -1)
            h = self.act(gate) * value if self.kind == "gated" else self.act(gate) + value
        else:
            h = self.act(h)
        h = self.narrow(h)
        if self.kind == "plain":
            return h
        return h.add_(x) if self.in_place else x + h


@given(blocks=BLOCKS)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_random_stacks_of_blocks(blocks: list[tuple[str, str, int, bool, bool]]) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 6), *(Block(*block) for block in blocks), nn.Linear(6, 2))
    x = torch.randn(4, 3)
    shown: dict[str, float] = {}
    handles = [
        part.register_forward_hook(
            lambda _, __, y, name=name: shown.update({name: float(y.square().mean().sqrt())})
        )
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear | nn.LayerNorm)
    ]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    seen = observe(model, x)
    assert seen.unmatched == seen.unused == ()
    assert accounted(seen) == {name for name, _ in model.named_parameters()}
    for name, part in model.named_modules():
        if isinstance(part, nn.Linear):
            use = one(seen, f"{name}.weight")
            assert use.fan_in == part.in_features
            assert seen.signal(f"{name}.weight").forward.rms == pytest.approx(shown[name], rel=1e-5)
    assert len(seen.branches) == sum(kind != "plain" for kind, *_ in blocks)
    for branch in seen.branches:
        assert [name.rpartition(".")[0].rpartition(".")[2] for name in branch.weights] == [
            "wide", "narrow",
        ]  # fmt: skip
        assert branch.last == branch.weights[-1:]
