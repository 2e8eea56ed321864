"""What decides a claim: measured values against a threshold that was set beforehand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import stats

Verdict = Literal["supported", "qualified", "refuted"]
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that follows from a claim, and whether it was seen.

    Args:
        what: is measured, in words.
        shown: what was measured: the mean, its interval, how many values.
        wanted: the threshold in words.
        met: whether the whole interval lies on the side that the claim says.
        decided: whether the interval lies on one side at all.
        scope: whether it asks how far the claim reaches, instead of its core.
    """

    what: str
    shown: str
    wanted: str
    met: bool
    decided: bool
    scope: bool


def verdict(checks: Sequence[Check]) -> Verdict:
    """Refuted where the core is seen to be wrong, supported where everything is met.

    In between, qualified: the core holds and its reach does not, or too few seeds tell.
    """
    core = [check for check in checks if not check.scope]
    if not core:
        raise ValueError("a claim needs a check of its core")
    if any(check.decided and not check.met for check in core):
        return "refuted"
    return "supported" if all(check.met for check in checks) else "qualified"


def below(
    what: str, values: Sequence[float], limit: float, *, decades: bool = False, scope: bool = False
) -> Check:
    """The mean over seeds is below a limit, with its whole 95 % interval.

    Args:
        what: is measured.
        values: one a seed.
        limit: the threshold.
        decades: whether the values spread over decades, so that their logarithms are averaged.
        scope: whether it asks how far the claim reaches.
    """
    return _one_sided(what, values, limit, decades, scope, sign=1)


def above(
    what: str, values: Sequence[float], limit: float, *, decades: bool = False, scope: bool = False
) -> Check:
    """The mean over seeds is above a limit, with its whole 95 % interval; see ``below``."""
    return _one_sided(what, values, limit, decades, scope, sign=-1)


def within(
    what: str, values: Sequence[float], low: float, high: float, *, decades: bool = False,
    scope: bool = False,
) -> Check:  # fmt: skip
    """The mean over seeds lies between two limits, with its whole 95 % interval."""
    least, greatest = _interval(values, decades)
    met = low <= least and greatest <= high
    decided = met or greatest < low or least > high
    return Check(
        what, _shown(values, decades), f"{number(low)} to {number(high)}", met, decided, scope
    )


def exactly(what: str, values: Sequence[float], value: float, *, scope: bool = False) -> Check:
    """Every value is this one, to the last bit."""
    met = all(one == value for one in values)
    worst = max(values, key=lambda one: abs(one - value))
    shown = f"{number(value)} each of {len(values)} times" if met else f"{number(worst)}"
    return Check(what, shown, f"exactly {number(value)}", met, True, scope)


def better(
    what: str, ours: Sequence[float], others: Sequence[float], *, by: float = 0.0,
    scope: bool = False,
) -> Check:  # fmt: skip
    """Ours exceed the others' by more than a margin on the same seeds (paired t, 95 %).

    Args:
        what: is measured, e.g. ``"accuracy, He minus Xavier"``.
        ours, others: one a seed, in the same order.
        by: the margin.
        scope: whether it asks how far the claim reaches.
    """
    return _one_sided(what, _differences(ours, others), by, False, scope, sign=-1)


def alike(
    what: str, ours: Sequence[float], others: Sequence[float], margin: float, *, scope: bool = False
) -> Check:
    """The paired difference lies within a margin (two one-sided tests, 5 % each).

    References:
        Schuirmann, A comparison of the two one-sided tests procedure and the power approach
        for assessing the equivalence of average bioavailability, 1987.
    """
    differences = _differences(ours, others)
    least, greatest = _interval(differences, decades=False, confidence=0.9)
    met = -margin < least and greatest < margin
    decided = met or least > margin or greatest < -margin
    return Check(
        what, _shown(differences, decades=False, confidence=0.9), f"within ±{number(margin)}",
        met, decided, scope,
    )  # fmt: skip


def unlike(
    what: str, ours: Sequence[float], others: Sequence[float], margin: float, *, scope: bool = False
) -> Check:
    """The paired difference lies beyond a margin, on either side; the opposite of ``alike``."""
    same = alike(what, ours, others, margin, scope=scope)
    wanted = f"beyond ±{number(margin)}"
    return replace(same, wanted=wanted, met=same.decided and not same.met)


def number(value: float) -> str:
    """A number as a reader wants it: three digits, no exponent where none is needed."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:.3g}" if not 1e4 <= abs(value) < 1e6 else f"{value:,.0f}"


def _one_sided(
    what: str, values: Sequence[float], limit: float, decades: bool, scope: bool, sign: int
) -> Check:
    least, greatest = _interval(values, decades)
    side = greatest < limit if sign > 0 else least > limit
    other = least >= limit if sign > 0 else greatest <= limit
    wanted = f"{'below' if sign > 0 else 'above'} {number(limit)}"
    return Check(what, _shown(values, decades), wanted, side, side or other, scope)


def _differences(ours: Sequence[float], others: Sequence[float]) -> list[float]:
    if len(ours) != len(others):
        raise ValueError(f"{len(ours)} values of one and {len(others)} of the other are no pairs")
    return [a - b for a, b in zip(ours, others, strict=True)]


def _interval(
    values: Sequence[float], decades: bool, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Student's interval of the mean; with what is not finite, the extremes themselves."""
    array = np.asarray(values, np.float64)
    if not array.size or np.isnan(array).any():
        return -math.inf, math.inf
    if decades:
        with np.errstate(divide="ignore"):
            array = np.log10(array)
    if len(array) == 1 or not np.isfinite(array).all() or np.ptp(array) == 0:
        least, greatest = float(array.min()), float(array.max())
    else:
        mean, error = float(array.mean()), float(stats.sem(array))
        reach = error * float(stats.t.ppf((1 + confidence) / 2, len(array) - 1))
        least, greatest = mean - reach, mean + reach
    return (_power(least), _power(greatest)) if decades else (least, greatest)


def _power(exponent: float) -> float:
    return math.inf if exponent > 308 else 10.0**exponent


def _shown(values: Sequence[float], decades: bool, confidence: float = CONFIDENCE) -> str:
    if len(values) == 1:
        return number(values[0])
    array = np.asarray(values, np.float64)
    if np.isnan(array).any():
        return "not a number"
    if decades:
        with np.errstate(divide="ignore"):
            mean = _power(float(np.log10(array).mean()))
    else:
        mean = float(array.mean())
    least, greatest = _interval(values, decades, confidence)
    if least == greatest:
        return f"{number(mean)} (n = {len(values)})"
    return f"{number(mean)} ({number(least)} to {number(greatest)}, n = {len(values)})"
