"""Whether the numbers follow the laws they are drawn from, and what the laws say of themselves.

One chance of a false alarm, ``FALSE_ALARM``, is divided evenly among all random checks of the
file. Sums are taken as normal; at these sample sizes this changes no rate by more than a
small factor.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import mpmath
import numpy as np
import pytest
from scipy import special, stats

from fanin.errors import InputError
from fanin.noise import (
    Constant,
    Distribution,
    Normal,
    TruncatedNormal,
    Uniform,
    kernels,
    normal,
    truncated_normal,
    uniform,
)
from fanin.noise.gaussian import truncated_moments
from tests.claims import (
    assert_close,
    assert_errors_below,
    assert_follows,
    assert_mean_of,
    assert_p_value,
    assert_z_score,
)
from tests.noise.groups import normals_of

INF = math.inf
COUNT = 4_000_000
KEYS, KEY_COUNT = 60, 200_000

FALSE_ALARM = 1e-6
EDGES = (1e-2, 1e-3, 1e-4)
SIGMAS = (4.0, 4.5, 5.0, 7.0)
CHECKS_A_LAW = 1 + 4 + 2 * len(EDGES)
CHECKS_OVER_KEYS = 4
CHECKS_FAR_OUT = 6
RATE = FALSE_ALARM / (7 * CHECKS_A_LAW + len(SIGMAS) + 3 * CHECKS_OVER_KEYS + CHECKS_FAR_OUT)


@dataclass(frozen=True)
class Law:
    """A distribution as scipy and mpmath know it.

    ``below`` and ``above`` are P(X < x) and P(X > x), each exact where it is small.
    """

    draw: Callable[[int, str, int, int], np.ndarray]
    density: Callable[[mpmath.mpf], mpmath.mpf]
    ends: tuple[float, ...]
    below: Callable[[np.ndarray], np.ndarray]
    above: Callable[[np.ndarray], np.ndarray]

    def expectation(self, f: Callable[[mpmath.mpf], mpmath.mpf]) -> mpmath.mpf:
        """Of f(X), by quadrature. The density needs no factor, it is divided by its sum."""
        with mpmath.workdps(40):
            total = mpmath.quad(self.density, self.ends)
            return mpmath.quad(lambda x: f(x) * self.density(x), self.ends) / total

    @cached_property
    def mean(self) -> float:
        return float(self.expectation(lambda x: x))

    @cached_property
    def std(self) -> float:
        mean = self.expectation(lambda x: x)
        return float(mpmath.sqrt(self.expectation(lambda x: (x - mean) ** 2)))

    @cached_property
    def moments(self) -> list[float]:
        """Of (X - mean) / std, the orders 0 to 8."""
        return [
            float(self.expectation(lambda x, k=k: ((x - self.mean) / self.std) ** k))
            for k in range(9)
        ]


def truncated(low: float, high: float) -> Law:
    inside = float(
        mpmath.ncdf(-low) - mpmath.ncdf(-high) if low > 0 else mpmath.ncdf(high) - mpmath.ncdf(low)
    )
    # A factor exp(-nearest^2 / 2) less, so that quadrature meets numbers near 1.
    nearest = mpmath.mpf(max(low, -high, 0.0))
    first, last = max(low, -20.0), min(high, 20.0)
    return Law(
        lambda *window: truncated_normal(*window, low, high),
        lambda z: mpmath.exp((nearest**2 - z * z) / 2),
        tuple(np.linspace(first, last, 17).tolist()),
        # In a tail above 0 the difference of cumulative probabilities would lose all digits.
        (lambda z: (special.ndtr(-low) - special.ndtr(-z)) / inside)
        if low > 0
        else (lambda z: (special.ndtr(z) - special.ndtr(low)) / inside),
        (lambda z: (special.ndtr(-z) - special.ndtr(-high)) / inside),
    )


LAWS = {
    "uniform": Law(uniform, lambda u: mpmath.mpf(1), (0.0, 1.0), lambda u: u, lambda u: 1 - u),
    "normal": dataclasses.replace(truncated(-INF, INF), draw=normal),
    "within -2, 2": truncated(-2.0, 2.0),
    "within -3, 0.5": truncated(-3.0, 0.5),
    "within 5, 6": truncated(5.0, 6.0),
    "above 2": truncated(2.0, INF),
    "within -0.001, 0.001": truncated(-0.001, 0.001),
}


def assert_moment(sample: np.ndarray, law: Law, order: int) -> None:
    """Of the standardised sample; its standard error comes from the law's own moments."""
    m = law.moments
    powers = ((sample.astype(np.float64) - law.mean) / law.std) ** order
    std = math.sqrt(m[2 * order] - m[order] ** 2)
    assert_mean_of(powers, m[order], std, RATE, f"moment {order}")


