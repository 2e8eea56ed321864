"""A region is the function that it computes, whatever it is spelled as."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fanin import gain
from fanin.observation import Region, observe
from tests.observation.bodies import Body, between, one


class ReluOfItsOwn(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return z.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return gradient * (z > 0)


class SwishOfItsOwn(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return z * torch.special.expit(z)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


def tanh_gelu(z: Any) -> Any:
    return F.gelu(torch.as_tensor(z), approximate="tanh")


SPELLINGS: dict[str, tuple[Callable[[Tensor], Tensor], Any]] = {
    "relu": (F.relu, "relu"),
    "relu in place": (lambda z: z.relu_(), "relu"),
    "relu by clamp": (lambda z: z.clamp(min=0), "relu"),
    "relu by mask": (lambda z: z * (z > 0), "relu"),
    "relu by float mask": (lambda z: z * (z > 0).float(), "relu"),
    "relu by masked_fill": (lambda z: z.masked_fill(z < 0, 0.0), "relu"),
    "relu by where": (lambda z: torch.where(z > 0, z, 0.0), "relu"),
    "relu by abs": (lambda z: (z + z.abs()) / 2, "relu"),
    "relu by maximum": (lambda z: torch.maximum(z, torch.zeros_like(z)), "relu"),
    "relu by max of two": (lambda z: torch.max(z, torch.zeros_like(z)), "relu"),
    "relu by Tensor.max": (lambda z: z.max(torch.tensor(0.0)), "relu"),
    "relu by threshold": (lambda z: F.threshold(z, 0.0, 0.0), "relu"),
    "relu of its own": (ReluOfItsOwn.apply, "relu"),
    "relu and dropout": (lambda z: F.dropout(F.relu(z), 0.3), "relu"),
    "relu in double": (lambda z: F.relu(z.double()).float(), "relu"),
    "relu in bfloat16": (lambda z: F.relu(z.to(torch.bfloat16)).float(), "relu"),
    "minus min": (lambda z: z - torch.min(z, torch.zeros_like(z)), "relu"),
    "leaky by where": (lambda z: torch.where(z > 0, z, 0.1 * z),
                       lambda z: F.leaky_relu(torch.as_tensor(z), 0.1)),
    "leaky by maximum": (lambda z: torch.maximum(z, 0.1 * z),
                         lambda z: F.leaky_relu(torch.as_tensor(z), 0.1)),
    "squared relu": (lambda z: F.relu(z) ** 2, lambda z: F.relu(torch.as_tensor(z)) ** 2),
    "squared relu by square": (lambda z: F.relu(z).square(),
                               lambda z: F.relu(torch.as_tensor(z)) ** 2),
    "gelu by erf": (lambda z: z * 0.5 * (1.0 + torch.erf(z / math.sqrt(2.0))), "gelu"),
    "gelu by tanh": (lambda z: 0.5 * z * (1 + torch.tanh(
        math.sqrt(2 / math.pi) * (z + 0.044715 * torch.pow(z, 3)))), tanh_gelu),
    "gelu by keyword": (lambda z: F.gelu(input=z, approximate="tanh"), tanh_gelu),
    "quick gelu": (lambda z: z * torch.sigmoid(1.702 * z),
                   lambda z: z / (1 + torch.exp(torch.as_tensor(-1.702 * z)))),
    "silu": (lambda z: z * torch.sigmoid(z), "silu"),
    "silu by exp": (lambda z: z / (1 + torch.exp(-z)), "silu"),
    "silu by rdiv": (lambda z: z * (1 / (1 + torch.exp(-z))), "silu"),
    "swish of its own": (SwishOfItsOwn.apply, "silu"),
    "mish": (lambda z: z * torch.tanh(F.softplus(z)), "mish"),
    "mish by log": (lambda z: z * torch.tanh(torch.log(1 + torch.exp(z))), "mish"),
    "hardswish by clamp": (lambda z: z * torch.clamp(z + 3, 0, 6) / 6, "hardswish"),
    "hardswish by relu6": (lambda z: z * F.relu6(z + 3) / 6, "hardswish"),
    "hardswish in place": (lambda z: z * (z + 3).clamp_(0, 6).div_(6), "hardswish"),
    "elu": (lambda z: torch.where(z > 0, z, torch.expm1(z)), "elu"),
    "selu": (lambda z: 1.0507009873554805 * torch.where(
        z > 0, z, 1.6732632423543772 * (z.exp() - 1)), "selu"),
    "softsign": (lambda z: z / (1 + z.abs()), "softsign"),
    "softplus": (lambda z: torch.logaddexp(z, torch.zeros_like(z)), "softplus"),
    "tanh in place after a factor": (lambda z: z.mul_(2).tanh_(),
                                     lambda z: torch.tanh(2 * torch.as_tensor(z))),
    "sine": (lambda z: torch.sin(30 * z), lambda z: torch.sin(30 * torch.as_tensor(z))),
    "gaussian": (lambda z: torch.exp(-(z**2)), lambda z: torch.exp(-torch.as_tensor(z) ** 2)),
    "one minus": (lambda z: 1 - torch.exp(-z * z),
                  lambda z: 1 - torch.exp(-torch.as_tensor(z) ** 2)),
    "power of two": (lambda z: 2**z, lambda z: 2.0 ** torch.as_tensor(z)),
    "lerp": (lambda z: torch.lerp(z, torch.tanh(z), 0.3),
             lambda z: 0.7 * torch.as_tensor(z) + 0.3 * torch.tanh(torch.as_tensor(z))),
    "sum of kinks": (lambda z: F.relu(z - 1) + F.relu(z + 1),
                     lambda z: F.relu(torch.as_tensor(z) - 1) + F.relu(torch.as_tensor(z) + 1)),
    "identity": (lambda z: z, "linear"),
    "views": (lambda z: z.view(-1, 4, 4).transpose(1, 2).reshape(-1, 16), "linear"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
def test_the_gain_is_that_of_the_function(name: str) -> None:
    function, true = SPELLINGS[name]
    seen = observe(between(lambda _, z: function(z)), torch.randn(5, 8))
    use = one(seen, "a.weight")
    assert use.gain == pytest.approx(gain(true), rel=1e-5)
    (region,) = use.regions
    assert (region.ends, region.at, region.reason) == ("weight", "b.weight", "")
    assert seen.unmatched == seen.unused == ()
    source = one(seen, "b.weight").source
    assert source is not None
    assert source.gain == use.gain
    assert source.ops == region.ops


LEARNED: dict[str, tuple[Callable[[Any, Tensor], Tensor], Tensor, Any]] = {
    "swish": (lambda m, z: z * torch.sigmoid(m.p * z), torch.tensor(1.3),
              lambda z: z / (1 + torch.exp(torch.as_tensor(-1.3 * z)))),
    "swish of each unit": (lambda m, z: z * torch.sigmoid(m.p * z), torch.full((16,), 1.3),
                           lambda z: z / (1 + torch.exp(torch.as_tensor(-1.3 * z)))),
    "snake": (lambda m, z: z + torch.sin(m.p * z) ** 2 / m.p, torch.tensor([0.7]),
              lambda z: torch.as_tensor(z) + torch.sin(torch.as_tensor(0.7 * z)) ** 2 / 0.7),
    "snake of a logarithm": (
        lambda m, z: z + (1 / (m.p.exp() + 1e-9)) * torch.sin(m.p.exp() * z).pow(2),
        torch.full((16,), math.log(0.7)),
        lambda z: torch.as_tensor(z) + torch.sin(torch.as_tensor(0.7 * z)) ** 2 / 0.7),
    "prelu by hand": (lambda m, z: torch.where(z >= 0, z, m.p * z), torch.full((16,), 0.2),
                      lambda z: F.leaky_relu(torch.as_tensor(z), 0.2)),
    "prelu": (lambda m, z: F.prelu(z, m.p), torch.full((16,), 0.2),
              lambda z: F.leaky_relu(torch.as_tensor(z), 0.2)),
    "a bias of its own": (lambda m, z: torch.tanh(z + m.p), torch.full((16,), 5.0), "tanh"),
    "a scale before": (lambda m, z: torch.tanh(z * m.p), torch.full((16,), 5.0), "tanh"),
    "a scale after": (lambda m, z: m.p * F.silu(z), torch.full((16,), 5.0), "silu"),
}  # fmt: skip


@pytest.mark.parametrize("name", LEARNED)
def test_learned_parameters_have_their_value(name: str) -> None:
    function, parameter, true = LEARNED[name]
    seen = observe(between(function, p=parameter), torch.randn(5, 8))
    assert seen.unmatched == ()
    assert one(seen, "a.weight").gain == pytest.approx(gain(true), rel=1e-5)
    assert seen.uses_of("p")


def test_a_slope_that_differs_between_units_has_no_gain_and_says_why() -> None:
    model = between(lambda m, z: F.prelu(z, m.p), p=torch.linspace(0, 1, 16))
    (region,) = one(observe(model, torch.randn(5, 8)), "a.weight").regions
    assert region.gain is None
    assert "differs between units" in region.reason


GATES: dict[str, tuple[Callable[[Tensor], Tensor], Any]] = {
    "swiglu by chunk": (lambda z: _gated(F.silu, *z.chunk(2, -1)), "silu"),
    "swiglu by split": (lambda z: _gated(F.silu, *z.split(8, -1)), "silu"),
    "geglu by slices": (lambda z: _gated(F.gelu, z[..., :8], z[..., 8:]), "gelu"),
    "reglu by turns": (lambda z: _gated(F.relu, z[..., ::2], z[..., 1::2]), "relu"),
    "bilinear": (lambda z: _gated(lambda gate: gate, *z.chunk(2, -1)), "linear"),
    "glu": (lambda z: F.glu(z), "sigmoid"),
    "glu by hand": (lambda z: z[:, :8] * torch.sigmoid(z[:, 8:]), "sigmoid"),
}


def _gated(function: Callable[[Tensor], Tensor], gate: Tensor, value: Tensor) -> Tensor:
    return function(gate) * value


@pytest.mark.parametrize("name", GATES)
def test_a_gated_unit_has_the_gain_of_its_gate(name: str) -> None:
    function, true = GATES[name]
    model = Body(lambda m, x: m.b(function(m.a(x))), a=nn.Linear(8, 16), b=nn.Linear(8, 4))
    seen = observe(model, torch.randn(5, 8))
    assert one(seen, "a.weight").gain == pytest.approx(gain(true), rel=1e-5)


def test_a_gate_by_two_weights_ends_at_the_join() -> None:
    model = Body(
        lambda m, x: m.down(F.silu(m.gate(x)) * m.up(x)),
        gate=nn.Linear(8, 16), up=nn.Linear(8, 16), down=nn.Linear(16, 8),
    )  # fmt: skip
    seen = observe(model, torch.randn(5, 8))
    (gate,), (up,) = one(seen, "gate.weight").regions, one(seen, "up.weight").regions
    assert gate.gain == pytest.approx(gain("silu"))
    assert (gate.ends, up.ends) == ("join", "join")
    assert gate.at == up.at
    assert up.gain == 1.0


class TestWhatIsNotElementwise:
    """No gain is better than a wrong one."""

    @pytest.mark.parametrize(
        "function",
        [
            lambda z: z + torch.randn(16),
            lambda z: z * torch.linspace(0, 1, 16),
            lambda z: torch.cat([F.relu(z[:, :8]), F.tanh(z[:, 8:])], 1),
            lambda z: _written(z),
        ],
        ids=["noise", "positions", "cat", "setitem"],
    )
    def test_it_gives_none(self, function: Callable[[Tensor], Tensor]) -> None:
        seen = observe(between(lambda _, z: function(z)), torch.randn(5, 8))
        assert one(seen, "a.weight").gain is None
        assert any(region.reason for region in one(seen, "a.weight").regions)

    @pytest.mark.parametrize(
        ("function", "ends"),
        [
            (lambda z: z.cumsum(1), "pool"),
            (lambda z: F.softmax(z, 1), "softmax"),
            (lambda z: F.layer_norm(z, (16,)), "norm"),
            (lambda z: F.avg_pool1d(z[:, None], 3, 1, 1)[:, 0], "pool"),
            (lambda z: z.sort(1)[0], "op"),
            (lambda z: torch.fft.fft(z).real, "op"),
        ],
        ids=["cumsum", "softmax", "norm", "pool", "sort", "fft"],
    )
    def test_it_ends_the_region(self, function: Callable[[Tensor], Tensor], ends: str) -> None:
        seen = observe(between(lambda _, z: function(z)), torch.randn(5, 8))
        assert [region.ends for region in one(seen, "a.weight").regions] == [ends]

    def test_ways_that_differ(self) -> None:
        model = Body(
            _two,
            a=nn.Linear(8, 16), b=nn.Linear(16, 4), c=nn.Linear(16, 4),
        )  # fmt: skip
        use = one(observe(model, torch.randn(5, 8)), "a.weight")
        assert use.gain is None
        gains = {region.at: region.gain for region in use.regions}
        assert gains["b.weight"] == pytest.approx(gain("relu"))
        assert gains["c.weight"] == pytest.approx(gain("tanh"))


def _written(z: Tensor) -> Tensor:
    y = z.clone()
    y[y < 0] = y[y < 0] * 0.5
    return y


def _two(m: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    z = m.a(x)
    return m.b(F.relu(z)), m.c(torch.tanh(z))


class TestNothingIsRemembered:
    """What one model showed says nothing of the next one."""

    @pytest.mark.parametrize("units", [16, 128])
    @pytest.mark.parametrize("kind", ["constant", "parameter", "derived"])
    def test_constants_of_any_size(self, units: int, kind: str) -> None:
        def body(m: Any, x: Tensor) -> Tensor:
            z = m.a(x)
            if kind == "constant":
                slope = torch.full((units,), m.value)
            else:
                slope = m.p if kind == "parameter" else m.p.exp()
            return m.b(torch.tanh(slope * z) * z)

        for k in range(30):
            value = 1 + 0.1 * k
            start = math.log(value) if kind == "derived" else value
            parts = {} if kind == "constant" else {"p": torch.full((units,), start)}
            model = Body(body, a=nn.Linear(8, units), b=nn.Linear(units, 4), **parts)
            model.value = value
            found = one(observe(model, torch.randn(5, 8)), "a.weight").gain
            true = gain(lambda z, s=value: torch.tanh(torch.as_tensor(s * z)) * torch.as_tensor(z))
            assert found == pytest.approx(true, rel=1e-5)

    def test_names_are_those_of_this_model(self) -> None:
        def ops(function: Callable[[Tensor], Tensor]) -> Region:
            model = between(lambda _, z: function(z))
            return one(observe(model, torch.randn(5, 8)), "a.weight").regions[0]

        assert ops(SwishOfItsOwn.apply).ops == ("SwishOfItsOwn",)
        plain = ops(lambda z: z * torch.special.expit(z)).ops
        assert plain == ("sigmoid", "mul")
