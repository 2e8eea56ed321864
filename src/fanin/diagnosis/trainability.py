"""Trainability: a calibrated estimate that a network learns at some ordinary learning rate."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from fanin.diagnosis.finding import Finding
from fanin.diagnosis.measures import Measures
from fanin.diagnosis.rules.saturation import both_sides, stuck_share
from fanin.diagnosis.trend import opens_later, trend

_CERTAIN = 1e-3


def trainability(measures: Measures, findings: Sequence[Finding]) -> float:
    """Probability in [0, 1], by a logistic model of ``features``.

    Its coefficients were fitted by benchmarks/trainability/fit.py on networks that were trained
    and hold for networks that the fit did not see: docs/check.md has the calibration.
    """
    if measures.gets_nothing or any(
        one.kind == "nonfinite" and one.severity == "error" for one in findings
    ):
        return _CERTAIN
    weights = _coefficients()
    found = features(measures, findings)
    total = weights["intercept"] + sum(weights.get(n, 0.0) * value for n, value in found.items())
    estimate = 1 / (1 + math.exp(-min(max(total, -30.0), 30.0)))
    return min(max(estimate, _CERTAIN), 1 - _CERTAIN)


def features(measures: Measures, findings: Sequence[Finding]) -> dict[str, float]:
    """What the estimate is made of: each is 0 where nothing speaks against training.

    Decades beyond a point from which nothing is lost, shares, and whether rules found something.
    """
    seen = trend(measures)
    known = [one for one in (seen.reach, seen.head_reach) if one is not None]
    reach = max(known) if measures.hidden and known else 1.0
    shut = opens_later(measures)  # what a zero hides shows after one step
    varying = seen.varying if measures.observation.examples_differ and not shut else None
    first_reach = None if shut else seen.first_reach
    units = [one.units for one in measures.observation.signals if one.units is not None]
    stuck = [max(stuck_share(gate), both_sides(gate)) for gate in measures.observation.gates]
    errors = sum(one.severity == "error" for one in findings)
    return {
        "reach below 1e-2": _below(reach, 1e-2, 8),
        "first reach below 1e-3": _below(first_reach, 1e-3, 8),
        "varying below 1e-3": _below(varying, 1e-3, 9),
        "growth above 5": _above(seen.growth, 5.0, 5),
        "sensitivity above 10": _above(seen.sensitivity, 10.0, 5),
        "loss above 2": _above(measures.loss_ratio, 2.0, 5),
        "saturated": max(
            (u.flat for u in units if u.two_sided and u.flat is not None), default=0.0
        ),
        "dead": max(
            (
                ((u.dead or 0) - (u.always or 0)) / u.count
                for u in units
                if u.silent and u.count > 1
            ),
            default=0.0,
        ),
        "gates": max(stuck, default=0.0),
        "recurrent reach above 10": _above(_recurrent_reach(measures), 10.0, 5),
        "alike": 1.0 - min((t.distinct / t.count for t in measures.observation.twins), default=1.0),
        "plain depth above 8": _above(float(_plain_depth(measures)), 8.0, 1),
        "an error": float(errors > 0),
        "a warning": float(len(findings) > errors),
    }


def _plain_depth(measures: Measures) -> int:
    """Weights that no skip passes by."""
    return len({w.name for w in measures.hidden if w.use.branch is None and w.use.layout})


def _recurrent_reach(measures: Measures) -> float | None:
    heads = [weight.reach for weight in measures.heads if weight.reach]
    own = [w.reach for w in measures.weights if w.use.recurrent and w.reach]
    return max(own) / max(heads) if heads and own else None


def _below(value: float | None, start: float, most: float) -> float:
    """Decades below a number, at most so many."""
    if value is None or value >= start:
        return 0.0
    return min(-math.log10(max(value, 1e-45) / start), most)


def _above(value: float | None, start: float, most: float) -> float:
    if value is None or value <= start:
        return 0.0
    return most if value == math.inf else min(math.log10(value / start), most)


@cache
def _coefficients() -> Mapping[str, float]:
    text = files("fanin.diagnosis").joinpath("trainability.json").read_text()
    found: Mapping[str, float] = json.loads(text)["coefficients"]
    return found