def assert_count(count: int, n: int, probability: float, what: str) -> None:
    """How many of n fall where one falls with this probability; binomial, both sides."""
    binomial = stats.binom(n, probability)
    p = min(1.0, 2 * float(min(binomial.cdf(count), binomial.sf(count - 1))))
    assert_p_value(p, RATE, f"{count} instead of {n * probability:.4g} {what}")


def assert_edges(sample: np.ndarray, law: Law) -> None:
    """How many lie within the lowest and the highest hundredth, thousandth, ..."""
    z = sample.astype(np.float64)
    below, above = law.below(z), law.above(z)
    for edge in EDGES:
        assert_count(int((below < edge).sum()), z.size, edge, f"in the lowest {edge}")
        assert_count(int((above < edge).sum()), z.size, edge, f"in the highest {edge}")


def assert_extremes(sample: np.ndarray) -> None:
    """How many normals lie beyond 4, 4.5, 5 and 7 standard deviations."""
    magnitudes = np.abs(sample)
    for sigma in SIGMAS:
        probability = 2 * float(special.ndtr(-sigma))
        assert_count(int((magnitudes > sigma).sum()), sample.size, probability, f"beyond {sigma}")


@pytest.fixture(scope="module")
def normals() -> np.ndarray:
    sample = normal(20, "planted", 0, COUNT)
    sample.flags.writeable = False
    return sample


class TestLaws:
    @pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
    def test_four_million_numbers_follow_the_law(self, law):
        sample = law.draw(20, "law", 0, COUNT)
        for order in (1, 2, 3, 4):
            assert_moment(sample, law, order)
        assert_edges(sample, law)
        assert_follows(law.below(sample.astype(np.float64)), RATE, "the sample")

    def test_extremes_of_the_normal(self, normals):
        assert_extremes(normals)

    @pytest.mark.parametrize("name", ["normal", "uniform", "within -2, 2"])
    def test_mean_and_variance_over_sixty_keys(self, name):
        """A small lack that one key hides: the keys' deviations add up, or spread too much."""
        law = LAWS[name]
        n = math.sqrt(KEY_COUNT)
        means, variances = [], []
        for seed in range(KEYS):
            sample = law.draw(seed, f"key {seed % 7}", 0, KEY_COUNT).astype(np.float64)
            y = (sample - law.mean) / law.std
            means.append(y.mean() * n)
            variances.append((np.square(y).mean() - 1) * n / math.sqrt(law.moments[4] - 1))
        for what, z in (("mean", np.array(means)), ("variance", np.array(variances))):
            assert_z_score(z.sum() / math.sqrt(KEYS), RATE, f"{what} over {KEYS} keys")
            squares = float(np.square(z).sum())
            p = 2 * min(stats.chi2.cdf(squares, KEYS), stats.chi2.sf(squares, KEYS))
            assert_p_value(float(p), RATE, f"spread {squares:.1f} of {what} over {KEYS} keys")


def plant(sample: np.ndarray, *values: float) -> np.ndarray:
    return np.concatenate([sample[: sample.size - len(values)], np.float32(values)])


