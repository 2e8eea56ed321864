"""Every scheme passes the same battery; what one scheme alone promises follows below it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor
from torch.nn import Parameter

from fanin import schemes
from fanin.errors import FanError, InputError, UnknownNameError
from fanin.fans import Layout, bilinear, conv, conv_transpose, embedding, linear
from fanin.noise import Stream
from fanin.schemes import (
    ALIASES,
    SCHEMES,
    AbstractScheme,
    Scheme,
    by_name,
    constant,
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
    normal,
    ones,
    truncated_normal,
    uniform,
    variance_scaling,
    xavier_normal,
    xavier_uniform,
    zeros,
)
from tests.claims import (
    assert_close,
    assert_errors_below,
    assert_follows,
    assert_mean_of,
    assert_std,
    assert_uncorrelated,
)

# What a cut at 2 and at 3 standard deviations leaves of the standard deviation.
STD_WITHIN_2, STD_WITHIN_3 = 0.879625661034240, 0.986578392558
INF = math.inf

Law = Any  # a frozen distribution of scipy, which has no public type


def gaussian(std: float) -> Law:
    return stats.norm(0.0, std)


def within_2(std: float) -> Law:
    """Of this standard deviation after the cut."""
    return stats.truncnorm(-2.0, 2.0, 0.0, std / STD_WITHIN_2)


def centred_uniform(std: float) -> Law:
    bound = math.sqrt(3.0) * std
    return stats.uniform(-bound, 2 * bound)


@dataclass(frozen=True)
class Case:
    """A scheme and the law that its formula in methods.md gives for fan_in n and fan_out o."""

    scheme: AbstractScheme
    law: Callable[[float, float], Law]

    def __str__(self) -> str:
        return repr(self.scheme)


@dataclass(frozen=True)
class Constant:
    value: float

    def std(self) -> float:
        return 0.0


# The standard deviation of |Z|, Z standard normal.
HALF = math.sqrt(1 - 2 / math.pi)

CASES = [
    Case(zeros(), lambda n, o: Constant(0.0)),
    Case(ones(), lambda n, o: Constant(1.0)),
    Case(constant(0.25), lambda n, o: Constant(0.25)),
    Case(constant(-1e-3), lambda n, o: Constant(-1e-3)),
    Case(normal(), lambda n, o: gaussian(1.0)),
    Case(normal(mean=-0.3, std=0.02), lambda n, o: stats.norm(-0.3, 0.02)),
    Case(uniform(), lambda n, o: stats.uniform(0.0, 1.0)),
    Case(uniform(-0.1, 0.3), lambda n, o: stats.uniform(-0.1, 0.4)),
    Case(truncated_normal(), lambda n, o: within_2(1.0)),
    Case(truncated_normal(std=0.02), lambda n, o: within_2(0.02)),
    Case(
        truncated_normal(std=0.02, corrected=False),
        lambda n, o: stats.truncnorm(-2.0, 2.0, 0.0, 0.02),
    ),
    Case(
        truncated_normal(mean=1.0, std=0.5, low=-3.0, high=3.0),
        lambda n, o: stats.truncnorm(-3.0, 3.0, 1.0, 0.5 / STD_WITHIN_3),
    ),
    Case(
        truncated_normal(std=0.1, low=0.0, high=INF),
        lambda n, o: stats.halfnorm(0.0, 0.1 / HALF),
    ),
    Case(variance_scaling(), lambda n, o: within_2(math.sqrt(1 / n))),
    Case(variance_scaling(2.0, "fan_out", "normal"), lambda n, o: gaussian(math.sqrt(2 / o))),
    Case(
        variance_scaling(0.5, "fan_avg", "uniform"),
        lambda n, o: centred_uniform(math.sqrt(0.5 / ((n + o) / 2))),
    ),
    Case(
        variance_scaling(3.0, "fan_geo_avg"), lambda n, o: within_2(math.sqrt(3 / math.sqrt(n * o)))
    ),
    Case(xavier_normal(), lambda n, o: gaussian(math.sqrt(2 / (n + o)))),
    Case(xavier_normal(gain=5 / 3), lambda n, o: gaussian(5 / 3 * math.sqrt(2 / (n + o)))),
    Case(
        xavier_uniform(),
        lambda n, o: stats.uniform(-math.sqrt(6 / (n + o)), 2 * math.sqrt(6 / (n + o))),
    ),
    Case(xavier_uniform(gain=0.5), lambda n, o: centred_uniform(0.5 * math.sqrt(2 / (n + o)))),
    Case(he_normal(), lambda n, o: gaussian(math.sqrt(2 / n))),
    Case(
        he_normal(negative_slope=0.2, mode="fan_out"),
        lambda n, o: gaussian(math.sqrt(2 / (1.04 * o))),
    ),
    Case(he_uniform(), lambda n, o: stats.uniform(-math.sqrt(6 / n), 2 * math.sqrt(6 / n))),
    # torch's default for a Linear: slope sqrt 5 gives the bound 1 / sqrt(fan_in).
    Case(
        he_uniform(negative_slope=math.sqrt(5)),
        lambda n, o: stats.uniform(-math.sqrt(1 / n), 2 * math.sqrt(1 / n)),
    ),
    Case(lecun_normal(), lambda n, o: gaussian(math.sqrt(1 / n))),
    Case(lecun_uniform(), lambda n, o: stats.uniform(-math.sqrt(3 / n), 2 * math.sqrt(3 / n))),
]
# One of each class, for what does not depend on the arguments.
FIRST_OF_CLASS = list({type(case.scheme): case.scheme for case in reversed(CASES)}.values())
RANDOM = [scheme for scheme in FIRST_OF_CLASS if not isinstance(scheme, (zeros, ones, constant))]
WITH_FANS = [scheme for scheme in FIRST_OF_CLASS if scheme.needs_layout]
WITHOUT_FANS = [scheme for scheme in FIRST_OF_CLASS if not scheme.needs_layout]
FLOATS = [torch.float32, torch.float64, torch.bfloat16, torch.float16]

each_case = pytest.mark.parametrize("case", CASES, ids=str)
each_scheme = pytest.mark.parametrize("scheme", FIRST_OF_CLASS, ids=repr)
each_float = pytest.mark.parametrize("dtype", FLOATS, ids=str)


def drawn(scheme: AbstractScheme, *shape: int, **options: Any) -> Tensor:
    return scheme.init_(torch.empty(shape), **options)


def assert_equal(got: Tensor, expected: Tensor, what: str = "") -> None:
    assert got.dtype is expected.dtype, f"{what} {got.dtype}, expected {expected.dtype}"
    assert got.shape == expected.shape, f"{what} {got.shape}, expected {expected.shape}"
    different = int((got != expected).sum())
    assert different == 0, f"{what} {different} of {got.numel()} elements differ"


def test_every_scheme_of_the_catalogue_has_a_case():
    assert {type(case.scheme) for case in CASES} == set(SCHEMES.values())


class TestFace:
    @each_case
    def test_repr_evaluates_back(self, case):
        scheme = case.scheme
        assert eval(repr(scheme), vars(schemes)) == scheme

    @pytest.mark.parametrize(
        ("scheme", "text"),
        [
            (normal(mean=float("0"), std=float("1")), "normal()"),
            (normal(std=0.02), "normal(std=0.02)"),
            (constant(0.25), "constant(value=0.25)"),
            (uniform(-0.1, 0.3), "uniform(a=-0.1, b=0.3)"),
            (he_normal(0.2, "fan_out"), "he_normal(negative_slope=0.2, mode='fan_out')"),
            (truncated_normal(low=-INF), "truncated_normal(low=float('-inf'))"),
        ],
        ids=repr,
    )
    def test_repr_names_what_is_not_the_default(self, scheme, text):
        assert repr(scheme) == text

    @each_case
    def test_a_scheme_is_a_value(self, case):
        scheme, same = case.scheme, attrs.evolve(case.scheme)
        assert scheme is not same
        assert scheme == same
        assert hash(scheme) == hash(same)
        assert [other.scheme for other in CASES if other.scheme == scheme] == [scheme]

    @each_case
    def test_a_scheme_is_frozen(self, case):
        names = [field.name for field in attrs.fields(type(case.scheme))]
        for name in (*names, "something_new"):
            with pytest.raises(AttributeError):
                setattr(case.scheme, name, 3.0)

    @each_scheme
    def test_a_scheme_says_where_it_is_from_and_what_for(self, scheme):
        assert isinstance(scheme, Scheme)
        assert any(character.isdigit() for character in scheme.citation), "no year, no section"
        assert scheme.formula.strip()
        assert scheme.use.strip()
        assert "\n" not in scheme.formula + scheme.use

    @each_scheme
    def test_a_scheme_bears_its_name(self, scheme):
        assert SCHEMES[scheme.name] is type(scheme)
        assert getattr(schemes, scheme.name) is type(scheme)
        assert type(scheme).__name__ == scheme.name
        assert scheme.name in schemes.__all__

    def test_the_catalogue_cannot_be_changed(self):
        with pytest.raises(TypeError):
            SCHEMES["mine"] = zeros
        with pytest.raises(TypeError):
            ALIASES["mine"] = "zeros"

    @pytest.mark.parametrize(("alias", "name"), ALIASES.items())
    def test_aliases(self, alias, name):
        assert getattr(schemes, alias) is SCHEMES[name]
        assert by_name(alias) == by_name(name)
        assert alias not in SCHEMES

    def test_the_package_exports_every_scheme_and_alias(self):
        assert {*SCHEMES, *ALIASES} <= set(schemes.__all__) <= set(vars(schemes))

    NUMBER = st.floats(-1e18, 1e18)
    POSITIVE = st.floats(0, 1e18)

    @settings(max_examples=200, deadline=None)
    @given(
        st.one_of(
            st.builds(constant, NUMBER),
            st.builds(normal, NUMBER, POSITIVE),
            st.builds(lambda a, b: uniform(min(a, b), max(a, b)), NUMBER, NUMBER),
            st.builds(
                truncated_normal,
                mean=NUMBER,
                std=POSITIVE,
                low=st.floats(-12, 0) | st.just(-INF),
                high=st.floats(1, 12) | st.just(INF),
                corrected=st.booleans(),
            ),
            st.builds(
                variance_scaling,
                POSITIVE,
                st.sampled_from(["fan_in", "fan_out", "fan_avg", "fan_geo_avg"]),
                st.sampled_from(["normal", "truncated_normal", "uniform"]),
            ),
            st.builds(xavier_uniform, POSITIVE),
            st.builds(he_normal, NUMBER, st.sampled_from(["fan_in", "fan_out"])),
        )
    )
    def test_repr_evaluates_back_for_any_arguments(self, scheme):
        assert eval(repr(scheme), vars(schemes)) == scheme


# Layouts with the fans that methods.md gives for them.
LAYOUTS = {
    "linear": (linear((300, 500)), 500, 300),
    "conv": (conv((64, 32, 3, 3)), 288, 576),
    "grouped": (conv((12, 2, 3, 3), groups=4), 18, 27),
    "depthwise": (conv((32, 1, 3, 3), groups=32), 9, 9),
    "transposed": (conv_transpose((8, 12, 4, 4), stride=2), 32, 192),
    "embedding": (embedding((1000, 64)), 1, 64),
    "bilinear": (bilinear((7, 5, 3)), 15, 21),
}


class TestScale:
    @pytest.mark.parametrize(("layout", "fan_in", "fan_out"), LAYOUTS.values(), ids=LAYOUTS)
    @each_case
    def test_std_is_the_formula(self, case, layout, fan_in, fan_out):
        expected = float(case.law(fan_in, fan_out).std())
        # methods.md gives twelve digits of what a cut leaves.
        assert_close(case.scheme.std(layout), expected, 1e-11, f"std of {case}")

    @pytest.mark.parametrize("name", ["linear", "conv"])
    @each_case
    def test_a_plain_weight_is_read_as_linear_or_conv(self, case, name):
        layout = LAYOUTS[name][0]
        plain = drawn(case.scheme, *layout.shape, name="w")
        assert_equal(plain, drawn(case.scheme, *layout.shape, name="w", layout=layout))

    @pytest.mark.parametrize("scheme", WITH_FANS, ids=repr)
    def test_a_given_layout_decides(self, scheme):
        layout = LAYOUTS["transposed"][0]
        right = drawn(scheme, *layout.shape, layout=layout)
        guessed = drawn(scheme, *layout.shape)
        std, guessed_std = scheme.std(layout), scheme.std(conv(layout.shape))
        assert abs(std / guessed_std - 1) > 0.05
        errors = (right.double() / std - guessed.double() / guessed_std).numpy()
        assert_errors_below(errors, 1e-6, f"{scheme!r} against the guess for a plain weight")

    # One chance of a false alarm for all checks of this test, three a case.
    RATE = 1e-6 / (3 * len(CASES))

    @each_case
    def test_numbers_follow_the_formula(self, case):
        layout = linear((500, 800))
        law = case.law(800, 500)
        sample = drawn(case.scheme, *layout.shape, seed=31, name="law").numpy().ravel()
        if isinstance(law, Constant):
            assert np.all(sample == np.float32(law.value))
            return
        mean, variance, _, excess = (float(m) for m in law.stats("mvsk"))
        std = math.sqrt(variance)
        assert_mean_of(sample, mean, std, self.RATE, f"mean of {case}")
        centred = sample.astype(np.float64) - mean
        assert_std(centred, std, float(excess) + 3, self.RATE, str(case))
        assert_follows(law.cdf(sample.astype(np.float64)), self.RATE, str(case))

    @each_case
    def test_no_number_leaves_the_support(self, case):
        law = case.law(800, 500)
        sample = drawn(case.scheme, 500, 800, seed=31, name="law").numpy().ravel()
        low, high = (law.value,) * 2 if isinstance(law, Constant) else law.support()
        slack = 1e-6 * max(abs(x) for x in (low, high, 1e-3) if math.isfinite(x))
        assert low - slack <= sample.min(), f"{sample.min()} is below {low}"
        assert sample.max() <= high + slack, f"{sample.max()} is above {high}"

    @pytest.mark.parametrize("scheme", WITH_FANS, ids=repr)
    def test_what_needs_fans_says_so(self, scheme):
        with pytest.raises(FanError, match="depends on the layout of the weight") as error:
            scheme.std()
        assert repr(scheme) in str(error.value)

    @pytest.mark.parametrize("scheme", WITHOUT_FANS, ids=repr)
    def test_what_needs_no_fans_has_one_std(self, scheme):
        assert scheme.std() == scheme.std(LAYOUTS["linear"][0])

    @pytest.mark.parametrize(
        ("scheme", "layout", "text"),
        [
            (he_normal(), linear((5, 0)), r"fan_in of a linear weight of shape \(5, 0\) is 0"),
            (he_normal(mode="fan_out"), linear((0, 5)), "fan_out of a linear weight"),
            (variance_scaling(mode="fan_geo_avg"), linear((0, 5)), "fan_geo_avg of a linear"),
            (xavier_normal(), linear((0, 0)), "fan_avg of a linear weight"),
        ],
        ids=str,
    )
    def test_a_fan_of_zero(self, scheme, layout, text):
        with pytest.raises(FanError, match=text):
            scheme.std(layout)


@pytest.fixture
def torch_threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


class TestBits:
    @each_scheme
    def test_any_number_of_threads(self, scheme, monkeypatch, torch_threads):
        bits = []
        for ours, torchs in ((1, 1), (2, 1), (3, 2), (7, 3)):
            monkeypatch.setenv("FANIN_NUM_THREADS", str(ours))
            torch_threads(torchs)
            bits.append(drawn(scheme, 1001, 1999, name="w"))
        for other in bits[1:]:
            assert_equal(other, bits[0], f"{scheme!r}")

    @each_float
    @each_scheme
    def test_a_type_is_the_float32_draw_rounded_once(self, scheme, dtype):
        shape = (311, 509)  # more than two windows of a fill, and a rest
        tensor = torch.empty(shape, dtype=dtype)
        assert_equal(scheme.init_(tensor, name="w"), drawn(scheme, *shape, name="w").to(dtype))

    def test_a_draw_needs_no_whole_tensor(self):
        """Element i is element i of the noise: a longer tensor begins with the shorter."""
        short, long = drawn(normal(), 1000, name="w"), drawn(normal(), 300, 700, name="w")
        assert_equal(long.view(-1)[:1000], short)

    @each_float
    @each_scheme
    def test_strides_change_no_element(self, scheme, dtype):
        expected = scheme.init_(torch.empty(30, 20, 5, 4, dtype=dtype), name="w")
        tensors = {
            "transposed": torch.empty(20, 30, 5, 4, dtype=dtype).transpose(0, 1),
            "permuted": torch.empty(4, 5, 20, 30, dtype=dtype).permute(3, 2, 1, 0),
            "channels last": torch.empty(30, 20, 5, 4, dtype=dtype).to(
                memory_format=torch.channels_last
            ),
            "every second": torch.empty(60, 20, 10, 4, dtype=dtype)[::2, :, 1::2],
            "a column": torch.empty(30, 20, 5, 4, 2, dtype=dtype)[..., 1],
        }
        for what, tensor in tensors.items():
            assert not tensor.is_contiguous(), what
            strides = tensor.stride()
            assert scheme.init_(tensor, name="w") is tensor
            assert tensor.stride() == strides
            assert_equal(tensor, expected, what)

    @each_float
    @each_scheme
    def test_neighbours_in_memory_stay(self, scheme, dtype):
        whole = torch.full((12, 20), 7.0, dtype=dtype)
        scheme.init_(whole[3:9, 1::2], layout=linear((6, 10)))
        touched = torch.zeros(12, 20, dtype=torch.bool)
        touched[3:9, 1::2] = True
        assert torch.all(whole[~touched] == 7)
        assert not torch.any(whole[touched] == 7)
        scheme.init_(whole[10], layout=linear((4, 5)))
        assert torch.all(whole[11] == 7)
        assert not torch.any(whole[10] == 7)

    @each_float
    @each_scheme
    @pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0), (3, 0, 3, 3)], ids=str)
    def test_nothing_to_draw(self, scheme, shape, dtype):
        tensor = torch.empty(shape, dtype=dtype)
        assert scheme.init_(tensor) is tensor
        assert tensor.shape == shape

    @each_float
    @each_scheme
    def test_a_single_number(self, scheme, dtype):
        number = torch.full((), 7.0, dtype=dtype)
        assert scheme.init_(number, layout=linear((20, 30)), name="w") is number
        first = drawn(scheme, 20, 30, name="w").to(dtype)[0, 0]
        assert_equal(number, first)

    @pytest.mark.parametrize("scheme", RANDOM, ids=repr)
    def test_names_and_seeds_give_other_numbers(self, scheme):
        one = drawn(scheme, 300, 500, name="a", seed=1).numpy().ravel()
        for options in ({"name": "b", "seed": 1}, {"name": "a", "seed": 2}, {}, {"seed": -1}):
            other = drawn(scheme, 300, 500, **options).numpy().ravel()
            rate = 1e-6 / (4 * len(RANDOM))
            assert_uncorrelated(one, other, rate, f"{scheme!r} with {options}")

    @each_scheme
    def test_drawing_twice_gives_the_same(self, scheme):
        first = drawn(scheme, 30, 50, name="a", seed=1)
        assert_equal(drawn(scheme, 30, 50, name="a", seed=1), first)
        assert_equal(scheme.init_(first.clone(), name="a", seed=1), first)
        assert_equal(drawn(scheme, 30, 50), drawn(scheme, 30, 50, seed=0, name=""))

    @pytest.mark.parametrize(
        "scheme",
        [
            xavier_normal(),
            xavier_normal(gain=3.0),
            lecun_normal(),
            normal(std=0.02),
            variance_scaling(2.0, "fan_out", "normal"),
        ],
        ids=repr,
    )
    def test_normals_of_one_name_are_multiples(self, scheme):
        layout = linear((300, 500))
        he, other = drawn(he_normal(), 300, 500, name="w"), drawn(scheme, 300, 500, name="w")
        ratio = (other.double() / he.double()).numpy() * (he_normal().std(layout))
        errors = ratio / scheme.std(layout) - 1
        assert_errors_below(errors, 4 * 2.0**-24, f"{scheme!r} as a multiple of he_normal()")

    @pytest.mark.parametrize("scheme", [xavier_uniform(), lecun_uniform(), uniform(-0.1, 0.1)])
    def test_uniforms_of_one_name_are_multiples(self, scheme):
        layout = linear((300, 500))
        he, other = drawn(he_uniform(), 300, 500, name="w"), drawn(scheme, 300, 500, name="w")
        difference = other.double() / scheme.std(layout) - he.double() / he_uniform().std(layout)
        # Near zero a uniform is a difference, so rounding is relative to its bound, sqrt(3).
        assert_errors_below(difference.numpy(), 4 * 2.0**-23, f"{scheme!r} and he_uniform()")

    @each_scheme
    def test_no_random_state_is_touched(self, scheme):
        def states() -> tuple[Any, ...]:
            _, keys, *rest = np.random.get_state()  # noqa: NPY002  the global one is meant
            return torch.get_rng_state().tolist(), keys.tolist(), rest, random.getstate()

        before = states()
        drawn(scheme, 300, 500)
        scheme.init_(torch.empty(30, 50, dtype=torch.bfloat16).t(), name="w")
        assert states() == before

    @each_scheme
    def test_no_random_state_is_heard(self, scheme):
        torch.manual_seed(1)
        np.random.seed(1)  # noqa: NPY002
        first = drawn(scheme, 30, 50)
        torch.manual_seed(2)
        np.random.seed(2)  # noqa: NPY002
        assert_equal(drawn(scheme, 30, 50), first)


def parameters() -> dict[str, Parameter]:
    values = torch.full((40, 30), 7.0)
    return {
        "float32": Parameter(values.clone()),
        "transposed": Parameter(values.clone().t()),
        "bfloat16": Parameter(values.to(torch.bfloat16)),
        "float64": Parameter(values.double()),
    }


MODES = {
    "grad": torch.enable_grad,
    "no grad": torch.no_grad,
    "inference": torch.inference_mode,
}


class TestAutograd:
    @pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
    @pytest.mark.parametrize("kind", parameters())
    @each_scheme
    def test_a_parameter_stays_a_leaf_without_gradient(self, scheme, kind, mode):
        parameter = parameters()[kind]
        with mode():
            assert scheme.init_(parameter, name="w") is parameter
        assert isinstance(parameter, Parameter)
        assert parameter.requires_grad
        assert parameter.is_leaf
        assert parameter.grad is None
        assert parameter.grad_fn is None
        plain = drawn(scheme, *parameter.shape, name="w").to(parameter.dtype)
        assert_equal(parameter.detach(), plain)
        parameter.sum().backward()
        assert torch.all(parameter.grad == 1)

    @each_scheme
    def test_a_gradient_that_is_there_stays(self, scheme):
        parameter = Parameter(torch.ones(4, 5))
        gradient = parameter.grad = torch.full((4, 5), 3.0)
        scheme.init_(parameter)
        assert parameter.grad is gradient
        assert torch.all(gradient == 3)

    @each_scheme
    def test_a_block_of_a_parameter_is_drawn_in_place(self, scheme):
        parameter = Parameter(torch.full((6, 5), 7.0))
        scheme.init_(parameter[2:4], name="q")
        assert_equal(parameter.detach()[2:4], drawn(scheme, 2, 5, name="q"))
        assert torch.all(parameter[:2] == 7)
        assert torch.all(parameter[4:] == 7)

    @each_scheme
    def test_a_tensor_of_inference_mode(self, scheme):
        with torch.inference_mode():
            tensor = torch.empty(4, 5, dtype=torch.bfloat16)
            scheme.init_(tensor, name="w")
        assert_equal(tensor.clone(), drawn(scheme, 4, 5, name="w").bfloat16())

    def test_the_mode_of_autograd_is_as_before(self):
        for enabled in (True, False):
            with torch.set_grad_enabled(enabled):
                drawn(normal(), 3)
                assert torch.is_grad_enabled() is enabled


class TestTexts:
    @pytest.mark.parametrize(
        ("text", "scheme"),
        [
            ("zeros", zeros()),
            ("ones", ones()),
            ("constant:0.1", constant(0.1)),
            ("constant:-3", constant(-3.0)),
            ("normal", normal()),
            ("normal:0.01", normal(std=0.01)),
            ("normal:1e-2", normal(std=0.01)),
            ("uniform", uniform(0.0, 1.0)),
            ("uniform:0.1", uniform(-0.1, 0.1)),
            ("truncated_normal:0.02", truncated_normal(std=0.02)),
            ("variance_scaling:2", variance_scaling(2.0)),
            ("xavier_normal", xavier_normal()),
            ("xavier_uniform:1.5", xavier_uniform(gain=1.5)),
            ("he_normal:0.2", he_normal(negative_slope=0.2)),
            ("kaiming_uniform", he_uniform()),
            ("kaiming_normal:0.2", he_normal(negative_slope=0.2)),
            ("glorot_normal:2", xavier_normal(gain=2.0)),
            ("lecun_normal", lecun_normal()),
            ("  He_Normal : 0.2 ", he_normal(negative_slope=0.2)),
        ],
    )
    def test_texts(self, text, scheme):
        assert by_name(text) == scheme

    @pytest.mark.parametrize("name", [name for name in SCHEMES if name != "constant"])
    def test_a_name_alone_is_the_scheme_without_arguments(self, name):
        assert by_name(name) == SCHEMES[name]()

    @pytest.mark.parametrize(
        ("text", "nearest"),
        [
            ("he_norml", "he_normal"),
            ("He-Normal", "he_normal"),
            ("kaimin_uniform", "kaiming_uniform"),
            ("xavier", "xavier_normal"),
            ("glorot_norm:2", "glorot_normal"),
            ("zero", "zeros"),
            ("trunc_normal", "truncated_normal"),
        ],
    )
    def test_misspelt_names_are_offered_the_nearest(self, text, nearest):
        with pytest.raises(UnknownNameError) as error:
            by_name(text)
        assert nearest in error.value.near
        name = text.partition(":")[0]
        assert error.value.name == name
        assert str(error.value).startswith(f"no scheme is called '{name}'. Did you mean ")
        assert nearest in str(error.value)

    @pytest.mark.parametrize("text", ["", ":0.1", "qqq"])
    def test_a_name_like_no_other_is_told_all(self, text):
        with pytest.raises(UnknownNameError, match="Known: constant, glorot_normal, ") as error:
            by_name(text)
        assert error.value.near == ()
        assert all(name in str(error.value) for name in [*SCHEMES, *ALIASES])

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("constant", "scheme 'constant' needs its value, e.g. 'constant:0.1'"),
            ("normal:", "the std of scheme 'normal' must be a number, got ''"),
            ("normal:big", "the std of scheme 'normal' must be a number, got 'big'"),
            ("normal:0.1:2", "the std of scheme 'normal' must be a number, got '0.1:2'"),
            ("he_uniform:0,2", "the negative_slope of scheme 'he_uniform' must be a number"),
            ("uniform:x", "the bound of scheme 'uniform' must be a number, got 'x'"),
            ("ones:3", "scheme 'ones' takes no argument, got 'ones:3'"),
            ("zeros:", "scheme 'zeros' takes no argument, got 'zeros:'"),
            ("lecun_normal:2", "scheme 'lecun_normal' takes no argument, got 'lecun_normal:2'"),
            ("normal:-1", "std must not be negative, got -1.0"),
            ("normal:nan", "std must be a finite number within the range of float32, got nan"),
            ("constant:inf", "value must be a finite number within the range of float32, got inf"),
            ("uniform:-0.1", "-0.1"),
            ("xavier_normal:-1", "gain must lie between 0 and 1e+18, got -1.0"),
            ("he_normal:inf", "negative_slope must lie between -1e+18 and 1e+18, got inf"),
            ("variance_scaling:-2", "scale must lie between 0 and 1e+18, got -2.0"),
            ("truncated_normal:-2", "must not be negative, got -2.0"),
        ],
    )
    def test_arguments_that_do_not_fit(self, text, message):
        with pytest.raises(InputError) as error:
            by_name(text)
        assert message in str(error.value)
        assert not isinstance(error.value, UnknownNameError)

    @pytest.mark.parametrize(
        ("make", "text"),
        [
            (
                lambda: constant(math.nan),
                "value must be a finite number within the range of float32, got nan",
            ),
            (lambda: normal(std=-1.0), "std must not be negative"),
            (
                lambda: normal(mean=INF),
                "mean must be a finite number within the range of float32, got inf",
            ),
            (lambda: uniform(1.0, 0.0), r"\(1\.0\) is above .*\(0\.0\)"),
            (lambda: truncated_normal(low=2.0, high=-2.0), r"low \(2\.0\) must be below high"),
            (lambda: truncated_normal(low=13.0, high=14.0), "at most 12.5 can be sampled"),
            (lambda: variance_scaling(-1.0), "scale must lie between 0 and"),
            (lambda: variance_scaling(mode="fan_on"), "no mode is called 'fan_on'.*fan_in"),
            (lambda: variance_scaling(distribution="gauss"), "no distribution is called 'gauss'"),
            (lambda: xavier_uniform(gain=math.nan), "gain must lie between 0 and"),
            (lambda: he_normal(negative_slope=math.nan), "negative_slope must lie between"),
            (lambda: he_normal(mode="fan in"), "no mode is called 'fan in'.*fan_in"),
        ],
    )
    def test_schemes_that_do_not_exist(self, make, text):
        with pytest.raises(InputError, match=text):
            make()


def sparse() -> Tensor:
    return torch.full((3, 4), 7.0).to_sparse()


def dense(tensor: Tensor) -> Tensor:
    return tensor.to_dense() if tensor.is_sparse else tensor


class TestRefusedTensors:
    @pytest.mark.parametrize(
        ("make", "text"),
        [
            (lambda: torch.full((3, 4), 7), "has type torch.int64; a scheme can draw float32, "),
            (lambda: torch.full((3, 4), 7, dtype=torch.uint8), "has type torch.uint8"),
            (lambda: torch.full((3, 4), True), "has type torch.bool"),
            (lambda: torch.full((3, 4), 7 + 0j), "has type torch.complex64"),
            (sparse, r"is sparse \(torch.sparse_coo\); a scheme draws dense tensors"),
            (
                lambda: torch.full((3, 1), 7.0).expand(3, 4),
                r"is a view whose elements share memory .* Give it .*: tensor\.contiguous\(\)$",
            ),
            (
                lambda: torch.full((), 7.0, dtype=torch.bfloat16).expand(3, 4),
                "is a view whose elements share memory",
            ),
            (
                lambda: torch.zeros(6).unfold(0, 3, 1),
                "is a view whose elements share memory",
            ),
            (
                lambda: torch.ones(1, dtype=torch.complex64).conj().imag,
                "is a lazily negated view",
            ),
        ],
    )
    @each_scheme
    def test_a_tensor_that_cannot_be_drawn_stays(self, scheme, make, text):
        tensor = make()
        with pytest.raises(InputError, match=f"^the tensor {text}"):
            scheme.init_(tensor)
        with pytest.raises(InputError, match=f"^tensor 'fc.weight' {text}"):
            scheme.init_(tensor, name="fc.weight")
        assert_equal(dense(tensor), dense(make()))

    @each_scheme
    def test_a_tensor_without_memory(self, scheme):
        with pytest.raises(InputError, match=r"is on the meta device.*to_empty\(device='cpu'\)"):
            scheme.init_(torch.empty(3, 4, device="meta"))

    @pytest.mark.parametrize("value", [None, [1.0], np.ones(3, np.float32), 3.0], ids=repr)
    @each_scheme
    def test_what_is_no_tensor(self, scheme, value):
        kind = type(value).__name__
        with pytest.raises(InputError, match=f"the tensor must be a torch.Tensor, got {kind}"):
            scheme.init_(value)

    @pytest.mark.parametrize("shape", [(), (5,), (1,) * 6], ids=str)
    @pytest.mark.parametrize("scheme", WITH_FANS, ids=repr)
    def test_a_tensor_without_fans_stays(self, scheme, shape):
        tensor = torch.full(shape, 7.0)
        with pytest.raises(FanError, match="no fan_in for shape"):
            scheme.init_(tensor)
        assert torch.all(tensor == 7)

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"seed": 0.5}, "seed must be an integer, got 0.5"),
            ({"seed": True}, "seed must be an integer, got True"),
            ({"seed": 2**127}, "seed has 128 bits"),
            ({"name": 3}, "a stream's name is a string, not int"),
        ],
        ids=str,
    )
    @each_scheme
    def test_a_wrong_seed_or_name_draws_nothing(self, scheme, options, text):
        tensor = torch.full((3, 4), 7.0)
        with pytest.raises(InputError, match=text):
            scheme.init_(tensor, **options)
        assert torch.all(tensor == 7)

    @each_scheme
    def test_an_axis_of_one_may_have_any_stride(self, scheme):
        tensor = torch.empty(6).as_strided((1, 6), (0, 1))
        assert_equal(scheme.init_(tensor, name="w"), drawn(scheme, 1, 6, name="w"))


def test_a_scheme_of_ones_own_needs_a_law_only():
    """The battery's subject from outside: what AbstractScheme asks of a subclass."""

    @attrs.frozen(repr=False)
    class halves(AbstractScheme):
        name, formula, use, citation = "halves", "w = 1/2", "tests", "here, 2024"

        def law(self, layout: Layout | None) -> Any:
            class Half:
                mean, std = 0.5, 0.0

                def fill(self, out: np.ndarray, stream: Stream, start: int) -> None:
                    out.fill(0.5)

            return Half()

    assert repr(halves()) == "halves()"
    assert halves().std() == 0.0
    assert_equal(drawn(halves(), 3), torch.full((3,), 0.5))


