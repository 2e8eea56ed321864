"""Fit trainability and test it on networks that the fit did not see.

``python -m benchmarks.trainability.fit`` reads the outcomes of ``benchmarks.corpus`` and
``benchmarks.corpus.sampled``, writes ``src/fanin/diagnosis/trainability.json`` and prints AUC,
by strata too, and the calibration. A third of the networks, by a hash of their name, is kept
apart: the coefficients come from the others.
"""

from __future__ import annotations

import argparse
import itertools
import json
import warnings
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.metrics import roc_auc_score

import fanin
from benchmarks.corpus.case import Case, built
from benchmarks.corpus.cases import gathered
from benchmarks.corpus.labels import read
from benchmarks.corpus.sampled import LABELS as SAMPLED
from benchmarks.corpus.sampled import sampled
from fanin.diagnosis.measures import Measures
from fanin.diagnosis.trainability import features

TARGET = Path(fanin.__file__).parent / "diagnosis" / "trainability.json"
PENALTY = 0.3
BINS = (0.0, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0)
DEPTHS = ((1, 6), (7, 14), (15, 100))


@dataclass(frozen=True)
class Point:
    """One network: what a check saw, and what training showed."""

    case: Case
    learns: bool
    features: dict[str, float]
    finite: bool

    @property
    def is_kept_apart(self) -> bool:
        return zlib.crc32(self.case.name.encode()) % 3 == 0


def points() -> list[Point]:
    """Every network whose outcome is known."""
    labels = read()
    known = [(case, labels[case.name]["learns"]) for case in gathered() if case.name in labels]
    drawn = json.loads(SAMPLED.read_text())
    known += [(sampled(int(key)), drawn[key]["learns"]) for key in sorted(drawn, key=int)]
    return [point for case, learns in track(known, "checking") if (point := _point(case, learns))]


def _point(case: Case, learns: bool) -> Point | None:
    model = built(case, 0)
    model.train()
    inputs, targets = case.task.batch(77, case.check_size or case.task.size)
    loss = case.task.loss if case.loss else None
    try:
        report = fanin.check(model, inputs, targets if case.loss else None, loss=loss)
    except Exception as error:  # noqa: BLE001 - said, and left out
        print(f"left out: {case.name}: {error!r}"[:200])
        return None
    finite = all(one.kind != "nonfinite" for one in report.findings)
    return Point(case, learns, features(Measures(report.observation), report.findings), finite)


def fitted(chosen: Sequence[Point]) -> dict[str, float]:
    """Coefficients of a ridge logistic model, none above zero: a feature never speaks for."""
    names = list(chosen[0].features)
    x = np.array([[point.features[name] for name in names] for point in chosen])
    y = np.array([point.learns for point in chosen], dtype=float)

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        z = w[0] + x @ w[1:]
        gap = expit(z) - y
        value = np.logaddexp(0, z).sum() - (y * z).sum() + PENALTY * (w[1:] ** 2).sum()
        return value, np.concatenate([[gap.sum()], x.T @ gap + 2 * PENALTY * w[1:]])

    start = np.zeros(len(names) + 1)
    bounds = [(None, None), *[(None, 0.0)] * len(names)]
    made = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B")
    return {
        "intercept": round(float(made.x[0]), 4),
        **{n: round(float(v), 4) for n, v in zip(names, made.x[1:], strict=True)},
    }


def estimate(point: Point, weights: dict[str, float]) -> float:
    if not point.finite:
        return 0.0
    total = weights["intercept"] + sum(weights[n] * v for n, v in point.features.items())
    return float(expit(total))


def auc(chosen: Iterable[Point], weights: dict[str, float]) -> float | None:
    own = list(chosen)
    outcomes = [point.learns for point in own]
    if len(set(outcomes)) < 2:
        return None
    return float(roc_auc_score(outcomes, [estimate(point, weights) for point in own]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry", action="store_true", help="write nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    console = Console(width=100, highlight=False)
    every = points()
    kept = [point for point in every if point.is_kept_apart]
    used = [point for point in every if not point.is_kept_apart]
    weights = fitted([point for point in used if point.finite])
    shown = {
        "fitted on": len(used), "tested on": len(kept),
        "auc": {
            "fitted": _rounded(auc(used, weights)), "kept apart": _rounded(auc(kept, weights)),
        },
        "strata": strata(kept, weights),
        "calibration": calibration(kept, weights),
    }  # fmt: skip
    console.print_json(json.dumps(shown))
    table = Table("feature", "coefficient")
    for name, value in weights.items():
        table.add_row(name, f"{value:.3f}")
    console.print(table)
    worst = sorted(kept, key=lambda p: -abs(estimate(p, weights) - p.learns))[:15]
    for point in worst:
        own = {k: round(v, 2) for k, v in point.features.items() if v}
        console.print(
            f"{point.case.name}: learns {point.learns}, {estimate(point, weights):.2f} {own}",
            markup=False,
        )
    if not options.dry:
        TARGET.write_text(json.dumps({"coefficients": weights, "shown": shown}, indent=1) + "\n")


def strata(kept: Sequence[Point], weights: dict[str, float]) -> dict[str, list[float | int | None]]:
    """AUC and size within each wiring, norm and range of depth."""
    groups: dict[str, list[Point]] = {}
    for point in kept:
        low, high = next(pair for pair in DEPTHS if point.case.depth <= pair[1])
        for name in (
            f"wiring {point.case.wiring}", f"norm {point.case.norm}", f"depth {low}-{high}",
        ):  # fmt: skip
            groups.setdefault(name, []).append(point)
    return {
        name: [_rounded(auc(own, weights)), len(own), sum(not p.learns for p in own)]
        for name, own in sorted(groups.items())
    }


def calibration(kept: Sequence[Point], weights: dict[str, float]) -> list[dict[str, float]]:
    """Of the networks in each range of the estimate: how many, the mean of it, and who learned."""
    rows = []
    for low, high in itertools.pairwise(BINS):
        own = [
            p for p in kept
            if low <= estimate(p, weights) < high or (high == 1.0 and estimate(p, weights) == 1.0)
        ]  # fmt: skip
        if own:
            rows.append(
                {
                    "from": low, "to": high, "networks": len(own),
                    "estimated": round(float(np.mean([estimate(p, weights) for p in own])), 3),
                    "learned": round(sum(p.learns for p in own) / len(own), 3),
                }
            )  # fmt: skip
    return rows


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


if __name__ == "__main__":
    main()