class TestPower:
    """Defects that the checks must find, each about as small as they can."""

    def test_two_outliers(self, normals):
        with pytest.raises(AssertionError, match=r"2 instead of 1\.024e-05 beyond 7"):
            assert_extremes(plant(normals, 7.5, -8.0))

    def test_a_tail_that_ends_too_early(self, normals):
        with pytest.raises(AssertionError, match=r"0 instead of 27\.18 beyond 4\.5"):
            assert_extremes(np.clip(normals, -4.5, 4.5))

    @pytest.mark.parametrize(
        ("order", "defect"),
        [
            (1, lambda z: z + np.float32(0.0035)),
            (2, lambda z: z * np.float32(0.9975)),
            (3, lambda z: z + np.float32(0.0025) * (z * z - 1)),
            (4, lambda z: np.clip(z, -3.2, 3.2)),
        ],
        ids=["shifted", "narrow", "skewed", "cut"],
    )
    def test_a_moment_that_is_off(self, normals, order, defect):
        with pytest.raises(AssertionError, match=f"^moment {order}"):
            assert_moment(defect(normals), LAWS["normal"], order)

    def test_too_coarse_a_grid(self, normals):
        with pytest.raises(AssertionError, match="Kolmogorov-Smirnov"):
            assert_follows(special.ndtr(np.round(normals * 100) / 100), RATE, "hundredths")

    def test_an_edge_that_is_twice_as_rare(self, normals):
        kept = np.where(normals > 3.8, np.float32(0), normals)
        with pytest.raises(AssertionError, match=r"in the highest 0\.0001"):
            assert_edges(kept, LAWS["normal"])


class TestSupport:
    def test_uniforms_are_multiples_of_2_to_the_minus_24_from_0_to_below_1(self):
        steps = uniform(0, "support", 0, COUNT).astype(np.float64) * 2**24
        assert np.array_equal(steps, np.floor(steps))
        assert 0 <= steps.min() < 100
        assert 2**24 - 100 < steps.max() < 2**24

    def test_normals_end_at_the_quantile_of_the_last_word(self, normals):
        assert 5 < np.abs(normals).max() <= 6.337959

    @pytest.mark.parametrize(
        ("low", "high"), [(-2.0, 2.0), (-3.0, 0.5), (5.0, 6.0), (2.0, INF), (-0.001, 0.001)]
    )
    def test_no_number_lies_beyond_its_bounds(self, low, high):
        z = truncated_normal(0, "support", 0, COUNT, low, high)
        assert z.min() >= np.float32(low)
        assert z.max() <= np.float32(high)

    @pytest.mark.parametrize(
        ("low", "high", "ends"), [(12.5, INF, 13.2), (12.0, 12.5, 12.5), (8.0, INF, 10.5)]
    )
    def test_the_farthest_intervals_are_filled(self, low, high, ends):
        for z in (
            truncated_normal(0, "far", 0, 100_000, low, high),
            -truncated_normal(0, "far", 0, 100_000, -high, -low),
        ):
            assert np.all(np.isfinite(z))
            assert low <= z.min() < z.max() <= ends
            mean, std = truncated_moments(low, high)
            assert_mean_of(z, mean, std, RATE, f"mean within {(low, high)}")


# The documented relative error of the quantile.
QUANTILE_ERROR = 7e-7
TAIL_WORDS = 4198408


def quantile_errors(magnitudes: np.ndarray) -> np.ndarray:
    """Relative errors of z for words by their 31 bits of magnitude, against scipy in float64."""
    out = normals_of(magnitudes.astype(np.uint32))
    x = (magnitudes + 0.5) * 2.0**-31
    rest = (2**31 - 1 - magnitudes + 0.5) * 2.0**-31
    exact = np.where(x < 0.5, math.sqrt(2) * special.erfinv(x), -special.ndtri(rest / 2))
    return out / exact - 1


def tail_exactly(s: float) -> mpmath.mpf:
    """The z >= 0 of a given 1 - x^2, by mpmath."""
    with mpmath.workdps(60):
        exact = mpmath.mpf(s)
        rest = exact / (1 + mpmath.sqrt(1 - exact))
        guess = -special.ndtri(float(rest) / 2)
        return mpmath.findroot(
            lambda z: mpmath.log(mpmath.erfc(z / mpmath.sqrt(2)) / rest), mpmath.mpf(guess)
        )


