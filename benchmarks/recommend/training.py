"""Trainings to the level of a task, and the choice of a learning rate among few."""

from __future__ import annotations

import copy
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

import fanin
from benchmarks.corpus.case import Case, built
from benchmarks.corpus.training import call
from benchmarks.recommend.records import Record
from fanin.errors import FaninError

RATES = (1e-3, 3e-3, 3e-4)
"""Of Adam. The middle one first: of two rates that are equally fast it is taken."""
SMOOTHING = 0.8
FIRST_JUDGED = 4
LEAST_BATCH = 32


class DoesNotApplyError(Exception):
    """A recipe refuses a model.

    Args:
        ended: "does not apply" or "failed", as in ``Record``.
        message: of the error.
    """

    def __init__(self, ended: str, message: str) -> None:
        super().__init__(message)
        self.ended = ended


def batch_of(case: Case, seed: int, step: int, size: int | None = None) -> tuple[Any, Any]:
    """The batch of one step: a matter of seed and step, and of no recipe."""
    return case.task.batch(seed * 100_003 + step, size or case.task.size)


def prepared(case: Case, recipe: str, seed: int) -> nn.Module:
    """The network as its user builds it, then with the recipe.

    Raises:
        DoesNotApplyError: the recipe refuses, or has a bug.
    """
    model = built(case, seed)
    model.train()
    if recipe == "default":
        return model
    inputs, targets = batch_of(case, seed, 0, max(case.task.size, LEAST_BATCH))
    try:
        fanin.init_(model, recipe, inputs=inputs, targets=targets, loss=case.task.loss, seed=seed)
    except FaninError as error:
        raise DoesNotApplyError("does not apply", str(error)) from error
    except Exception as error:
        raise DoesNotApplyError("failed", f"{type(error).__name__}: {error}") from error
    return model


def trained(case: Case, model: nn.Module, rate: float, seed: int, most: int) -> dict[str, Any]:
    """Train a copy of the network for at most this many steps; stops at the level.

    Returns:
        ``ended``, ``at`` and ``share`` of a ``Record``.
    """
    model = copy.deepcopy(model)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=rate, fused=True)
    task = case.task
    smooth: float | None = None
    least = math.inf
    torch.manual_seed(seed + 1000)
    ended, at = ("cap" if most >= case.steps else "cut"), most
    for step in range(most):
        inputs, targets = batch_of(case, seed, step)
        loss = task.loss(call(model, inputs), targets)
        value = float(loss.detach())
        if not math.isfinite(value):
            ended, at = "nan", step + 1
            break
        smooth = value if smooth is None else SMOOTHING * smooth + (1 - SMOOTHING) * value
        if step >= FIRST_JUDGED:
            least = min(least, smooth)
            if smooth <= task.level * task.baseline:
                ended, at = "level", step + 1
                break
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    share = least / task.baseline if math.isfinite(least) else None
    return {"ended": ended, "at": at, "share": share}


Train = Callable[[float, int, int], Record]


def explored(train: Train, seeds: Sequence[int], cap: int, rates: Iterable[float] = RATES) -> None:
    """Train all that is needed to know the rate with the best median, and its steps per seed.

    A rate after the first is trained only as far as it could still have the better median, and
    no further seeds of it once most of them are no better; where it is the better one, the seeds
    that were cut off are trained to their end.

    Args:
        train: (rate, seed, most steps) -> record; keeps it.
        seeds: of each rate.
        cap: the most steps.
        rates: in this order.
    """
    best: int | None = None
    for rate in rates:
        most = cap if best is None else min(cap, best - 1)
        needed = len(seeds) // 2 + 1
        slower = 0
        for seed in seeds:
            if best is not None and slower > len(seeds) - needed:
                break
            record = train(rate, seed, most)
            slower += record.ended != "level" or record.at > most
        if best is not None and slower > len(seeds) - needed:
            continue
        steps = [steps_of(train(rate, seed, cap), cap) for seed in seeds]
        best = middle(steps)


def steps_of(record: Record, cap: int) -> int:
    """Steps to the level; one more than the cap where it was not reached."""
    return record.at if record.ended == "level" and record.at <= cap else cap + 1


def middle(steps: Iterable[int]) -> int:
    """The median; of an even number the higher one of the two in the middle."""
    return int(statistics.median_high(steps))


def best_rate(steps: Mapping[float, Mapping[int, int]]) -> float:
    """Of the rates with the most seeds the one with the least median; the first of equals."""
    most = max(map(len, steps.values()))
    order = [*RATES, *sorted(steps.keys() - set(RATES))]
    full = [rate for rate in order if len(steps.get(rate, ())) == most]
    return min(full, key=lambda rate: middle(steps[rate].values()))
