"""Schemes of independent elements: their laws, and that element i is element i of the noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fanin.errors import FanError
from fanin.fans import conv, linear
from fanin.schemes import (
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
    normal,
    siren,
    spectral,
    torch_default,
    uniform,
    variance_scaling,
    xavier_normal,
    xavier_uniform,
)
from tests.claims import (
    assert_close,
    assert_errors_below,
    assert_follows,
    assert_mean_of,
    assert_std,
    assert_uncorrelated,
)
from tests.schemes.subjects import (
    CASES,
    LAYOUTS,
    RANDOM,
    WITH_FANS,
    WITHOUT_FANS,
    Constant,
    assert_equal,
    drawn,
    each_case,
    each_float,
    each_independent,
)


class TestScale:
    @pytest.mark.parametrize(
        ("case", "kind"), [(case, kind) for case in CASES for kind in case.kinds], ids=str
    )
    def test_std_is_the_formula(self, case, kind):
        layout, fan_in, fan_out = LAYOUTS[kind]
        expected = float(case.law(fan_in, fan_out).std())
        # methods.md gives twelve digits of what a cut leaves.
        assert_close(case.scheme.std(layout), expected, 1e-11, f"std of {case}")

    @pytest.mark.parametrize("name", ["linear", "conv"])
    @each_case
    def test_a_plain_weight_is_read_as_linear_or_conv(self, case, name):
        """By schemes that need a layout; the others ask nothing."""
        layout = LAYOUTS[name][0]
        plain = drawn(case.scheme, *layout.shape, name="w")
        assert_equal(plain, drawn(case.scheme, *layout.shape, name="w", layout=layout))

    # torch counts the inputs of every kernel on axis 1, so its default has nothing to decide.
    @pytest.mark.parametrize(
        "scheme", [s for s in WITH_FANS if not isinstance(s, torch_default)], ids=repr
    )
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
            (siren(), linear((5, 0)), r"fan_in of a linear weight of shape \(5, 0\) is 0"),
            (spectral(), linear((0, 5)), r"a linear weight of shape \(0, 5\) has a fan of 0"),
        ],
        ids=str,
    )
    def test_a_fan_of_zero(self, scheme, layout, text):
        with pytest.raises(FanError, match=text):
            scheme.std(layout)


class TestBits:
    @each_independent
    def test_any_number_of_threads(self, scheme, monkeypatch):
        bits = []
        for threads in (1, 2, 7):
            monkeypatch.setenv("FANIN_NUM_THREADS", str(threads))
            bits.append(drawn(scheme, 1001, 1999, name="w"))
        for other in bits[1:]:
            assert_equal(other, bits[0], f"{scheme!r}")

    @each_float
    @each_independent
    def test_a_type_is_the_float32_draw_rounded_once(self, scheme, dtype):
        shape = (311, 509)  # more than two windows of a fill, and a rest
        tensor = torch.empty(shape, dtype=dtype)
        assert_equal(scheme.init_(tensor, name="w"), drawn(scheme, *shape, name="w").to(dtype))

    def test_a_draw_needs_no_whole_tensor(self):
        """Element i is element i of the noise: a longer tensor begins with the shorter."""
        short, long = drawn(normal(), 1000, name="w"), drawn(normal(), 300, 700, name="w")
        assert_equal(long.view(-1)[:1000], short)

    @each_float
    @each_independent
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

    @pytest.mark.parametrize(
        "scheme", [xavier_uniform(), lecun_uniform(), uniform(-0.1, 0.1)], ids=repr
    )
    def test_uniforms_of_one_name_are_multiples(self, scheme):
        layout = linear((300, 500))
        he, other = drawn(he_uniform(), 300, 500, name="w"), drawn(scheme, 300, 500, name="w")
        difference = other.double() / scheme.std(layout) - he.double() / he_uniform().std(layout)
        # Near zero a uniform is a difference, so rounding is relative to its bound, sqrt(3).
        assert_errors_below(difference.numpy(), 4 * 2.0**-23, f"{scheme!r} and he_uniform()")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_long_tensor_of_any_type_in_inference_mode(dtype, monkeypatch):
    """Long enough for two threads, which do not inherit the mode."""
    monkeypatch.setenv("FANIN_NUM_THREADS", "2")
    expected = normal().init_(torch.empty(600_000, dtype=dtype), name="w")
    with torch.inference_mode():
        drawn = normal().init_(torch.empty(600_000, dtype=dtype), name="w")
        assert drawn.equal(expected)