class TestQuantile:
    def test_every_word_of_the_tail(self):
        ends = 2**31 - 1 - np.arange(TAIL_WORDS, dtype=np.int64)
        assert_errors_below(quantile_errors(ends), QUANTILE_ERROR, "quantile beyond 3.097")

    def test_words_of_the_centre(self):
        even = np.linspace(0, 2**31 - TAIL_WORDS - 1, 2_000_000).astype(np.int64)
        assert_errors_below(quantile_errors(even), QUANTILE_ERROR, "quantile up to 3.097")

    def test_words_of_every_magnitude(self):
        small = np.unique(2.0 ** np.linspace(0, 31, 200_000) - 1).astype(np.int64)
        words = np.minimum(np.concatenate([small, 2**31 - 1 - small]), 2**31 - 1)
        assert_errors_below(quantile_errors(words), QUANTILE_ERROR, "quantile")

    def test_tails_that_only_a_truncated_normal_reaches(self):
        s = (2.0 ** np.linspace(-126, -8.001, 3000)).astype(np.float32)
        z = np.array([kernels.tail(value) for value in s], np.float64)
        rest = s / (1 + np.sqrt(1 - s.astype(np.float64)))
        assert_errors_below(z / -special.ndtri(rest / 2) - 1, QUANTILE_ERROR, "tail")

    @pytest.mark.parametrize("exponent", [-126, -100, -60, -31, -24, -16, -9])
    def test_scipy_can_serve_as_the_reference(self, exponent):
        s = 2.0**exponent * 1.25
        exact = float(tail_exactly(s))
        assert_close(-special.ndtri(s / (1 + math.sqrt(1 - s)) / 2), exact, 1e-13, "scipy's z")
        assert_close(float(kernels.tail(np.float32(s))), exact, QUANTILE_ERROR, "z")

    def test_moments_over_the_words_themselves(self):
        """No chance is left here: an even walk over all words integrates the law."""
        step = 512
        middles = np.arange(step // 2, 2**31, step, dtype=np.int64).astype(np.uint32)
        z = normals_of(middles).astype(np.float64)
        assert_close(float(np.abs(z).mean()), math.sqrt(2 / math.pi), 1e-7, "mean of |z|")
        assert_close(float((z**2).mean()), 1.0, 5e-7, "mean of z^2")
        assert_close(float((z**4).mean()), 3.0, 1e-5, "mean of z^4")


INTERVALS = [
    (-2.0, 2.0),
    (-1.0, 1.0),
    (-3.0, 3.0),
    (-3.0, 0.5),
    (5.0, 6.0),
    (2.0, INF),
    (-INF, -4.0),
    (-0.001, 0.001),
    (12.0, 12.5),
    (3.0, 3.0001),
    (0.0, 1e-5),
    (-INF, INF),
]


class TestMoments:
    @pytest.mark.parametrize(("low", "high"), INTERVALS)
    def test_truncated_moments_equal_quadrature_to_the_last_digit(self, low, high):
        law = truncated(low, high)
        mean, std = truncated_moments(low, high)
        if low == -high:
            assert mean == 0.0
        else:
            assert_close(mean, law.mean, 3e-16, "mean")
        assert_close(std, law.std, 3e-16, "std")

    @pytest.mark.parametrize(
        ("low", "high"), [(-2.0, 2.0), (-1.0, 1.0), (-3.0, 0.5), (5.0, 6.0), (2.0, INF)]
    )
    def test_truncated_moments_equal_those_of_scipy(self, low, high):
        scipy = stats.truncnorm(low, high)
        mean, std = truncated_moments(low, high)
        assert abs(mean - scipy.mean()) < 1e-12
        assert_close(std, float(scipy.std()), 1e-11, "std")

    @pytest.mark.parametrize(
        ("cut", "std"), [(1.0, 0.539560093755), (2.0, 0.879625661034240), (3.0, 0.986578392558)]
    )
    def test_the_published_narrowing(self, cut, std):
        assert_close(truncated_moments(-cut, cut)[1], std, 1e-12, f"std within {cut}")

    @pytest.mark.parametrize(("low", "high"), INTERVALS)
    def test_a_truncated_normal_shifts_and_scales_them(self, low, high):
        mean, std = truncated_moments(low, high)
        law = TruncatedNormal(0.25, 0.02, low, high)
        assert law.mean == pytest.approx(0.25 + 0.02 * mean, rel=1e-15)
        assert law.std == pytest.approx(0.02 * std, rel=1e-15)

    @pytest.mark.parametrize(
        ("law", "mean", "std"),
        [
            (Constant(0.3), 0.3, 0.0),
            (Uniform(-0.5, 1.5), 0.5, 2 / math.sqrt(12)),
            (Uniform(0.0, 1.0), 0.5, 1 / math.sqrt(12)),
            (Normal(), 0.0, 1.0),
            (Normal(-0.1, 0.02), -0.1, 0.02),
            (TruncatedNormal(), 0.0, 0.8796256610342398),
        ],
        ids=repr,
    )
    def test_every_law_knows_its_mean_and_std(self, law, mean, std):
        assert isinstance(law, Distribution)
        assert law.mean == pytest.approx(mean, rel=1e-15)
        assert law.std == pytest.approx(std, rel=1e-15)

    @pytest.mark.parametrize(
        "law", [Constant(0.3), Uniform(0.0, 1.0), Normal(), TruncatedNormal()], ids=repr
    )
    def test_every_law_is_a_frozen_value(self, law):
        assert law == dataclasses.replace(law)
        assert hash(law) == hash(dataclasses.replace(law))
        field = dataclasses.fields(law)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(law, field, 2.0)


class TestRefusals:
    @pytest.mark.parametrize(
        ("make", "text"),
        [
            (
                lambda: Constant(math.nan),
                "value must be a finite number within the range of float32, got nan",
            ),
            (
                lambda: Constant(INF),
                "value must be a finite number within the range of float32, got inf",
            ),
            (
                lambda: Uniform(-INF, 0.0),
                "low must be a finite number within the range of float32, got -inf",
            ),
            (
                lambda: Uniform(0.0, math.nan),
                "high must be a finite number within the range of float32, got nan",
            ),
            (lambda: Uniform(1.0, 0.5), r"low \(1\.0\) is above high \(0\.5\)"),
            (
                lambda: Normal(math.nan),
                "mean must be a finite number within the range of float32, got nan",
            ),
            (
                lambda: Normal(0.0, INF),
                "std must be a finite number within the range of float32, got inf",
            ),
            (lambda: Normal(0.0, -0.1), r"std must not be negative, got -0\.1"),
            (
                lambda: TruncatedNormal(INF),
                "loc must be a finite number within the range of float32, got inf",
            ),
            (lambda: TruncatedNormal(scale=-1.0), r"scale must not be negative, got -1\.0"),
            (lambda: TruncatedNormal(low=1.0, high=1.0), r"low \(1\.0\) must be below high"),
            (lambda: TruncatedNormal(low=2.0, high=1.0), r"low \(2\.0\) must be below high"),
            (lambda: TruncatedNormal(low=math.nan), r"low \(nan\) must be below high"),
            (
                lambda: TruncatedNormal(low=12.6, high=INF),
                r"\[12\.6, inf\] begins 12\.6 standard deviations from the mean; at most 12\.5",
            ),
            (
                lambda: TruncatedNormal(low=-20.0, high=-12.6),
                r"\[-20\.0, -12\.6\] begins 12\.6 standard deviations from the mean",
            ),
            (lambda: truncated_normal(0, "", 0, 3, 2.0, -2.0), r"low \(2\.0\) must be below"),
        ],
    )
    def test_laws_that_do_not_exist(self, make, text):
        with pytest.raises(InputError, match=text):
            make()
