"""What recipes read of a model: what each parameter is for, and how the branches hang together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import cached_property

import attrs
from torch import Tensor, nn

from fanin.observation.observed import Observation
from fanin.observation.readouts import Signal
from fanin.observation.records import Branch, Use
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.streams import Streams
from fanin.schemes import Scheme, constant, normal, ones, zeros

Choice = tuple[Scheme, str]
"""A scheme and its reason."""


class Part(Enum):
    """What a parameter is for, as the pass used it."""

    WEIGHT = "weight"
    TABLE = "table"
    BIAS = "bias"
    NORM_SCALE = "scale of a norm"
    NORM_SHIFT = "shift of a norm"
    GATE = "factor of a signal"
    SLOPE = "slope of an activation"
    MAGNITUDE = "length of a weight"
    SIGNAL = "learned signal"
    UNKNOWN = "unknown"


@attrs.frozen(eq=False, slots=False)
class Anatomy:
    """A model and what one pass of it showed, as recipes ask for it.

    Args:
        model: the model.
        observation: of the pass.
    """

    model: nn.Module
    observation: Observation

    @cached_property
    def parameters(self) -> Mapping[str, Tensor]:
        """By name, tied ones once, in the model's order."""
        return dict(self.model.named_parameters())

    @cached_property
    def frozen(self) -> tuple[str, ...]:
        """Those that require no gradient: they keep their values."""
        return tuple(name for name, one in self.parameters.items() if not one.requires_grad)

    @cached_property
    def _uses(self) -> Mapping[str, tuple[Use, ...]]:
        found: dict[str, list[Use]] = {}
        for use in self.observation.uses:
            found.setdefault(use.parameter, []).append(use)
        return {name: tuple(uses) for name, uses in found.items()}

    def uses_of(self, name: str) -> tuple[Use, ...]:
        """Every use of a parameter, in the order of execution."""
        return self._uses.get(name, ())

    def main_use(self, name: str) -> Use | None:
        """The use that a parameter is drawn for: as a weight of known layout, else the first."""
        uses = self.uses_of(name)
        shape = tuple(self.parameters[name].shape)
        suits = (one for one in uses if one.layout is not None and one.layout.shape == shape)
        return next(suits, uses[0] if uses else None)

    def part(self, name: str) -> Part:
        """What a parameter is for."""
        use = self.main_use(name)
        shape = tuple(self.parameters[name].shape)
        if use is None or any(one.parameter == name for one in self.observation.unmatched):
            return Part.UNKNOWN
        if use.role in {"weight", "table"}:
            if use.layout is None or use.layout.shape != shape:
                return Part.UNKNOWN
            return Part.WEIGHT if use.role == "weight" else Part.TABLE
        if use.role in {"scale", "shift"}:
            of_norm = "norm" in use.op or self._belongs_to_norm(use)
            if use.role == "scale":
                return Part.NORM_SCALE if of_norm else Part.GATE
            if not of_norm and self._is_a_signal(use, shape):
                return Part.SIGNAL
            return Part.NORM_SHIFT if of_norm else Part.BIAS
        known = {
            "bias": Part.BIAS, "slope": Part.SLOPE, "magnitude": Part.MAGNITUDE,
            "input": Part.SIGNAL,
        }  # fmt: skip
        return known.get(use.role, Part.UNKNOWN)

    def _belongs_to_norm(self, use: Use) -> bool:
        """It scales or shifts what a norm puts out in the norm's own module."""
        step = self.residual.ways.steps.get(use.signal or "")
        return step is not None and step.kind == "norm" and step.module == use.module

    def _is_a_signal(self, use: Use, shape: tuple[int, ...]) -> bool:
        """Of what is added: it differs from place to place, as positions do, and no bias does."""
        if sum(size > 1 for size in shape) < 2:
            return False
        layouts = (
            one.layout for one in self.observation.uses
            if one.role == "weight" and one.signal == use.signal and one.layout is not None
        )  # fmt: skip
        return all(
            math.prod(one.shape[axis] for axis in (*one.out_axes, *one.batch_axes))
            != math.prod(shape)
            for one in layouts
        )

    def of(self, *parts: Part) -> tuple[str, ...]:
        """The names of the trainable parameters that are such parts, in the model's order."""
        frozen = set(self.frozen)
        return tuple(
            name for name in self.parameters if name not in frozen and self.part(name) in parts
        )

    @cached_property
    def weights(self) -> tuple[Use, ...]:
        """The main use of each trainable weight, in the order of execution; no tables."""
        names = set(self.of(Part.WEIGHT))
        order = [use.parameter for use in self.observation.uses if use.parameter in names]
        found = map(self.main_use, dict.fromkeys(order))
        return tuple(use for use in found if use is not None)

    @cached_property
    def signals(self) -> Mapping[str, Signal]:
        """By name."""
        return {signal.name: signal for signal in self.observation.signals}

    # Residual branches

    @cached_property
    def branches(self) -> tuple[Branch, ...]:
        """The residual branches that have a weight of their own, in the order of their joins.

        A branch around other branches (the skip of a U-Net, or of a whole group of blocks) has
        its weights within those, and is none.
        """
        own = {
            use.branch for use in self.observation.uses if use.seen and use.role == "weight"
        }  # fmt: skip
        return tuple(branch for branch in self.observation.branches if branch.index in own)

    @cached_property
    def residual(self) -> Streams:
        """The streams that the branches make."""
        return Streams(self.observation, self.branches)

    @property
    def streams(self) -> tuple[tuple[Branch, ...], ...]:
        """The branches in chains: each starts from what the one before it was added to."""
        return self.residual.all

    def depth_of(self, branch: Branch) -> int:
        """How many signals are added to the stream of a branch, over all its branches.

        A branch adds one, but two where attention and MLP are parallel.
        """
        return self.residual.outputs(self.residual.of(branch))

    def last_weights(self) -> Mapping[str, Branch]:
        """The weights that put out what a branch adds, with it.

        No other weight follows them, and they are none of what only weighs the signal: routers
        of experts, gates, queries and keys.
        """
        return {
            use.parameter: branch
            for branch in self.branches
            for use in self.weights
            if use.branch == branch.index
            and use.last_of_branch
            and use.signal in self.residual.added[branch.index].weights
        }

    def branch_of(self, use: Use) -> Branch | None:
        """The branch of a use; of keys and values from another stream, the one they go into."""
        found = next((one for one in self.branches if one.index == use.branch), None)
        if found is None and use.attention is not None and use.signal is not None:
            return self.residual.fed_from(use.signal)
        return found

    # Rows

    def row(self, name: str, scheme: Scheme, reason: str, source: str = "") -> Row:
        """What a parameter gets."""
        use = self.main_use(name)
        shape = tuple(self.parameters[name].shape)
        suits = use is not None and use.layout is not None and use.layout.shape == shape
        return Row(
            name, shape, scheme, reason, use.layout if use is not None and suits else None,
            self._padding(name), source,
        )  # fmt: skip

    def rows(
        self,
        weight: Callable[[Use], Choice],
        *,
        table: Callable[[Use], Choice] | None = None,
        signal: Callable[[Use], Choice] | None = None,
        source: str = "",
    ) -> tuple[Row, ...]:
        """A row for each trainable parameter that is understood, in the model's order.

        Biases are 0, norms 1 and 0, lengths of weights those of the weight's scheme. Factors of
        signals and slopes of activations stay as the model made them.

        Args:
            weight: chooses for each weight.
            table: for each table that is looked up; the same as for weights where None.
            signal: for learned signals (class tokens, positions); N(0, 0.02) where None.
            source: of the rule for weights.
        """
        made = []
        for name in self.parameters:
            use, part = self.main_use(name), self.part(name)
            if name in self.frozen or use is None:
                continue
            cited = ""
            if part is Part.WEIGHT:
                (scheme, reason), cited = weight(use), source
            elif part is Part.TABLE:
                (scheme, reason), cited = (table or weight)(use), source
            elif part is Part.SIGNAL:
                small = (normal(std=0.02), "a learned signal starts small beside the others")
                scheme, reason = signal(use) if signal else small
            elif part is Part.MAGNITUDE:
                scheme, reason = self._length(use, weight)
            elif part is Part.NORM_SCALE and "add" in use.through:  # Gemma's norms scale by 1 + w
                scheme, reason = zeros(), "scales by 1 + itself: starts as plain normalisation"
            elif part in _PLAIN:
                scheme, reason = _PLAIN[part]
            else:
                continue
            made.append(self.row(name, scheme, reason, cited))
        return tuple(made)

    def _length(self, use: Use, weight: Callable[[Use], Choice]) -> Choice:
        """Of weight_norm: what the scheme of the weight gives a unit in the mean."""
        for one in self.weights:
            if one.module == use.module and one.through and one.layout is not None:
                length = weight(one)[0].std(one.layout) * one.layout.fan_in**0.5
                return constant(length), "the length of a unit's weights under their scheme"
        return ones(), "a weight of length 1"

    def _padding(self, name: str) -> int | None:
        for module in self.model.modules():
            index = getattr(module, "padding_idx", None)
            if isinstance(index, int) and getattr(module, "weight", None) is self.parameters[name]:
                return index
        return None

    def planned(
        self, recipe: str, rows: Iterable[Row], citation: str = "", notes: Iterable[str] = ()
    ) -> Plan:
        """The plan of these rows: the model's other parameters are kept or unmatched.

        Frozen parameters, factors of signals and slopes of activations without a row are kept:
        their own values are design. Of others nothing is known that would give them a scale.
        """
        made = {row.parameter: row for row in rows}
        kept: list[str] = []
        unmatched: list[str] = []
        for name in self.parameters:
            if name in made:
                continue
            design = name in self.frozen or self.part(name) in {Part.GATE, Part.SLOPE}
            (kept if design else unmatched).append(name)
        order = list(self.parameters)
        return Plan(
            recipe, tuple(sorted(made.values(), key=lambda row: order.index(row.parameter))),
            tuple(kept), unmatched=tuple(unmatched), notes=tuple(notes), source=citation,
        ).of(self.model)  # fmt: skip


_PLAIN: Mapping[Part, Choice] = {
    Part.BIAS: (zeros(), "a bias needs no random start: the weights tell the units apart"),
    Part.NORM_SCALE: (ones(), "a norm starts as plain normalisation"),
    Part.NORM_SHIFT: (zeros(), "a norm starts as plain normalisation"),
}
