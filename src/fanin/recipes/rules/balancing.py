"""Scales between layers at which the weights of all change at one rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import attrs
import numpy as np
import torch
from torch import Tensor

from fanin.errors import ModelError
from fanin.observation import passing
from fanin.observation.graph import Call
from fanin.observation.operations import WEIGHT_OPS
from fanin.observation.slots import slots
from fanin.observation.whereabouts import named
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy
from fanin.recipes.reading.residual import some
from fanin.recipes.rules.homogeneity import Levels, Scalable
from fanin.recipes.rules.measuring import drawn
from fanin.schemes import Scheme, given, per_unit, scaled

_NEAR: Final = 1e-2


@attrs.frozen
class Batch:
    """What the rates are measured on.

    Args:
        inputs: as ``fanin.observe`` takes them.
        targets: for the loss.
        loss: ``loss(outputs, targets)``; a random projection of the output where there is none.
    """

    inputs: object
    targets: object = None
    loss: Callable[..., Any] | None = None


@attrs.frozen
class Scales:
    """Of weights, or their lengths of weight norm, and of the biases that go with them.

    Args:
        factors: of weights.
        shifts: of biases.
    """

    factors: Mapping[str, float]
    shifts: Mapping[str, float]

    def of(self, row: Row, source: str) -> Row:
        """The row with its scheme scaled."""
        factor = self.factors.get(row.parameter, self.shifts.get(row.parameter))
        if factor is None:
            return row
        if isinstance(row.scheme, given):
            scheme: Scheme = given(row.scheme.values * factor)
        elif isinstance(row.scheme, per_unit):
            scheme = per_unit(row.scheme.base, [one * factor for one in row.scheme.factors])
        else:
            scheme = scaled(row.scheme, factor)
        why = "the scale of the signal that it is added to"
        if row.parameter in self.factors:
            why = "at which the layers change at one rate"
        reason = f"{row.reason}; times {factor:.4g}, {why}"
        return replace(row, scheme=scheme, reason=reason, source=source)


@attrs.frozen(eq=False)
class Balance:
    """The scales that were found.

    Args:
        scales: at which the rates are nearest to each other.
        before: the rate of each weight that is balanced, |gradient| / |weight|.
        after: with the scales.
        left: weights that are not balanced, and why.
    """

    scales: Scales
    before: Mapping[str, float]
    after: Mapping[str, float]
    left: Mapping[str, str]

    def notes(self) -> tuple[str, ...]:
        """Sentences on what was gained and what was left."""
        first, last = (
            max(rates.values()) / min(rates.values()) for rates in (self.before, self.after)
        )
        spread = (
            f"|gradient| / |weight| of {len(self.before)} weights, largest over smallest: "
            f"{first:.4g} before they were balanced, {last:.4g} after"
        )
        left = some(f"{name!r}: {why}" for name, why in self.left.items())
        return (spread, f"not balanced: {left}") if left else (spread,)


def balance(anatomy: Anatomy, plan: Plan, batch: Batch, seed: int) -> Balance:
    """Factors of weights at which all change at one rate, and the model computes the same.

    A weight times s, undone further on, has a gradient over s: its rate goes by 1 / s^2. With
    s = sqrt(rate / geometric mean) along a chain all rates are that mean at once, and the
    product of the s is 1. Where ways part and meet, the spread of the logarithms is least.

    Args:
        anatomy: of the model.
        plan: whose weights, drawn from the seed, are measured.
        batch: to measure on.
        seed: of the weights.

    Raises:
        ModelError: no weight can be balanced, a rate is not finite, or the scales change what
            the model computes.

    References:
        Krahenbuhl, Doersch, Donahue, Darrell, 2016, arXiv:1511.06856, algorithm 2, of which
        this is the fixed point; magic_init.py, calibrateGradientRatio.
    """
    model, parameters = anatomy.model, named(anatomy.model)
    with drawn(model, plan, seed), passing.ordinary_surroundings():
        reading = _Weights(anatomy)
        done = passing.run(
            model, batch.inputs, batch.targets, batch.loss, parameters, reading
        )  # fmt: skip
        movable = {row.parameter for row in plan.rows}
        levels = Levels(anatomy, done, parameters, movable, reading.proportional)
        left = dict(levels.unscalable)
        free: list[Scalable] = []
        for one in levels.weights:
            why = _held(levels, one)
            if why:
                left[one.parameter] = why
            else:
                free.append(one)
        rates = _rates(free, reading, done)
        outputs = [tensor.detach().clone() for tensor in done.tensors]
    left.update((one.parameter, "its gradient is 0") for one in free if one.parameter not in rates)
    if len(rates) < 2:
        raise _nothing(left)
    logs = _logs(levels, free, rates)
    _require_same(anatomy, plan, batch, seed, _powers(levels, free, logs), outputs)
    scales = _scales(levels, free, logs)
    after = {name: rate / scales.factors[name] ** 2 for name, rate in rates.items()}
    return Balance(scales, rates, after, left)


def _require_same(
    anatomy: Anatomy, plan: Plan, batch: Batch, seed: int, powers: Scales, outputs: Sequence[Tensor]
) -> None:
    """Raise where scales by powers of 2, which round nothing, make the model compute another."""
    model = anatomy.model
    made = replace(plan, rows=tuple(powers.of(row, "") for row in plan.rows))
    with drawn(model, made, seed), passing.ordinary_surroundings():
        done = passing.run(
            model, batch.inputs, None, None, named(model), _Weights(anatomy), with_loss=False
        )  # fmt: skip
        for before, tensor in zip(outputs, done.tensors, strict=True):
            if not before.is_floating_point() or not before.numel():
                continue
            size = float(before.double().square().mean().sqrt())
            change = float((tensor.detach().double() - before.double()).square().mean().sqrt())
            if not change <= size * torch.finfo(before.dtype).eps ** 0.5:
                raise ModelError(
                    "recipe 'data_dependent' of form 'krahenbuhl' scales weights so that the "
                    f"output stays, and it went off by {change / (size or 1.0):.2g} of its RMS: "
                    f"something after {next(iter(powers.factors))!r} does not scale with what it "
                    "reads. Take form='salimans'"
                )


class _Weights:
    """A watcher that keeps each weight as its operation reads it."""

    def __init__(self, anatomy: Anatomy) -> None:
        self._parameters = anatomy.parameters
        self.read: dict[int, Tensor] = {}

    def proportional(self, name: str, call: int) -> bool:
        """Twice the parameter would be twice the weight: of W / |W| it would not."""
        parameter, weight = self._parameters[name], self.read.get(call)
        if weight is None or weight is parameter or not weight.requires_grad:
            return weight is not None
        size = weight.double().square().sum()
        (slope,) = torch.autograd.grad(size, parameter, retain_graph=True, allow_unused=True)
        if slope is None:
            return False
        along = float((slope.double() * parameter.detach().double()).sum()) / 2
        return abs(along - float(size.detach())) <= _NEAR * float(size.detach())

    def see(self, call: Call, operands: Sequence[Tensor], _: Sequence[Tensor]) -> None:
        if call.op not in WEIGHT_OPS or not any(operand.is_weight for operand in call.operands):
            return
        for slot in slots(call) or ():
            if slot.role == "weight" and slot.value.is_weight:
                for value, tensor in zip(call.operands, operands, strict=False):
                    if value is slot.value:
                        self.read[call.index] = tensor


def _held(levels: Levels, one: Scalable) -> str:
    before, after = levels.held(one.before), levels.held(one.after)
    if levels.group(one.before) == levels.group(one.after):
        return "what it reads and what it puts out are added up, and must keep their scales"
    if before and after:
        return f"between {before} and {after} no other weight can undo its scale"
    return ""


def _rates(free: Sequence[Scalable], reading: _Weights, done: passing.Pass) -> dict[str, float]:
    """Norm of the gradient over norm of the weight, where neither is 0."""
    known = [one for one in free if one.call in reading.read]
    value = None if done.loss is None else done.loss.value
    if not known or value is None or not value.requires_grad:
        return {}
    weights = [reading.read[one.call] for one in known]
    slopes = torch.autograd.grad(value, weights, allow_unused=True)
    found = {}
    for one, weight, slope in zip(known, weights, slopes, strict=True):
        if slope is None:
            continue
        rate = float(slope.double().norm()) / (float(weight.detach().double().norm()) or 1.0)
        if not math.isfinite(rate):
            raise ModelError(
                f"recipe 'data_dependent' of form 'krahenbuhl' measures gradients, and that of "
                f"{one.parameter!r} is not finite on this batch. Give it inputs of moderate scale"
            )
        if rate:
            found[one.parameter] = rate
    return found


def _logs(levels: Levels, free: Sequence[Scalable], rates: Mapping[str, float]) -> dict[int, float]:
    """Logarithm of the scale of each group that is not held: least squares to one rate."""
    groups: dict[int, int] = {}
    for one in free:
        for level in (one.before, one.after):
            if not levels.held(level):
                groups.setdefault(levels.group(level), len(groups))
    measured = [one for one in free if one.parameter in rates]
    matrix = np.zeros((len(measured), len(groups) + 1))
    matrix[:, -1] = 1.0  # the logarithm of the common rate
    for row, one in zip(matrix, measured, strict=True):
        for level, sign in ((one.after, 2.0), (one.before, -2.0)):
            if not levels.held(level):
                row[groups[levels.group(level)]] += sign
    logs = np.log([rates[one.parameter] for one in measured])
    solved = np.linalg.lstsq(matrix, logs, rcond=None)[0]
    return {group: float(solved[place]) for group, place in groups.items()}


def _powers(levels: Levels, free: Sequence[Scalable], logs: Mapping[int, float]) -> Scales:
    """Scales near those found that are powers of 2, none of them 1 or as the one before."""
    exponents: dict[int, float] = {}
    last = 0
    for group, log in logs.items():
        exponent = round(log / math.log(2))
        while exponent in {0, last}:
            exponent += 1
        exponents[group], last = exponent, exponent
    return _scales(levels, free, exponents, lambda exponent: 2.0**exponent)


def _scales(
    levels: Levels, free: Sequence[Scalable], logs: Mapping[int, float],
    power: Callable[[float], float] = math.exp,
) -> Scales:  # fmt: skip
    at = {level: logs.get(levels.group(level), 0.0) for one in free for level in (
        one.before, one.after)}  # fmt: skip
    return Scales(
        {one.parameter: power(at[one.after] - at[one.before]) for one in free},
        {
            name: power(logs.get(levels.group(level), 0.0))
            for name, level in levels.biases
            if not levels.held(level)
        },
    )


def _nothing(left: Mapping[str, str]) -> ModelError:
    which = "there is no such weight"
    if left:
        name, reason = next(iter(left.items()))
        which = f"{name!r} cannot: {reason}"
    return ModelError(
        "recipe 'data_dependent' of form 'krahenbuhl' scales a weight and undoes it in a later "
        "one, which takes two weights with nothing between them but what scales with its input "
        f"(ReLU, pools, dropout); {which}. Take form='salimans'"
    )
