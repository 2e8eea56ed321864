"""Promises about scale. Random numbers are judged twice, the second time by fresh ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from fanin.errors import FanError
from fanin.noise import Constant, Distribution, Normal, TruncatedNormal, Uniform
from fanin.schemes import IndependentScheme
from fanin.testing.case import Case, Complaints, Sample
from fanin.testing.layouts import HUGE

# Checks of one sample: its mean, its mean square, rows against rows; and names against names.
_CHECKS = 4
# Float32, and sums of it, round; a scheme that sums orthonormal rows is right up to this.
_ROUNDING = 1e-5
_EPSILON = 2.0**-23

Draws = NDArray[np.float64]


def finite_for_any_fans(case: Case) -> Complaints:
    for layout in (case.layout, *HUGE):
        try:
            std: object = case.scheme.std(layout)
        except NotImplementedError:
            return
        except FanError as error:
            if layout is case.layout:
                yield f"std refuses the layout that init_ draws ({error})"
            continue
        if not isinstance(std, Real) or not 0 <= float(std) < math.inf:
            yield (
                f"std is {std!r} for fan_in {layout.fan_in:g} and fan_out {layout.fan_out:g} "
                f"of a {layout.op} weight"
            )


def as_std_says(case: Case) -> Complaints:
    try:
        std = float(case.scheme.std(case.layout))
    except NotImplementedError:
        return
    law = _known_law(case)
    if law is None:
        yield from _twice(case, lambda sample, level: _general(case, sample, std, level))
    else:
        yield from _twice(case, lambda sample, level: _independent(sample, law, std, level))


def unlike_other_names(case: Case) -> Complaints:
    if not case.shares_noise:
        yield from _twice(case, _correlation_of_names)


def _twice(case: Case, complaints: Callable[[Sample, float], Complaints]) -> Complaints:
    """The complaint of a second, larger sample, if there was one of the first, too.

    Each check has the level sqrt(rate) / 4, so both samples of a right scheme have complaints
    with a chance of less than its rate.
    """
    level = math.sqrt(case.rate) / _CHECKS
    if next(complaints(case.sample, level), None):
        again = next(complaints(case.new_sample("second", 4), level), None)
        if again:
            yield again


def _known_law(case: Case) -> tuple[Distribution, float] | None:
    """The law of all elements and its kurtosis, where they are known."""
    if not isinstance(case.scheme, IndependentScheme) or case.layout.blocks:
        return None
    law = case.scheme.law(case.layout)
    if isinstance(law, Normal):
        return law, 3.0
    if isinstance(law, Uniform):
        return law, 1.8
    if isinstance(law, Constant):
        return law, 1.0
    if isinstance(law, TruncatedNormal):
        from scipy import stats

        excess = float(stats.truncnorm(law.low, law.high).stats(moments="k"))
        # Far out in a tail the formula has no digits left.
        return (law, 3.0 + excess) if -2.0 <= excess <= 6.0 else None
    return None


def _independent(
    sample: Sample, known: tuple[Distribution, float], std: float, level: float
) -> Complaints:
    from scipy import special

    law, kurtosis = known
    z = -float(special.ndtri(level / 2))
    draws = np.concatenate(sample) - law.mean
    # First, as what follows supposes it.
    products = draws[1:] * draws[:-1]
    score = float(products.sum()) / max(float(np.square(draws).mean()), 1e-300)
    if law.std > 0 and not abs(score) <= z * math.sqrt(products.size):
        errors = score / math.sqrt(products.size)
        yield f"draws of different seeds are correlated ({errors:+.1f} standard errors)"
    count = draws.size
    mean, square = float(draws.mean()), float(np.square(draws).mean())
    rounding = _EPSILON * abs(law.mean)
    allowed = z * std / math.sqrt(count) + rounding
    if not abs(mean) <= allowed:
        yield f"the mean of {count} numbers is {mean:.3g} off {law.mean:g} (allowed {allowed:.3g})"
    slack = (z * math.sqrt((kurtosis - 1) / count) + _ROUNDING) * std**2 + rounding**2
    if not abs(square - std**2) <= slack:
        yield _wrong_scale(std, square, slack, f"about the mean {law.mean:g}")


def _general(case: Case, sample: Sample, std: float, level: float) -> Complaints:
    draws = sample.one if case.shares_noise else np.concatenate(sample)
    rounding = (_EPSILON * float(np.abs(draws).max(initial=0.0))) ** 2
    measures = {
        "about 0": np.square(draws).mean(1),
        "about the mean of all": np.square(draws - draws.mean()).mean(1),
        "each about its own mean": np.square(draws[::2] - draws[1::2]).mean(1) / 2,
    }
    found = {}
    for what, squares in measures.items():
        square, error = float(squares.mean()), _student(squares, level)
        if abs(square - std**2) <= error + _ROUNDING * std**2 + rounding:
            return
        found[what] = square, error
    what = min(found, key=lambda what: abs(found[what][0] - std**2))
    yield _wrong_scale(std, *found[what], what)


def _wrong_scale(std: float, square: float, error: float, about: str) -> str:
    measured = math.sqrt(square)
    half = error / (2 * measured) if measured else 0.0
    return f"std says {std:.6g} and the RMS of the elements {about} is {measured:.6g} +- {half:.2g}"


def _correlation_of_names(sample: Sample, level: float) -> Complaints:
    # In the difference of two seeds what both have in common, and so no covariance, is gone.
    one, other = (draws[::2] - draws[1::2] for draws in sample)
    products = (one * other).mean(1)
    if not abs(float(products.mean())) <= _student(products, level):
        scale = math.sqrt(float(np.square(one).mean() * np.square(other).mean()))
        correlation = float(products.mean()) / scale
        yield f"the draws of two names have a correlation of {correlation:+.3f}"


def _student(values: Draws, level: float) -> float:
    """How far the mean of independent values may be off, judged by their own spread."""
    from scipy import stats

    spread = float(np.std(values, ddof=1)) / math.sqrt(values.size)
    return float(stats.t.isf(level / 2, values.size - 1)) * spread
