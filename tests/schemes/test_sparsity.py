"""sparse: exactly k incoming weights a unit, anywhere with equal chance, normal.

One chance of a false alarm, ``FALSE_ALARM``, is divided evenly among the random checks.
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy import stats

from fanin.fans import conv, conv_transpose, experts, linear, packed, transposed_linear
from fanin.schemes import sparse
from tests.claims import assert_close, assert_follows, assert_p_value, assert_uncorrelated
from tests.schemes.subjects import drawn, of_layout

FALSE_ALARM = 1e-6
CHECKS = 10
RATE = FALSE_ALARM / CHECKS


class TestCounts:
    @pytest.mark.parametrize("k", [0, 1, 3, 15, 99, 100])
    def test_every_unit_has_k_inputs(self, k):
        weight = drawn(sparse(k=k), 200, 100)
        assert (weight != 0).sum(1).unique().tolist() == [k]
        assert_close(sparse(k=k, std=0.3).std(linear((200, 100))), 0.3 * math.sqrt(k / 100), 1e-12)

    def test_a_unit_with_fewer_inputs_has_all(self):
        weight = drawn(sparse(k=15), 50, 7)
        assert (weight != 0).all()
        assert_close(sparse(k=15).std(linear((50, 7))), 1.0, 1e-12, "std")

    @pytest.mark.parametrize(
        ("fraction", "inputs", "nonzero"),
        [(0.3, 17, 6), (0.5, 10, 5), (0.0, 10, 0), (1.0, 10, 10), (0.001, 10, 1)],
    )
    def test_a_fraction_is_rounded_up(self, fraction, inputs, nonzero):
        weight = drawn(sparse(fraction=fraction), 40, inputs)
        assert (weight != 0).sum(1).unique().tolist() == [nonzero]

    def test_a_unit_of_a_convolution_has_k_among_its_taps(self):
        weight = drawn(sparse(k=5), 30, 4, 3, 3)
        assert (weight != 0).flatten(1).sum(1).unique().tolist() == [5]
        grouped = of_layout(sparse(k=5), conv((12, 2, 3), groups=4))
        assert (grouped != 0).flatten(1).sum(1).unique().tolist() == [5]
        transposed = of_layout(sparse(k=5), conv_transpose((6, 12, 3)))
        assert (transposed != 0).sum((0, 2)).unique().tolist() == [5]

    def test_units_lie_along_the_out_axis_of_the_layout(self):
        assert (of_layout(sparse(k=2), transposed_linear((20, 9))) != 0).sum(0).unique() == 2
        assert (of_layout(sparse(k=2), experts((3, 20, 9))) != 0).sum(1).unique() == 2

    def test_blocks_have_places_of_their_own(self):
        weight = of_layout(sparse(k=4), packed(linear((96, 64)), 3)) != 0
        assert weight.sum(1).unique().tolist() == [4]
        first, second, third = weight.split(32)
        assert not first.equal(second)
        assert not second.equal(third)

    def test_many_units_are_made_in_parts_that_do_not_show(self):
        """A longer weight begins with the shorter one."""
        short, long = drawn(sparse(k=7), 2000, 30, name="w"), drawn(sparse(k=7), 9000, 30, name="w")
        assert short.equal(long[:2000])


SIZE, K, COUNT = 12, 4, 20_000


@pytest.fixture(scope="module")
def weight() -> np.ndarray:
    return drawn(sparse(k=K, std=0.2), COUNT, SIZE, name="places").numpy()


class TestPlaces:
    def test_every_input_is_as_likely(self, weight):
        """Counts of places that do not repeat: their covariance makes it chi-square, size - 1."""
        counts = (weight != 0).sum(0)
        share = K / SIZE
        variance = COUNT * share * (1 - share) * SIZE / (SIZE - 1)
        statistic = float(np.square(counts - COUNT * share).sum() / variance)
        law = stats.chi2(SIZE - 1)
        p = 2 * min(law.sf(statistic), law.cdf(statistic))
        assert_p_value(p, RATE, "chi-square of the inputs' counts")

    def test_every_set_of_inputs_is_as_likely(self):
        places = drawn(sparse(k=3), COUNT, 6, name="sets").numpy() != 0
        sets = dict.fromkeys(combinations(range(6), 3), 0)
        for row in places:
            sets[tuple(np.flatnonzero(row).tolist())] += 1
        p = float(stats.chisquare(list(sets.values())).pvalue)
        assert_p_value(p, RATE, "chi-square of the sets' counts")

    def test_neighbouring_units_choose_apart(self, weight):
        overlaps = ((weight[:-1] != 0) & (weight[1:] != 0)).sum(1)
        law = stats.hypergeom(SIZE, K, K)
        expected = law.pmf(range(K + 1)) * len(overlaps)
        found = np.bincount(overlaps, minlength=K + 1)
        assert_p_value(float(stats.chisquare(found, expected).pvalue), RATE, "overlaps")

    def test_values_are_normal_wherever_they_are(self, weight):
        values = weight[weight != 0].astype(np.float64)
        assert values.size == COUNT * K
        assert_follows(stats.norm(0, 0.2).cdf(values), RATE, "values")
        of_first = weight[:, 0][weight[:, 0] != 0].astype(np.float64)
        assert_follows(stats.norm(0, 0.2).cdf(of_first), RATE, "values of the first input")

    def test_values_know_nothing_of_places(self, weight):
        rows, columns = np.nonzero(weight)
        values = weight[rows, columns].astype(np.float64)
        assert_uncorrelated(values, columns.astype(np.float64), RATE, "values and places")
        assert_uncorrelated(
            np.abs(values), columns.astype(np.float64), RATE, "magnitudes and places"
        )

    def test_another_seed_chooses_other_places(self, weight):
        other = drawn(sparse(k=K), COUNT, SIZE, name="places", seed=1).numpy() != 0
        mine = (weight != 0).astype(np.float64)
        assert_uncorrelated(mine.ravel(), other.astype(np.float64).ravel(), RATE, "places")


def test_nonzero_values_are_rounded_once():
    wide, narrow = drawn(sparse(k=3), 40, 30), torch.empty(40, 30, dtype=torch.bfloat16)
    assert sparse(k=3).init_(narrow).equal(wide.bfloat16())
