"""Mean and variance of signals, followed through one recorded pass by analysis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import attrs
import torch
from torch import Tensor, nn

from fanin.observation import passing, untouched
from fanin.observation.assembly import give_names
from fanin.observation.dataflow import Dataflow, Stage
from fanin.observation.graph import Call, Value, tensors_in
from fanin.observation.matching import Matching
from fanin.observation.operations import MOVEMENTS, RECURRENT
from fanin.observation.replaying import Elementwise, NotElementwise
from fanin.observation.whereabouts import named
from fanin.recipes.reading.anatomy import Anatomy, Part

_REACH: Final = 10.0
_POINTS: Final = 20_001
_POINTS_OF_PAIRS: Final = 401
_CENTRING: Final = frozenset(
    {"layer_norm", "native_layer_norm", "batch_norm", "native_batch_norm", "group_norm",
     "instance_norm"}
)  # fmt: skip


@attrs.frozen
class Moments:
    """Mean and variance of a signal."""

    mean: float
    variance: float

    @property
    def square(self) -> float:
        """The second moment."""
        return self.mean**2 + self.variance

    @classmethod
    def of_square(cls, mean: float, square: float) -> Moments:
        return cls(mean, max(square - mean**2, 0.0))


class _Lost(Exception):  # noqa: N818 - an answer, not a failure
    """A signal that cannot be followed; the message says at which operation."""


def _not_followed(stage: Stage) -> _Lost:
    return _Lost(f"{stage.op} in {repr(stage.module) if stage.module else 'the model'}")


def followed(anatomy: Anatomy, inputs: object) -> dict[str, Moments | str]:
    """What each weight reads at its first use, or why that is not known.

    Args:
        anatomy: of the model.
        inputs: as ``fanin.observe`` takes them; they give their mean and variance.
    """
    model = anatomy.model
    parameters = named(model)
    names = {name: one for one in parameters for name in one.names}
    with untouched(model), passing.ordinary_surroundings():
        done = passing.run(model, inputs, None, None, parameters, _Nothing(), with_loss=False)
        matching = Matching(done.recorder.calls, done.ends)
        flow = Dataflow(done.recorder.calls, matching.readings, done.inputs, done.outputs)
        give_names(flow.stages, names)
        following = _Following(anatomy, _moments_of(model, inputs))
        for stage in flow.stages:
            following.enter(stage)
    return following.entering


class _Following:
    """The moments of what each stage puts out, in the order of execution."""

    def __init__(self, anatomy: Anatomy, inputs: Mapping[str, Moments]) -> None:
        self._anatomy = anatomy
        self._given = inputs
        self.entering: dict[str, Moments | str] = {}
        self._out: dict[int, Moments | str] = {}

    def enter(self, stage: Stage) -> None:
        try:
            self._out[stage.index] = self._of(stage)
        except _Lost as lost:
            self._out[stage.index] = str(lost)
            for reading in stage.readings:
                if reading.role == "weight":
                    self.entering.setdefault(self._name(reading.name), str(lost))

    def _of(self, stage: Stage) -> Moments:
        if stage.kind == "input":
            if stage.name not in self._given:
                raise _Lost(f"input {stage.name!r}, which holds no real numbers")
            return self._given[stage.name]
        if stage.kind == "weight":
            return self._weighed(stage)
        if stage.kind == "norm":
            if stage.op in _CENTRING:
                return Moments(0.0, 1.0)
            (before,) = self._inputs(stage)[:1] or (Moments(0.0, 1.0),)  # of constants
            size = math.sqrt(before.square) or 1.0
            return Moments(before.mean / size, before.variance / size**2)
        if stage.kind == "join":
            return self._joined(stage)
        if stage.kind == "pool":
            return self._pooled(stage)
        raise _not_followed(stage)

    def _weighed(self, stage: Stage) -> Moments:
        if any(reading.role == "table" for reading in stage.readings):
            return Moments(0.0, 1.0)
        weights = [reading for reading in stage.readings if reading.role == "weight"]
        if stage.op in RECURRENT or stage.op == "bilinear" or len(weights) != 1:
            raise _not_followed(stage)
        (weight,) = weights
        odd = sorted({*weight.through} - MOVEMENTS - {"_weight_norm"})
        if odd:
            raise _Lost(f"a weight that forward makes anew ({', '.join(odd)})")
        before = self._inputs(stage)[:1]
        if not before:
            raise _Lost(f"{stage.op} of a constant")
        name = self._name(weight.name)
        known = self.entering.setdefault(name, before[0])
        if isinstance(known, str):
            raise _Lost(known)
        parameter = self._anatomy.parameters[name]
        if name in self._anatomy.frozen and weight.layout is not None:
            own = float(parameter.detach().double().square().mean())
            return Moments(0.0, weight.layout.fan_in * own * before[0].square)
        return Moments(0.0, before[0].square / known.square if known.square else 0.0)

    def _name(self, name: str) -> str:
        return next(
            (use.parameter for use in self._anatomy.observation.uses if name in use.names), name
        )

    def _joined(self, stage: Stage) -> Moments:
        parts = self._inputs(stage)
        if stage.op in {"add", "sub", "rsub"}:
            signs = [1.0, *[-1.0 if stage.op != "add" else 1.0] * (len(parts) - 1)]
            mean = sum(sign * one.mean for sign, one in zip(signs, parts, strict=True))
            return Moments(mean, sum(one.variance for one in parts))
        if stage.op in {"mul", "multiply"}:
            mean = math.prod(one.mean for one in parts)
            return Moments.of_square(mean, math.prod(one.square for one in parts))
        if stage.op in {"cat", "concat", "concatenate", "stack", "hstack", "vstack"}:
            sizes = [math.prod(value.shape) for _, value in stage.inputs]
            mean = sum(n * one.mean for n, one in zip(sizes, parts, strict=True)) / sum(sizes)
            square = sum(n * one.square for n, one in zip(sizes, parts, strict=True)) / sum(sizes)
            return Moments.of_square(mean, square)
        raise _not_followed(stage)

    def _pooled(self, stage: Stage) -> Moments:
        count = _window(stage.call, stage.inputs[0][1]) if stage.inputs else None
        if count is None:
            raise _not_followed(stage)
        before = self._through(*stage.inputs[0])
        if "avg" in stage.op:
            return Moments(before.mean, before.variance / count)
        mean, square = _greatest_of(count)
        std = math.sqrt(before.variance)
        return Moments(before.mean + std * mean, before.variance * (square - mean**2))

    def _inputs(self, stage: Stage) -> list[Moments]:
        return [self._through(source, value) for source, value in stage.inputs]

    def _through(self, source: Stage, value: Value) -> Moments:
        before = self._out.get(source.index, "what the pass did not show")
        if isinstance(before, str):
            raise _Lost(before)
        try:
            function = Elementwise(value, source.starts)
            made = _image(function, before)
        except Exception as error:  # noqa: BLE001 - replayed functions may raise anything
            reason = str(error).partition("\n")[0]
            raise _Lost(f"what follows {source.name!r}: {reason}") from None
        for call in _on_the_way(value, source.starts):
            made = self._beside(call, made, linear=not function.ops)
        return made

    def _beside(self, call: Call, made: Moments, *, linear: bool) -> Moments:
        """What is no elementwise function: dropout, and learned factors that keep their value."""
        if "dropout" in call.op:
            p = float(call.argument(1, "p", 0.5))
            if call.argument(2, "training", True) and 0.0 < p < 1.0:
                return Moments.of_square(made.mean, made.square / (1 - p))
            return made
        for operand in call.operands if call.op in {"mul", "div"} else ():
            name = self._name(operand.name or "")
            if not operand.is_parameter or self._anatomy.parameters.get(name) is None:
                continue
            if self._anatomy.part(name) is not Part.GATE:
                continue
            own = self._anatomy.parameters[name].detach().double()
            own = own.reciprocal() if call.op == "div" else own
            if not linear and bool((own != 1).any()):
                raise _Lost(f"the learned factor {name!r}, which stands beside an activation")
            mean, square = float(own.mean()), float(own.square().mean())
            made = Moments.of_square(made.mean * mean, made.square * square)
        return made


def _moments_of(model: nn.Module, inputs: object) -> dict[str, Moments]:
    """Mean and variance of each input of real numbers, by the name that the pass gives it."""
    found = {}
    for name, container in passing.named_arguments(model, *passing.arguments_of(inputs)):
        tensors = list(tensors_in(container))
        for place, tensor in enumerate(tensors):
            if tensor.is_floating_point() and tensor.numel():
                variance, mean = torch.var_mean(tensor.detach().double(), correction=0)
                full = name if len(tensors) == 1 else f"{name}[{place}]"
                found[full] = Moments(float(mean), float(variance))
    return found


class _Nothing:
    """A watcher that measures nothing."""

    def see(self, *_: object) -> None:
        return None


def _image(function: Elementwise, before: Moments) -> Moments:
    """Of what the function makes of a Gaussian of these moments, or of a pair of them."""
    std = math.sqrt(before.variance)
    if not function.calls:
        return before
    with torch.no_grad():
        if len(function.parts) == 1 and not any(call.op == "glu" for call in function.calls):
            z = torch.linspace(-_REACH, _REACH, _POINTS, dtype=torch.float64)
            made = function((before.mean + std * z).unsqueeze(-1)).reshape(-1)
            density = torch.exp(-z.square() / 2)
        elif len(function.parts) <= 2:
            z = torch.linspace(-_REACH, _REACH, _POINTS_OF_PAIRS, dtype=torch.float64)
            pairs = torch.cartesian_prod(z, z)
            made = function(before.mean + std * pairs).reshape(-1)
            density = torch.exp(-pairs.square().sum(-1) / 2)
        else:
            raise NotElementwise(f"it joins {len(function.parts)} parts of one signal")
        return _weighed_moments(made, density)


def _weighed_moments(values: Tensor, density: Tensor) -> Moments:
    weight = density / density.sum()
    mean, square = float((weight * values).sum()), float((weight * values.square()).sum())
    if not math.isfinite(square):
        raise NotElementwise("its second moment is not finite")
    return Moments.of_square(mean, square)


def _greatest_of(count: int) -> tuple[float, float]:
    """Mean and second moment of the greatest of independent N(0, 1)."""
    z = torch.linspace(-_REACH, _REACH, _POINTS, dtype=torch.float64)
    below = torch.special.ndtr(z).pow(count)
    share, middle = below.diff(), (z[1:] + z[:-1]) / 2
    return float((share * middle).sum()), float((share * middle.square()).sum())


def _window(call: Call | None, before: Value) -> int | None:
    """How many numbers a pool makes one of."""
    if call is None or not call.outputs:
        return None
    if "adaptive" in call.op:
        after = math.prod(call.outputs[0].shape)
        return max(round(math.prod(before.shape) / after), 1) if after else None
    axes = next((n for n in (1, 2, 3) if f"{n}d" in call.op), None)
    if axes is None or not ("avg_pool" in call.op or "max_pool" in call.op):
        return None
    size: Any = call.argument(1, "kernel_size")
    sizes = tuple(size) if isinstance(size, tuple | list) else (size,) * axes
    return math.prod(int(one) for one in (sizes if len(sizes) == axes else sizes * axes))


def _on_the_way(value: Value, starts: set[int]) -> list[Call]:
    """The calls between a stage and a value that follows from it, each once, first to last."""
    found: dict[int, Call] = {}
    stack = [value]
    while stack:
        at = stack.pop()
        call = at.producer
        if id(at) in starts or call is None or call.index in found:
            continue
        found[call.index] = call
        stack.extend(operand for operand in call.operands if operand.is_data)
    return [found[index] for index in sorted(found)]
