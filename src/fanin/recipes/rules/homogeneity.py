"""Which signals may be scaled, weight against weight, with the model computing the same."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Final

import attrs
import torch

from fanin.observation.assembly import give_names
from fanin.observation.dataflow import Dataflow, Stage
from fanin.observation.graph import Call, Value
from fanin.observation.intervening import Site
from fanin.observation.matching import Matching, Reading
from fanin.observation.operations import GATHERING, LOOKUPS, MOVEMENTS, POOLS, RECURRENT, WEIGHT_OPS
from fanin.observation.passing import Pass
from fanin.observation.replaying import Elementwise
from fanin.observation.whereabouts import Named
from fanin.recipes.reading.anatomy import Anatomy
from fanin.recipes.rules.measuring import adjustable

_LINEAR: Final = (WEIGHT_OPS - RECURRENT - LOOKUPS) - {"bilinear", "linear_cross_entropy"}
_POOLS: Final = (POOLS - {"grid_sample"}) | {
    "sum", "mean", "std", "norm", "vector_norm", "linalg_vector_norm", "amax", "amin", "max", "min",
    "nansum", "nanmean", "median", "cumsum",
}  # fmt: skip
_JOINS: Final = frozenset(
    {"add", "sub", "rsub", "subtract", "maximum", "minimum", "cat", "concat", "concatenate",
     "stack", "hstack", "vstack"}
)  # fmt: skip
_SCALES: Final = frozenset({"mul", "multiply", "prelu"})
_SHIFTS: Final = frozenset({"add", "sub", "rsub", "subtract"})
_READ: Final = frozenset({"weight", "table", "magnitude", "bias"})


@attrs.frozen(eq=False)
class Scalable:
    """A weight that may be scaled.

    Args:
        parameter: that its scale is set by: it, or its length of weight norm.
        call: index of the operation.
        before: the level of what it reads.
        after: the level of what it puts out.
    """

    parameter: str
    call: int
    before: int
    after: int


class Levels:
    """The signals of a pass in groups that have one scale, of which some are held.

    Through what is positively homogeneous, f(c x) = c f(x) for c > 0 (ReLU, pools, dropout,
    sums), a scale passes on; whatever else reads a signal holds its group at the scale it has.

    Args:
        anatomy: of the model.
        done: a recorded pass of it.
        parameters: of the model, named.
        movable: parameters that may be set.
        proportional: of a parameter and the index of a call, whether the weight that the call
            reads goes with the parameter's scale.
    """

    def __init__(
        self,
        anatomy: Anatomy,
        done: Pass,
        parameters: Iterable[Named],
        movable: Container[str],
        proportional: Callable[[str, int], bool],
    ) -> None:
        self.weights: list[Scalable] = []
        self.biases: list[tuple[str, int]] = []
        self.unscalable: dict[str, str] = {}
        self._anatomy = anatomy
        self._movable = movable
        self._proportional = proportional
        self._names = {name: one for one in parameters for name in one.names}
        self._parent: list[int] = []
        self._why: dict[int, str] = {}
        readings = Matching(done.recorder.calls, done.ends).readings
        self._calls: dict[str, set[int]] = {}
        for reading in readings:
            self._calls.setdefault(self._name(reading), set()).add(reading.call.index)
        flow = Dataflow(done.recorder.calls, readings, done.inputs, done.outputs)
        give_names(flow.stages, self._names)
        self._of = [self._new() for _ in flow.stages]
        for stage in flow.stages:
            self._follow(stage)

    def group(self, level: int) -> int:
        """The same for all levels that have one scale."""
        while self._parent[level] != level:
            level = self._parent[level]
        return level

    def held(self, level: int) -> str:
        """What holds a level as it is; "" where nothing does."""
        return self._why.get(self.group(level), "")

    def _new(self, why: str = "") -> int:
        self._parent.append(len(self._parent))
        if why:
            self._why[len(self._parent) - 1] = why
        return len(self._parent) - 1

    def _hold(self, level: int, why: str) -> None:
        self._why.setdefault(self.group(level), why)

    def _tie(self, levels: Iterable[int], own: int) -> None:
        for level in levels:
            one, other = self.group(level), self.group(own)
            if one != other:
                self._parent[other] = one
                if other in self._why:
                    self._why.setdefault(one, self._why[other])

    def _name(self, reading: Reading) -> str:
        known = self._names.get(reading.name)
        return reading.name if known is None else known.name

    def _follow(self, stage: Stage) -> None:
        own = self._of[stage.index]
        before = [self._entering(source, value) for source, value in stage.inputs]
        if stage.kind == "weight":
            self._weigh(stage, before, own)
        elif (
            (stage.kind == "pool" and stage.op in _POOLS)
            or (stage.kind == "join" and stage.op in _JOINS)
        ) and not (stage.call and _beside(stage.call)):
            self._tie(before, own)
        else:
            why = f"the model's {stage.kind}"
            if stage.kind not in {"input", "output"}:
                why = _place(stage.op, stage.module)
            for level in (*before, own):
                self._hold(level, why)

    def _entering(self, source: Stage, value: Value) -> int:
        level = self._of[source.index]
        why = _departure(value, source.starts)
        if not why:
            return level
        self._hold(level, why)
        return self._new(why)

    def _weigh(self, stage: Stage, before: list[int], own: int) -> None:
        sites = [
            Site(self._name(one), one.role, stage.op, stage.module)
            for one in stage.readings if one.role in _READ
        ]  # fmt: skip
        weights = [site.parameter for site in sites if site.role in {"weight", "table"}]
        if stage.op not in _LINEAR or len(before) != 1 or any(s.role == "table" for s in sites):
            for level in (*before, own):
                self._hold(level, _place(stage.op, stage.module))
            self.unscalable.update(
                (name, f"{stage.op} is not proportional to what it reads") for name in weights
                if name not in self._anatomy.frozen and all(s.role != "table" for s in sites)
            )  # fmt: skip
            return
        name, reason = adjustable(self._anatomy, sites)
        if name and len(self._calls.get(name, ())) > 1:
            name, reason = "", "it is used more than once"
        assert stage.call is not None  # noqa: S101 - it follows a call
        if name and not self._proportional(name, stage.call.index):
            name, reason = "", "forward makes the weight anew from its direction"
        if name:
            self.weights.append(Scalable(name, stage.call.index, before[0], own))
        else:
            self._tie(before, own)
            self.unscalable.update(
                (one, reason) for one in weights if one not in self._anatomy.frozen
            )
        for site in sites:
            if site.role == "bias":
                self._shift(site.parameter, own)

    def _shift(self, bias: str, own: int) -> None:
        parameter = self._anatomy.parameters.get(bias)
        if parameter is not None and not bool(parameter.detach().any()):
            return
        if bias in self._movable and len(self._calls.get(bias, ())) == 1:
            self.biases.append((bias, own))
        else:
            self._hold(own, f"the bias {bias!r}")


def _place(op: str, module: str) -> str:
    return f"{op} in {module!r}" if module else op


def _departure(value: Value, starts: set[int]) -> str:
    """What on the way to a value is not positively homogeneous; "" where all is."""
    calls = _calls_before(value, starts)
    for call in calls:
        why = _beside(call)
        if why:
            return why
    last = calls[-1] if calls else None
    try:
        function = Elementwise(value, starts)
        if not function.calls or _is_homogeneous(function):
            return ""
        last = function.calls[-1]
    except Exception:  # noqa: BLE001, S110 - replayed functions may raise anything
        pass  # and are then taken to be no such function
    return _place(last.op, last.module) if last else "what the pass did not show"


def _calls_before(value: Value, starts: set[int]) -> list[Call]:
    found: dict[int, Call] = {}
    stack = [value]
    while stack:
        at = stack.pop()
        call = at.producer
        if id(at) not in starts and call is not None and call.index not in found:
            found[call.index] = call
            stack.extend(operand for operand in call.operands if operand.is_data)
    return [found[index] for index in sorted(found)]


def _beside(call: Call) -> str:
    """What a call puts in that does not scale with its signal; "" for nothing."""
    if "alpha_dropout" in call.op and call.argument(2, "training", True):
        return _place(call.op, call.module)
    if call.op in {"pad", "constant_pad_nd"}:
        with_mode = call.op == "pad"
        number = call.argument(3 if with_mode else 2, "value", None)
        return _place(call.op, call.module) if number else ""
    for place, operand in enumerate(call.operands):
        if operand.is_data:
            continue
        is_zero = operand.tensor is not None and not bool(operand.tensor.detach().any())
        if operand.is_weight:
            scales = call.op in _SCALES or (call.op in {"div", "true_divide"} and place > 0)
            plain = call.op in MOVEMENTS or scales or (is_zero and call.op in _SHIFTS | GATHERING)
            if not plain:
                return f"{call.op} of {operand.name!r}" if operand.name else call.op
        elif call.op in GATHERING and not is_zero and operand.shape:
            return _place(call.op, call.module)
    return ""


def _is_homogeneous(function: Elementwise) -> bool:
    sizes = torch.logspace(-3, 3, 61, dtype=torch.float64)
    line = torch.cat([-sizes, sizes])
    columns = [line.roll(17 * place) for place in range(2 * max(len(function.parts), 1))]
    z = torch.stack(columns, -1)
    with torch.no_grad():
        base = function(z)
        return all(
            torch.allclose(function(z * c), base * c, rtol=1e-9, atol=1e-12)
            for c in (2.0, 1 / 3)
        )  # fmt: skip