class TestAutogradKnows:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    @each_scheme
    def test_a_value_saved_for_backward_is_known_to_be_stale(self, scheme, dtype):
        weight = torch.nn.Parameter(torch.ones(3, 3, dtype=dtype))
        product = (weight * weight).sum()
        scheme.init_(weight)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            product.backward()


class TestNumbers:
    @pytest.mark.parametrize(
        ("make", "text"),
        [
            (lambda: normal(std="a"), "std must be a number, got 'a'"),
            (lambda: normal(mean=None), "mean must be a number, got None"),
            (lambda: normal(std=True), "std must be a number, got True"),
            (lambda: xavier_normal(gain="tanh"), "gain must be a number, got 'tanh'"),
            (lambda: he_normal("relu"), "negative_slope must be a number, got 'relu'"),
            (lambda: constant([1]), r"value must be a number, got \[1\]"),
            (lambda: normal(std=1e300), "std must be a finite number within the range of float32"),
            (lambda: uniform(-3e38, 3e38), "width must be a finite number within the range"),
            (lambda: uniform(1, 0), r"a \(1.0\) is above b \(0.0\)"),
            (lambda: truncated_normal(std=-2), "std must not be negative, got -2.0"),
            (lambda: by_name("uniform:-0.1"), "bound of scheme 'uniform' must not be negative"),
            (lambda: by_name(3), "a scheme is named by a text such as 'he_normal', got 3"),
            (lambda: truncated_normal(low=1.0, high=1 + 1e-9), "are one number in float32"),
        ],
    )
    def test_what_is_no_number_is_refused_by_the_name_of_its_field(self, make, text):
        with pytest.raises(InputError, match=text):
            make()

    def test_numbers_of_numpy_become_pythons(self):
        scheme = truncated_normal(std=np.float64(0.1), low=np.float32(-2), high=3)
        assert repr(scheme) == "truncated_normal(std=0.1, high=3.0)"

    def test_uniform_never_reaches_its_upper_bound(self):
        """Element 1,194,257 of this stream rounds up to 2 without a limit."""
        for name in ("w2", "a", "b"):
            drawn = uniform(1.0, 2.0).init_(torch.empty(4_000_000), name=name)
            assert drawn.max() < 2.0
            assert drawn.max() > 2.0 - 1e-5
        assert uniform(0.5, 0.5).init_(torch.empty(9)).eq(0.5).all()


def test_a_wrong_name_in_the_module_offers_the_nearest_right_ones():
    with pytest.raises(AttributeError, match=r"no scheme 'he_norml'\. Did you mean he_normal"):
        _ = schemes.he_norml
    assert not hasattr(schemes, "__path_that_is_not_there__")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_long_tensor_of_any_type_in_inference_mode(dtype, monkeypatch):
    """Long enough for two threads, which do not inherit the mode."""
    monkeypatch.setenv("FANIN_NUM_THREADS", "2")
    expected = normal().init_(torch.empty(600_000, dtype=dtype), name="w")
    with torch.inference_mode():
        drawn = normal().init_(torch.empty(600_000, dtype=dtype), name="w")
        assert drawn.equal(expected)


@pytest.mark.parametrize("layout", ["linear", (3, 4)])
def test_what_is_no_layout_is_refused(layout):
    with pytest.raises(FanError, match="depends on the layout of the weight"):
        he_normal().init_(torch.empty(3, 4), layout=layout)
