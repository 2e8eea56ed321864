"""What is drawn: the laws, the seeds, and where the numbers go."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.nn import Parameter

from fanin import nn_init as init
from fanin.noise import Normal, Stream, TruncatedNormal, Uniform
from fanin.schemes import xavier_uniform
from fanin.schemes.filling import fill_
from tests.claims import (
    assert_follows,
    assert_mean_of,
    assert_std,
    assert_uncorrelated,
    assert_z_score,
)

RATE = 1e-6
FLOATS = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
RANDOM: dict[str, Callable[..., Tensor]] = {
    "uniform_": init.uniform_,
    "normal_": init.normal_,
    "trunc_normal_": init.trunc_normal_,
    "xavier_uniform_": init.xavier_uniform_,
    "xavier_normal_": init.xavier_normal_,
    "kaiming_uniform_": init.kaiming_uniform_,
    "kaiming_normal_": init.kaiming_normal_,
    "orthogonal_": init.orthogonal_,
    "sparse_": lambda tensor, **options: init.sparse_(tensor, 0.3, **options),
}
each_random = pytest.mark.parametrize("draw", RANDOM.values(), ids=RANDOM)
each_float = pytest.mark.parametrize("dtype", FLOATS, ids=str)


def seeded(draw: Callable[..., Tensor], tensor: Tensor, seed: int = 7) -> Tensor:
    return draw(tensor, generator=torch.Generator().manual_seed(seed))


def assert_equal(got: Tensor, expected: Tensor) -> None:
    assert got.dtype is expected.dtype
    assert got.shape == expected.shape
    assert int((got != expected).sum()) == 0


def uniform(bound: float) -> Any:
    return stats.uniform(-bound, 2 * bound)


LAWS: list[tuple[Callable[[Tensor], Tensor], tuple[int, ...], Any]] = [
    (init.uniform_, (500, 400), stats.uniform(0, 1)),
    (lambda t: init.uniform_(t, -3, 5), (500, 400), stats.uniform(-3, 8)),
    (init.normal_, (500, 400), stats.norm(0, 1)),
    (lambda t: init.normal_(t, -0.3, 0.02), (200_000,), stats.norm(-0.3, 0.02)),
    (init.trunc_normal_, (500, 400), stats.truncnorm(-2, 2)),
    # As vision models do: the bounds are absolute, so nothing is cut.
    (lambda t: init.trunc_normal_(t, std=0.02), (500, 400), stats.norm(0, 0.02)),
    (
        lambda t: init.trunc_normal_(t, 1.0, 2.0, 0.0, 1.5),
        (500, 400),
        stats.truncnorm(-0.5, 0.25, 1.0, 2.0),
    ),
    (lambda t: init.trunc_normal_(t, 0, 1, 2, 3), (500, 400), stats.truncnorm(2, 3)),
    (init.xavier_uniform_, (500, 400), uniform(math.sqrt(6 / 900))),
    (lambda t: init.xavier_uniform_(t, 0.5), (80, 50, 7, 7), uniform(0.5 * math.sqrt(6 / 6370))),
    (init.xavier_normal_, (80, 50, 7, 7), stats.norm(0, math.sqrt(2 / 6370))),
    (
        lambda t: init.xavier_normal_(t, gain=5 / 3),
        (500, 400),
        stats.norm(0, 5 / 3 / math.sqrt(450)),
    ),
    (init.kaiming_uniform_, (500, 400), uniform(math.sqrt(6 / 400))),
    # nn.Linear's own: the bound is 1 / sqrt(fan_in).
    (lambda t: init.kaiming_uniform_(t, math.sqrt(5)), (500, 400), uniform(0.05)),
    (
        lambda t: init.kaiming_uniform_(t, mode="fan_out", nonlinearity="tanh"),
        (500, 400),
        uniform(5 / 3 * math.sqrt(3 / 500)),
    ),
    (init.kaiming_normal_, (80, 50, 7, 7), stats.norm(0, math.sqrt(2 / 2450))),
    (
        lambda t: init.kaiming_normal_(t, 0.2, "fan_out"),
        (80, 50, 7, 7),
        stats.norm(0, math.sqrt(2 / 1.04 / 3920)),
    ),
    (
        lambda t: init.kaiming_normal_(t, nonlinearity="gelu"),
        (500, 400),
        stats.norm(0, 1.5335304411955352 / 20),
    ),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("draw", "shape", "law"), LAWS)
def test_numbers_follow_their_law(draw, shape, law, dtype):
    torch.manual_seed(1)
    sample = draw(torch.empty(shape, dtype=dtype)).double().numpy().ravel()
    centre, std = law.mean(), law.std()
    assert_follows(law.cdf(sample), RATE, str(law.dist.name))
    assert_mean_of(sample, centre, std, RATE, "mean")
    kurtosis = float(law.stats(moments="k")) + 3
    assert_std(sample - centre, std, kurtosis, RATE, str(law.dist.name))
    assert_uncorrelated(sample[:-1], sample[1:], RATE, "neighbours")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_types_keep_the_moments(dtype):
    torch.manual_seed(1)
    sample = init.normal_(torch.empty(200_000, dtype=dtype), 0.0, 0.02).double().numpy()
    # Rounding adds at most ulp^2 / 3 to the second moment: 5e-6 of it in bfloat16.
    assert_mean_of(sample, 0.0, 0.02, RATE, "mean")
    assert_std(sample, 0.02, 3.0, RATE, "normal")


class TestComplex:
    def test_normal(self):
        torch.manual_seed(1)
        z = init.normal_(torch.empty(400, 500, dtype=torch.complex64), 3.0, 2.0)
        assert_follows(stats.norm(3, math.sqrt(2)).cdf(z.real.numpy().ravel()), RATE, "real")
        assert_follows(stats.norm(0, math.sqrt(2)).cdf(z.imag.numpy().ravel()), RATE, "imaginary")
        assert_uncorrelated(z.real.numpy().ravel(), z.imag.numpy().ravel(), RATE, "the parts")

    def test_uniform(self):
        torch.manual_seed(1)
        z = init.uniform_(torch.empty(400, 500, dtype=torch.complex128), 3.0, 4.0)
        for part in (z.real, z.imag):
            assert_follows(stats.uniform(3, 1).cdf(part.numpy().ravel()), RATE, "a part")
        assert_uncorrelated(z.real.numpy().ravel(), z.imag.numpy().ravel(), RATE, "the parts")

    @pytest.mark.parametrize("draw", [init.normal_, init.uniform_])
    def test_the_real_part_is_what_a_real_tensor_gets(self, draw):
        z = seeded(draw, torch.empty(300, dtype=torch.complex64))
        expected = seeded(draw, torch.empty(300))
        if draw is init.normal_:
            assert torch.allclose(z.real, expected / math.sqrt(2), rtol=1e-6, atol=0)
        else:
            assert_equal(z.real, expected)

    def test_a_complex_parameter_and_a_transposed_view(self):
        weight = Parameter(torch.zeros(40, 50, dtype=torch.complex64))
        assert seeded(init.normal_, weight) is weight
        assert weight.grad_fn is None
        view = seeded(init.normal_, torch.zeros(50, 40, dtype=torch.complex64).t())
        assert_equal(view, weight.detach())


def test_orthogonal_rows_or_columns():
    torch.manual_seed(1)
    for shape in [(6, 6), (5, 9), (9, 5), (4, 3, 2, 2), (20, 2, 3)]:
        w = init.orthogonal_(torch.empty(shape, dtype=torch.float64), gain=1.5).flatten(1)
        gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
        assert torch.allclose(gram, 2.25 * torch.eye(len(gram), dtype=torch.float64), atol=1e-6)


def test_orthogonal_with_a_negative_gain_is_its_opposite():
    assert_equal(
        seeded(lambda t, **o: init.orthogonal_(t, -2.0, **o), torch.empty(4, 5)),
        -seeded(lambda t, **o: init.orthogonal_(t, 2.0, **o), torch.empty(4, 5)),
    )


@pytest.mark.parametrize("shape", [(30, 2000), (7, 10_000), (1, 100)])
@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.34, 1.0, 1.2])
def test_sparse(shape, sparsity):
    torch.manual_seed(1)
    rows, columns = shape
    w = init.sparse_(torch.full(shape, 7.0), sparsity, std=0.5)
    zeros = min(math.ceil(sparsity * rows), rows)
    empty = w == 0
    assert torch.all(empty.sum(0) == zeros)
    if zeros < rows:
        assert_follows(stats.norm(0, 0.5).cdf(w[~empty].numpy()), RATE, "the other numbers")
        # Each column strikes each row with the same chance.
        share = zeros / rows
        spread = math.sqrt(columns * share * (1 - share)) or 1.0
        for struck in empty.sum(1).tolist():
            assert_z_score((struck - columns * share) / spread, RATE / rows, "zeros of a row")


class TestSeeds:
    @each_random
    def test_a_program_repeats_under_its_seed(self, draw):
        def program() -> list[Tensor]:
            torch.manual_seed(11)
            return [draw(torch.empty(6, 5)) for _ in range(3)]

        first, again = program(), program()
        for a, b in zip(first, again, strict=True):
            assert_equal(a, b)
        for i in range(3):
            for j in range(i):
                assert not torch.equal(first[i], first[j])

    @each_random
    def test_a_call_takes_one_integer_of_the_default_generator(self, draw):
        torch.manual_seed(11)
        draw(torch.empty(60, 50))
        after = torch.get_rng_state()
        torch.manual_seed(11)
        torch.empty((), dtype=torch.int64).random_()
        assert torch.equal(after, torch.get_rng_state())

    @each_random
    def test_a_given_generator_is_used_and_it_alone(self, draw):
        before = torch.get_rng_state()
        generator = torch.Generator().manual_seed(11)
        a, b = (draw(torch.empty(6, 5), generator=generator) for _ in range(2))
        assert torch.equal(before, torch.get_rng_state())
        assert not torch.equal(a, b)
        torch.manual_seed(11)
        assert_equal(draw(torch.empty(6, 5)), a)
        assert_equal(draw(torch.empty(6, 5)), b)

    @pytest.mark.parametrize("shape", [(0, 4), (4, 0)])
    @pytest.mark.filterwarnings("ignore:Initializing zero-element")
    @each_random
    def test_nothing_drawn_is_nothing_taken(self, draw, shape):
        before = torch.get_rng_state()
        for options in ({}, {"device": "meta"}):
            tensor = torch.empty(shape, **options)
            assert draw(tensor) is tensor
        assert torch.equal(before, torch.get_rng_state())

    @pytest.mark.parametrize("name", ["zeros_", "ones_", "eye_"])
    def test_no_chance_no_seed(self, name):
        before = torch.get_rng_state()
        getattr(init, name)(torch.empty(3, 4))
        init.dirac_(torch.empty(3, 4, 5))
        assert torch.equal(before, torch.get_rng_state())

    def test_a_refused_call_takes_nothing(self):
        before = torch.get_rng_state()
        with pytest.raises(RuntimeError):
            init.normal_(torch.empty(3), std=-1.0)
        assert torch.equal(before, torch.get_rng_state())

    @pytest.mark.parametrize(
        ("draw", "law"),
        [
            (init.normal_, Normal()),
            (init.uniform_, Uniform(0.0, 1.0)),
            (init.trunc_normal_, TruncatedNormal()),
        ],
    )
    def test_the_numbers_are_the_stream_of_the_seed(self, draw, law):
        seed = int(
            torch.empty((), dtype=torch.int64).random_(generator=torch.Generator().manual_seed(7))
        )
        assert_equal(
            seeded(draw, torch.empty(40, 50)),
            fill_(torch.empty(40, 50), law, Stream(seed, "nn_init")),
        )

    def test_a_scheme_of_that_seed_gives_the_same_numbers(self):
        seed = int(
            torch.empty((), dtype=torch.int64).random_(generator=torch.Generator().manual_seed(7))
        )
        scheme = xavier_uniform().init_(torch.empty(40, 50), seed=seed, name="nn_init")
        assert torch.allclose(seeded(init.xavier_uniform_, torch.empty(40, 50)), scheme, rtol=1e-6)

    @pytest.mark.parametrize("name", [name for name in RANDOM if name != "orthogonal_"])
    def test_threads_change_no_bit(self, name, monkeypatch):
        drawn = []
        for threads in ("1", "3"):
            monkeypatch.setenv("FANIN_NUM_THREADS", threads)
            drawn.append(seeded(RANDOM[name], torch.empty(1500, 700)))
        assert_equal(*drawn)

    def test_calls_from_many_threads(self):
        expected = seeded(init.normal_, torch.empty(3000))
        got: list[Tensor] = []
        threads = [
            threading.Thread(target=lambda: got.append(seeded(init.normal_, torch.empty(3000))))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 4
        for tensor in got:
            assert_equal(tensor, expected)


class TestInPlace:
    @each_random
    def test_a_parameter_stays_a_leaf_with_its_gradient(self, draw):
        weight = Parameter(torch.full((6, 5), 7.0))
        gradient = weight.grad = torch.ones(6, 5)
        address = weight.data_ptr()
        assert draw(weight) is weight
        assert weight.data_ptr() == address
        assert weight.requires_grad
        assert weight.is_leaf
        assert weight.grad is gradient
        assert not weight.eq(7).any()

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
    @each_random
    def test_autograd_knows_that_saved_values_are_stale(self, draw, dtype):
        weight = Parameter(torch.ones(3, 3, dtype=dtype))
        product = (weight * weight).sum()
        version = weight._version
        draw(weight)
        assert weight._version > version
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            product.backward()

    @pytest.mark.parametrize("enabled", [True, False])
    @each_random
    def test_the_mode_of_autograd_is_as_before(self, draw, enabled):
        with torch.set_grad_enabled(enabled):
            draw(torch.empty(3, 4))
            assert torch.is_grad_enabled() is enabled

    @each_random
    def test_inside_inference_mode(self, draw):
        with torch.inference_mode():
            got = seeded(draw, torch.empty(6, 5, dtype=torch.bfloat16)).clone()
        assert_equal(got, seeded(draw, torch.empty(6, 5, dtype=torch.bfloat16)))

    @each_random
    def test_a_part_of_a_tensor(self, draw):
        whole = torch.full((8, 6), 7.0)
        draw(whole[2:5, 1:5])
        outside = torch.ones(8, 6, dtype=torch.bool)
        outside[2:5, 1:5] = False
        assert whole[outside].eq(7).all()
        assert not whole[~outside].eq(7).any()


def without(*names: str) -> Any:
    chosen = {name: draw for name, draw in RANDOM.items() if name not in names}
    return pytest.mark.parametrize("draw", chosen.values(), ids=chosen)


@each_float
class TestMemory:
    @each_random
    def test_strides_change_no_number(self, draw, dtype):
        plain = seeded(draw, torch.empty(6, 5, dtype=dtype))
        for view in (
            torch.empty(5, 6, dtype=dtype).t(),
            torch.empty(12, 15, dtype=dtype)[::2, ::3],
            torch.empty(6, 9, dtype=dtype)[:, 4:],
        ):
            assert not view.is_contiguous()
            assert_equal(seeded(draw, view), plain)

    @without("sparse_")
    def test_channels_last(self, draw, dtype):
        plain = seeded(draw, torch.empty(6, 4, 3, 3, dtype=dtype))
        last = torch.empty(6, 4, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
        strides = last.stride()
        assert_equal(seeded(draw, last), plain)
        assert last.stride() == strides

    @without("orthogonal_")
    def test_types_are_float32_rounded(self, draw, dtype):
        got = seeded(draw, torch.empty(60, 50, dtype=dtype))
        rounded = seeded(draw, torch.empty(60, 50)).to(dtype)
        moved = got != rounded
        # A bound inside the last place of the type may move a number by that place.
        places = torch.finfo(dtype).eps * rounded.abs().double()
        assert torch.all((got.double() - rounded.double()).abs() <= places)
        assert int(moved.sum()) <= 30
        if draw not in (init.uniform_, init.xavier_uniform_, init.kaiming_uniform_):
            assert not moved.any()


def test_a_tensor_without_axes():
    for draw in (init.normal_, init.uniform_, init.trunc_normal_):
        scalar = seeded(draw, torch.zeros(()))
        assert scalar.shape == ()
        assert_equal(scalar, seeded(draw, torch.zeros(9))[0])


def test_a_model_that_initializes_itself():
    def build() -> torch.nn.Module:
        torch.manual_seed(3)
        model = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3), torch.nn.Flatten(), torch.nn.Linear(8, 4)
        )
        for parameter in model.parameters():
            if parameter.dim() > 1:
                init.kaiming_normal_(parameter, mode="fan_out", nonlinearity="relu")
            else:
                init.zeros_(parameter)
        return model

    first, again = build().state_dict(), build().state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert np.isclose(float(first["0.weight"].std()), math.sqrt(2 / 72), rtol=0.2)
