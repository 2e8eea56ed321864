"""Where fanin.nn_init differs from torch.nn.init on purpose, and what it leaves to torch."""

from __future__ import annotations

import itertools
import math
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F
from scipy import integrate, stats
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import init as torchs
from torch.overrides import TorchFunctionMode

from fanin import nn_init as init
from tests.claims import assert_close, assert_follows, assert_mean_of

RATE = 1e-6
INF = math.inf
FLOATS = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
HALVES = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)

ACTIVATIONS = {
    "celu": F.celu,
    "elu": F.elu,
    "gelu": F.gelu,
    "gelu_tanh": lambda z: F.gelu(z, approximate="tanh"),
    "hardsigmoid": F.hardsigmoid,
    "hardswish": F.hardswish,
    "hardtanh": F.hardtanh,
    "identity": lambda z: z,
    "logsigmoid": F.logsigmoid,
    "mish": F.mish,
    "prelu": lambda z: F.prelu(z, torch.nn.PReLU().weight.detach().double()),
    "quick_gelu": lambda z: z * torch.sigmoid(1.702 * z),
    "relu6": F.relu6,
    "silu": F.silu,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "swish": F.silu,
    "tanhshrink": F.tanhshrink,
}


class TestGains:
    @pytest.mark.parametrize("name", ACTIVATIONS)
    def test_an_activation_that_torch_refuses(self, name):
        def square(z: float) -> float:
            at = torch.tensor([z], dtype=torch.float64)
            return float(ACTIVATIONS[name](at)) ** 2 * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

        with pytest.raises(ValueError, match="Unsupported nonlinearity"):
            torchs.calculate_gain(name)
        # Split where one of them has a kink.
        edges = [-12.0, -3.0, -1.0, 0.0, 1.0, 3.0, 6.0, 12.0]
        moment = sum(
            integrate.quad(square, a, b, epsabs=1e-14, epsrel=1e-13)[0]
            for a, b in itertools.pairwise(edges)
        )
        assert_close(init.calculate_gain(name), moment**-0.5, 1e-10, name)

    def test_the_table_here_is_whole(self):
        from fanin.nn_init.gains import KNOWN_TO_THEORY

        assert set(ACTIVATIONS) == set(KNOWN_TO_THEORY)

    @pytest.mark.parametrize("param", [None, 0, 0.3, True, "a"])
    def test_the_parameter_is_leaky_relus_alone(self, param):
        assert init.calculate_gain("elu", param) == init.calculate_gain("elu")

    @pytest.mark.parametrize("draw", [init.kaiming_normal_, init.kaiming_uniform_])
    def test_kaiming_takes_them(self, draw):
        torch.manual_seed(1)
        w = draw(torch.empty(300, 400), nonlinearity="silu")
        assert_mean_of(w.square().numpy().ravel(), 1.6765324703310912**2 / 400, 0.0105, RATE, "m2")


@pytest.mark.filterwarnings("ignore:mean is more than 2 std")
class TestTruncation:
    @pytest.mark.parametrize(("a", "b"), [(-0.04, 0.04), (-0.0321, 0.05), (0.15, 0.151), (-1, 1)])
    @pytest.mark.parametrize("std", [0.02, 1.0])
    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    def test_no_value_of_any_type_lies_outside(self, dtype, std, a, b):
        torch.manual_seed(1)
        w = init.trunc_normal_(torch.empty(200_000, dtype=dtype), 0.0, std, a, b).double()
        assert float(w.min()) >= a
        assert float(w.max()) <= b

    @HALVES
    def test_a_gap_between_two_numbers_of_the_type(self, dtype):
        a, b = 1.0001, 1.0002
        w = init.trunc_normal_(torch.empty(100, dtype=dtype), 1.0, 1.0, a, b)
        assert w.eq(1).all()

    def test_a_tail_that_torch_cannot_draw(self):
        with pytest.raises(RuntimeError):
            torchs.trunc_normal_(torch.empty(9), a=3.0, b=INF)
        torch.manual_seed(1)
        w = init.trunc_normal_(torch.empty(200_000), a=3.0, b=INF)
        assert_follows(stats.truncnorm(3, INF).cdf(w.double().numpy()), RATE, "the tail")

    def test_far_bounds_cut_nothing(self):
        one, other = (torch.empty(3000) for _ in range(2))
        init.trunc_normal_(one, 0.0, 0.02, generator=torch.Generator().manual_seed(1))
        init.trunc_normal_(other, 0.0, 0.02, -INF, INF, generator=torch.Generator().manual_seed(1))
        assert torch.equal(one, other)

    def test_half_types_reach_no_farther_than_float32(self):
        torch.manual_seed(1)
        w = init.trunc_normal_(torch.empty(2_000_000, dtype=torch.bfloat16), std=0.02)
        assert float(w.abs().max()) <= 0.02 * 6.4


