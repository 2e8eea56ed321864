"""What a model shows with the weights of a plan: for the tests of ``recommend``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import nn

import fanin
from fanin.observation import Observation, observe
from fanin.recipes.plans.plan import Plan


def observed(
    model: nn.Module, plan: Plan, seed: int, inputs: object, targets: object = None,
    loss: Callable[..., Any] | None = None,
) -> Observation:  # fmt: skip
    """A pass with the weights that the plan draws from a seed."""
    plan.init_(model, seed, unmatched="keep")
    return observe(model, inputs, targets, loss=loss)


def ratios(
    model: nn.Module, plan: Plan, inputs: object, targets: object = None,
    loss: Callable[..., Any] | None = None, *, seeds: Iterable[int] = (1, 2, 3),
) -> Mapping[str, tuple[float, ...]]:  # fmt: skip
    """Parameter -> RMS of its first signal over what the plan says, for each seed."""
    found: dict[str, list[float]] = {}
    for seed in seeds:
        shown = observed(model, plan, seed, inputs, targets, loss)
        signals = {signal.name: signal.forward.rms for signal in shown.signals}
        for row in plan.rows:
            if row.predicted is None:
                continue
            names = (use.signal for use in shown.uses_of(row.parameter))
            name = next(name for name in names if name in signals)
            found.setdefault(row.parameter, []).append(signals[name] / row.predicted)
    return {name: tuple(numbers) for name, numbers in found.items()}


def assert_as_predicted(
    model: nn.Module, plan: Plan, inputs: object, targets: object = None,
    loss: Callable[..., Any] | None = None, *, seeds: Iterable[int] = (1, 2, 3),
    within: float = 2.0,
) -> None:  # fmt: skip
    """The signals of all weights are within a factor of what the plan says, for every seed."""
    found = ratios(model, plan, inputs, targets, loss, seeds=seeds)
    assert found, "the plan predicts nothing"
    wrong = {
        name: numbers
        for name, numbers in found.items()
        if not all(1 / within <= number <= within for number in numbers)
    }
    assert not wrong, f"RMS over the predicted one, by seed: {wrong}"


def assert_healthy(
    model: nn.Module, plan: Plan, inputs: object, targets: object = None,
    loss: Callable[..., Any] | None = None, *, seeds: Iterable[int] = (1, 2),
) -> None:  # fmt: skip
    """``check`` finds nothing wrong, for every seed."""
    for seed in seeds:
        plan.init_(model, seed, unmatched="keep")
        report = fanin.check(model, inputs, targets, loss=loss)
        assert report.verdict == "healthy", [(f.kind, f.where, f.evidence) for f in report.findings]


def spread(numbers: Iterable[float]) -> float:
    """The largest over the smallest."""
    every = list(numbers)
    return max(every) / min(every) if min(every) > 0 else math.inf


def good(
    model: nn.Module, inputs: object, targets: object = None, loss: Any = None, *,
    healthy: bool = True,
) -> Plan:  # fmt: skip
    """The plan, whose weights do what it says for three seeds."""
    plan = fanin.recommend(model, inputs, targets, loss=loss)
    assert plan.unmatched == ()
    named = [row.parameter for row in plan.rows] + list(plan.kept)
    assert sorted(named) == sorted(name for name, _ in model.named_parameters())
    assert_as_predicted(model, plan, inputs, targets, loss)
    if healthy:
        assert_healthy(model, plan, inputs, targets, loss)
    return plan
