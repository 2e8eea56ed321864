"""Checks: what counts as seen, as seen to be wrong, and as not decided."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fanin.guide.checks import above, alike, below, better, exactly, number, verdict, within

SAMPLES = st.lists(st.floats(-100, 100), min_size=2, max_size=12)


@given(SAMPLES, st.floats(-100, 100))
def test_below_and_above_are_met_as_scipy_s_interval_says(
    values: list[float], limit: float
) -> None:
    mean = sum(values) / len(values)
    error = float(stats.sem(values))
    reach = error * float(stats.t.ppf(0.975, len(values) - 1))
    low, high = (mean - reach, mean + reach) if reach > 0 else (min(values), max(values))
    if min(abs(low - limit), abs(high - limit)) < 1e-6:
        return
    assert below("x", values, limit).met == (high < limit)
    assert above("x", values, limit).met == (low > limit)
    assert below("x", values, limit).decided == (high < limit or low > limit)


@given(SAMPLES, st.floats(-100, 100), st.floats(0.001, 100))
def test_within_is_met_only_where_neither_side_is_crossed(
    values: list[float], low: float, width: float
) -> None:
    check = within("x", values, low, low + width)
    if check.met:
        assert not below("x", values, low).met
        assert not above("x", values, low + width).met
        assert check.decided


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=10), st.floats(-3, 3))
def test_a_difference_counts_on_the_same_seeds(noise: list[float], shift: float) -> None:
    ours = [value + shift for value in noise]
    check = better("x", ours, noise, by=0.5)
    assert check.met == (shift > 0.5) or math.isclose(shift, 0.5, abs_tol=1e-6)
    assert alike("x", ours, noise, 0.5).met == (abs(shift) < 0.5) or math.isclose(
        abs(shift), 0.5, abs_tol=1e-6
    )


def test_values_over_decades_are_averaged_by_their_logarithm() -> None:
    values = [1e-18, 1e-16, 1e-17]
    assert below("ratio", values, 1e-12, decades=True).met
    assert "1e-17" in below("ratio", values, 1e-12, decades=True).shown


def test_a_vanished_value_counts_as_below_and_a_diverged_one_as_above() -> None:
    assert below("ratio", [0.0, 1e-20], 1e-6, decades=True).met
    assert above("loss", [math.inf, math.inf], 10.0).met
    assert not below("loss", [1.0, math.inf], 10.0).met


def test_what_is_no_number_decides_nothing() -> None:
    check = below("loss", [1.0, math.nan], 10.0)
    assert (check.met, check.decided) == (False, False)


def test_one_value_is_its_own_interval() -> None:
    assert below("x", [1.0], 2.0).met
    assert below("x", [1.0], 2.0).shown == "1"


def test_exactly_means_to_the_last_bit() -> None:
    assert exactly("difference", [0.0, 0.0], 0.0).met
    check = exactly("difference", [0.0, 1e-30], 0.0)
    assert (check.met, check.decided, check.shown) == (False, True, "1e-30")


def test_pairs_must_be_pairs() -> None:
    with pytest.raises(ValueError, match="2 values of one and 3 of the other are no pairs"):
        better("x", [1, 2], [1, 2, 3])


def test_the_verdict_is_refuted_by_a_core_that_is_seen_to_be_wrong() -> None:
    met, failed = below("x", [1, 1.1, 0.9], 2.0), above("x", [1, 1.1, 0.9], 2.0)
    reach = above("x", [1, 1.1, 0.9], 2.0, scope=True)
    open_ = below("x", [1, 3, 2], 2.0)
    assert verdict([met]) == "supported"
    assert verdict([met, reach]) == "qualified"
    assert verdict([met, open_]) == "qualified"
    assert verdict([failed, met]) == "refuted"
    assert verdict([reach, failed]) == "refuted"
    with pytest.raises(ValueError, match="core"):
        verdict([reach])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1e-18, "1e-18"), (0.98765, "0.988"), (12345.6, "12,346"), (3e11, "3e+11"),
     (math.inf, "inf")],
)  # fmt: skip
def test_numbers_are_told_short(value: float, text: str) -> None:
    assert number(value) == text