@HALVES
class TestHalfTypes:
    @pytest.mark.parametrize(("a", "b"), [(0.0, 1.0), (-0.0321, 0.0321), (0.5, 0.6), (-1, 1)])
    def test_uniform_never_reaches_its_upper_bound(self, dtype, a, b):
        torch.manual_seed(1)
        w = init.uniform_(torch.empty(500_000, dtype=dtype), a, b).double()
        assert float(w.min()) >= a
        assert float(w.max()) < b

    def test_orthogonal(self, dtype):
        with pytest.raises(NotImplementedError):
            torchs.orthogonal_(torch.empty(4, 3, dtype=dtype))
        torch.manual_seed(1)
        w = init.orthogonal_(torch.empty(64, 32, dtype=dtype), gain=2.0)
        assert w.dtype is dtype
        gram = w.double().T @ w.double() / 4
        assert torch.allclose(gram, torch.eye(32, dtype=torch.float64), atol=torch.finfo(dtype).eps)


def test_orthogonal_channels_last():
    make = lambda: torch.empty(4, 3, 2, 2).to(memory_format=torch.channels_last)  # noqa: E731
    with pytest.raises(RuntimeError, match="view size"):
        torchs.orthogonal_(make())
    w = init.orthogonal_(make()).flatten(1)
    assert torch.allclose(w @ w.T, torch.eye(4), atol=1e-6)


def test_sparse_takes_its_zeros_from_the_generator():
    drawn = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        drawn.append(
            init.sparse_(torch.empty(20, 9), 0.5, generator=torch.Generator().manual_seed(3))
        )
    assert torch.equal(*drawn)


def test_dirac_of_a_kernel_without_elements():
    with pytest.raises(IndexError):
        torchs.dirac_(torch.zeros(4, 2, 0))
    assert init.dirac_(torch.zeros(4, 2, 0)).shape == (4, 2, 0)


def outcomes(module: Any) -> list[Tensor]:
    """What torch draws, by its own numbers: the generator shows that it was torch."""
    torch.manual_seed(4)
    return [
        module.normal_(torch.zeros(6).unfold(0, 3, 1)),
        module.uniform_(torch.zeros(3, dtype=torch.complex64).conj()),
        module.normal_(torch.zeros(4, 3, dtype=torch.complex64).conj().imag),
        module.sparse_(torch.zeros(4, 3, dtype=torch.complex64), 0.5),
        module.normal_(torch.zeros(3, dtype=torch.float64), 0.0, 1e200),
        module.trunc_normal_(torch.zeros(50), 0.0, 1.0, 13.0, 13.5),
        module.trunc_normal_(torch.zeros(5), 0.0, -1.0),
        module.normal_(Loud(torch.zeros(5))).plain,
        module.xavier_uniform_(Loud(torch.zeros(5, 2))).plain,
        module.orthogonal_(Loud(torch.zeros(5, 2))).plain,
    ]


