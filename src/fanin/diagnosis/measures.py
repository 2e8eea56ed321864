"""What the rules look at: each use of a weight, with the numbers that are known of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property

import attrs

from fanin.observation.observed import Observation
from fanin.observation.readouts import Signal
from fanin.observation.records import Parameter, Use


@attrs.frozen
class Weight:
    """One use of a weight or table.

    Args:
        use: it.
        parameter: the parameter.
        signal: what the operation puts out, where that was measured.
        scale: RMS times sqrt(fan_in) over the gain of what precedes: 1 keeps the second moment
            of a signal forward. Of a weight that is derived from its parameter, as by
            weight_norm, by what the signal shows. None for tables and unknown layouts.
        reach: how strongly the loss sees it: norm of its gradient over the norm of the gradient
            at the outputs and sqrt(fan_in). The scale of the loss and the size of the batch
            drop out; about 1 where signals keep their scale both ways.
    """

    use: Use
    parameter: Parameter
    signal: Signal | None
    scale: float | None
    reach: float | None

    @property
    def name(self) -> str:
        return self.use.parameter

    @property
    def forward(self) -> float | None:
        return None if self.signal is None else self.signal.forward.rms

    @property
    def gradient(self) -> float | None:
        """RMS of the gradient of what it puts out."""
        if self.signal is None or self.signal.gradient is None:
            return None
        return self.signal.gradient.rms


@attrs.define
class Measures:
    """An observation in the order in which signals flow."""

    observation: Observation

    @cached_property
    def signals(self) -> Mapping[str, Signal]:
        return {signal.name: signal for signal in self.observation.signals}

    @cached_property
    def parameters(self) -> Mapping[str, Parameter]:
        return {parameter.name: parameter for parameter in self.observation.parameters}

    @cached_property
    def weights(self) -> tuple[Weight, ...]:
        """Every use of a weight or table that the pass saw, in the order of execution."""
        return tuple(
            self._weight(use)
            for use in self.observation.uses
            if use.role in {"weight", "table"} and use.seen and use.parameter in self.parameters
        )

    @cached_property
    def heads(self) -> tuple[Weight, ...]:
        """Those after which no other comes before the output."""
        return tuple(weight for weight in self.weights if weight.use.feeds_output)

    @cached_property
    def hidden(self) -> tuple[Weight, ...]:
        return tuple(weight for weight in self.weights if not weight.use.feeds_output)

    @cached_property
    def output_gradient(self) -> float:
        """Euclidean norm of the loss's gradient for what the last weights put out."""
        seen = {}
        for use in self.observation.uses:
            signal = self.signals.get(use.signal or "")
            if use.feeds_output and signal is not None and signal.gradient is not None:
                seen[signal.name] = signal.gradient.rms**2 * signal.gradient.size
        return math.sqrt(sum(seen.values()))

    @cached_property
    def _sources(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for edge in self.observation.edges:
            found[edge.target] = (*found.get(edge.target, ()), edge.source)
        return found

    def upstream(self, name: str) -> tuple[Weight, ...]:
        """The nearest weights that a step of the dataflow comes from."""
        own = {weight.use.signal: weight for weight in self.weights}
        found, stack, seen = [], list(self._sources.get(name, ())), {name}
        while stack:
            step = stack.pop()
            if step in seen:
                continue
            seen.add(step)
            if step in own:
                found.append(own[step])
            else:
                stack.extend(self._sources.get(step, ()))
        return tuple(found)

    @cached_property
    def loss_ratio(self) -> float | None:
        """The largest of the losses that ran over that of a guess without input."""
        ratios = [
            one.value / one.uninformed
            for one in self.observation.losses
            if one.uninformed is not None and one.uninformed > 0
        ]
        return max(ratios, default=None)

    @cached_property
    def gets_nothing(self) -> bool:
        """No parameter that is trained gets a gradient."""
        trained = [one for one in self.observation.parameters if one.trainable]
        return bool(trained) and not any(one.gradient_rms for one in trained)

    @cached_property
    def is_judged(self) -> bool:
        """A gradient came back to the outputs."""
        return 0.0 < self.output_gradient < math.inf

    def _weight(self, use: Use) -> Weight:
        parameter = self.parameters[use.parameter]
        signal = self.signals.get(use.signal or "")
        scale = reach = None
        layout = use.layout
        if layout is not None and use.role == "weight" and parameter.rms is not None:
            gain = use.source.gain if use.source is not None and use.source.gain else 1.0
            scale = parameter.rms * math.sqrt(layout.fan_in) / gain
            if use.through and signal is not None and signal.entering:
                scale = signal.forward.rms / signal.entering / gain  # it is not what multiplies
        size = math.prod(parameter.shape)
        if layout is not None and parameter.gradient_rms is not None and self.is_judged:
            norm = parameter.gradient_rms * math.sqrt(size)
            reach = norm / self.output_gradient / math.sqrt(max(layout.fan_in, 1.0))
        return Weight(use, parameter, signal, scale, reach)