class Loud(Tensor):
    """A class with ways of its own: it notes what it is asked."""

    asked: ClassVar[list[Any]] = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.asked.append(func)
        return super().__torch_function__(func, types, args, kwargs or {})

    @property
    def plain(self) -> Tensor:
        return self.as_subclass(Tensor)


class Quiet(Tensor):
    """A class that adds nothing."""


@pytest.mark.filterwarnings("ignore:mean is more than 2 std")
def test_what_is_left_to_torch_is_what_torch_draws():
    for got, expected in zip(outcomes(init), outcomes(torchs), strict=True):
        assert torch.equal(got, expected)


class TestOverrides:
    @pytest.mark.parametrize(
        ("name", "args"),
        [("normal_", ()), ("uniform_", ()), ("constant_", (2.0,)), ("kaiming_uniform_", ())],
    )
    def test_a_class_that_overrides_is_asked_about_torchs_function(self, name, args):
        Loud.asked.clear()
        tensor = Loud(torch.zeros(4, 3))
        result = getattr(init, name)(tensor, *args)
        assert isinstance(result, Loud)
        assert Loud.asked[0] is getattr(torchs, name)
        assert tensor.plain.ne(0).any()

    def test_a_class_that_adds_nothing_is_drawn_as_plain_memory(self):
        for name in ("normal_", "uniform_", "trunc_normal_", "xavier_normal_", "kaiming_uniform_"):
            plain, quiet = torch.zeros(30, 20), torch.zeros(30, 20).as_subclass(Quiet)
            for tensor in (plain, quiet):
                result = getattr(init, name)(tensor, generator=torch.Generator().manual_seed(1))
                assert result is tensor
            assert torch.equal(plain, quiet.as_subclass(Tensor))

    def test_a_mode_sees_the_call_and_runs_it(self):
        class Watch(TorchFunctionMode):
            def __torch_function__(self, func, types, args=(), kwargs=None):
                seen.append(func)
                return func(*args, **(kwargs or {}))

        seen: list[Any] = []
        expected = init.normal_(torch.zeros(9), generator=torch.Generator().manual_seed(1))
        tensor = torch.zeros(9)
        with Watch():
            init.normal_(tensor, generator=torch.Generator().manual_seed(1))
        assert init.normal_ in seen
        assert torch.equal(tensor, expected)

    def test_the_default_device_does_not_matter(self):
        expected = init.trunc_normal_(torch.zeros(9), generator=torch.Generator().manual_seed(1))
        tensor = torch.zeros(9)
        with torch.device("meta"):
            init.trunc_normal_(tensor, generator=torch.Generator("cpu").manual_seed(1))
            model = torch.nn.Linear(3, 4)
            for draw in (init.normal_, init.orthogonal_, init.kaiming_uniform_):
                assert draw(model.weight) is model.weight
        assert torch.equal(tensor, expected)

    def test_fake_tensors_are_torchs(self):
        with FakeTensorMode():
            tensor = torch.empty(4, 3)
            for draw in (init.normal_, init.uniform_, init.xavier_uniform_, init.orthogonal_):
                assert type(draw(tensor)) is type(tensor)

    def test_inside_vmap(self):
        with torch.no_grad():
            drawn = torch.func.vmap(init.normal_, randomness="different")(torch.zeros(3, 500))
        assert len({float(row[0]) for row in drawn}) == 3
        assert float(drawn.std()) == pytest.approx(1, abs=0.1)

    def test_inside_compile(self):
        drawn = []
        for draw in (torch.compile(init.normal_, backend="eager", fullgraph=True), torchs.normal_):
            torch.manual_seed(1)
            drawn.append(draw(torch.zeros(9)))
        assert torch.equal(*drawn)

    def test_torchs_module_may_be_patched_with_ours(self, monkeypatch):
        for name in torchs.__all__:
            monkeypatch.setattr(torchs, name, getattr(init, name))
        torch.nn.Linear(4, 3)
        tensor = torch.empty(4, 3, device="meta")
        for draw in (init.normal_, init.trunc_normal_, init.orthogonal_):
            assert draw(tensor) is tensor
