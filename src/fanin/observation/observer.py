"""The passes of one model, and what each is read as: all but judgments of its parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from fanin.observation import passing
from fanin.observation.assembly import Findings, give_names, signals, steps, uses
from fanin.observation.branches import records, spans
from fanin.observation.coverage import Coverage, coverage, unmatched
from fanin.observation.dataflow import Dataflow
from fanin.observation.demands import examples_differ, notes_on
from fanin.observation.insides import attentions, gates
from fanin.observation.matching import Matching, Reading
from fanin.observation.objective import objective_of
from fanin.observation.observed import Observation
from fanin.observation.passing import Pass
from fanin.observation.reaching import feeding, recurring
from fanin.observation.readouts import Statistics
from fanin.observation.recording import Watcher
from fanin.observation.records import Parameter, Use
from fanin.observation.roles import attention_roles
from fanin.observation.sampling import Probe, Shown, measured
from fanin.observation.statistics import numbers
from fanin.observation.whereabouts import Named, named


class Observer:
    """Runs a model, and reads what a pass showed.

    Args:
        model: whose passes these are.
        inputs: as ``observe`` takes them.
        targets: for the loss.
        loss: likewise.
        parameters: of the model.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: object,
        targets: object,
        loss: Callable[..., Any] | None,
        parameters: tuple[Named, ...],
    ) -> None:
        self._model = model
        self._inputs = inputs
        self._targets = targets
        self._loss = loss
        self._training = model.training
        beside = named(loss) if isinstance(loss, nn.Module) else ()
        self._parameters = parameters
        self.declared = (*parameters, *beside)
        self._names = {name: one for one in parameters for name in one.names}

    def run(self, watcher: Watcher, *, with_loss: bool = True) -> Pass:
        """One forward pass and its loss."""
        return passing.run(
            self._model, self._inputs, self._targets, self._loss, self.declared, watcher,
            with_loss=with_loss,
        )  # fmt: skip

    def read(self, done: Pass, covered: Coverage, probe: Probe) -> Observation:
        """What a pass with a loss showed; gradients of signals, where a backward pass ran.

        Nothing is said of the numbers of parameters.
        """
        assert done.loss is not None  # noqa: S101 - it was asked for
        matching = Matching(done.recorder.calls, done.ends)
        found, hidden = self._found(done, matching, probe)
        made = uses(self._readings(done, matching), found)
        missed = unmatched(covered, matching, self._names)
        more, unused = self._unused(matching, covered)
        drawn, edges = steps(found, hidden)
        value = float(done.loss.value.detach())
        notes = notes_on(
            self._model, self._inputs, self._targets, loss_given=self._loss is not None,
            kind=done.loss.kind,
        )  # fmt: skip
        if done.loss.note:
            notes.append(done.loss.note)
        if not done.loss.value.requires_grad:
            notes.append(
                "the loss carries no gradient: no parameter that it follows from requires one, or "
                "forward detaches its output or runs under no_grad"
            )
        if more:
            notes.append(
                f"{len({use.parameter for use in more})} parameters are used in evaluation mode "
                "and were not by this pass in training mode (layers dropped at random)"
            )
        return Observation(
            model=type(self._model).__name__,
            training=self._training,
            uses=(*made, *more),
            signals=tuple(signals(found)),
            parameters=self._described(made, missed),
            branches=records(found.spans),
            steps=drawn,
            edges=edges,
            objective=objective_of(done.recorder.calls, done.loss.kind, value),
            output=self._output(done, found),
            gradient_noise=None,
            unmatched=missed,
            unused=unused,
            identical=(),
            nonfinite=None,
            notes=tuple(notes),
            losses=tuple(probe.losses.found[index] for index in sorted(probe.losses.found)),
            attentions=attentions(found, probe.softmaxes),
            gates=gates(found, probe.gates),
            examples_differ=examples_differ(self._inputs),
        )

    def _found(
        self, done: Pass, matching: Matching, probe: Probe
    ) -> tuple[Findings, frozenset[int]]:
        dataflow = Dataflow(
            done.recorder.calls[: done.forward_calls], matching.readings, done.inputs,
            done.outputs,
        )  # fmt: skip
        give_names(dataflow.stages, self._names)
        shown = probe.shown
        backward = [one.gradient for one in shown.values() if one.gradient is not None]
        hidden = frozenset(
            stage.index
            for stage in dataflow.stages
            if stage.is_index or (stage.base is not None and not stage.outputs)
            if stage.kind != "input" or not stage.outputs
        )
        findings = Findings(
            dataflow, spans(dataflow.stages), attention_roles(dataflow), self._names,
            feeding(dataflow), recurring(dataflow), shown,
            numbers(shown.values()) | numbers(backward, of_units=False),
        )  # fmt: skip
        return findings, hidden

    def _readings(self, done: Pass, matching: Matching) -> list[Reading]:
        """Those of the model; those of the loss only for parameters that nothing else reads."""
        own = [one for one in matching.readings if one.call.index < done.forward_calls]
        names = {one.name for one in own}
        later = [
            one
            for one in matching.readings
            if one.call.index >= done.forward_calls and one.name not in names
        ]
        if done.loss is not None and done.loss.kind == "projection":
            later = [attrs.evolve(one, role="input") for one in later]  # itself an output
        return own + later

    def _output(self, done: Pass, found: Findings) -> Statistics:
        there = []
        for tensor, value in zip(done.tensors, done.outputs, strict=True):
            known = None if value.producer is None else found.shown.get(value.producer.index)
            first = None if value.producer is None else value.producer.outputs[0]
            if known is None or first is not value:
                known = measured(tensor, tensor.dim() - 1) if _counts(tensor) else None
            if known is not None:
                there.append(known)
        if not there:
            return Statistics(math.nan, math.nan, 0, math.nan, math.nan, 0, 0)
        return attrs.evolve(_together(there), largest=max(map(_largest, done.tensors)))

    def _unused(
        self, matching: Matching, covered: Coverage
    ) -> tuple[tuple[Use, ...], tuple[str, ...]]:
        reached = {
            self._names[reading.name].name
            for reading in matching.readings
            if reading.call.index in covered.reaching and reading.name in self._names
        }
        reached |= {
            self._names[miss.parameter.name].name
            for miss in matching.misses
            if miss.call.index in covered.reaching and miss.parameter.name in self._names
        }
        reached |= {one.name for one in self._parameters if id(one.tensor) in covered.leaves}
        missing = [one.name for one in self._parameters if one.name not in reached]
        if not missing or not self._training:
            return (), tuple(missing)
        later = self._uses_in_evaluation(frozenset(missing))
        seen = {use.parameter for use in later}
        return later, tuple(name for name in missing if name not in seen)

    def _uses_in_evaluation(self, missing: frozenset[str]) -> tuple[Use, ...]:
        """Layers that training drops at random are used in evaluation mode."""
        self._model.eval()
        try:
            done = self.run(Unwatched(), with_loss=False)
        except Exception:  # noqa: BLE001 - a model may not run in the other mode; it need not
            return ()
        finally:
            self._model.train(self._training)
        matching = Matching(done.recorder.calls, done.ends)
        reaching = coverage(done).reaching
        read = self._readings(done, matching)
        found, _ = self._found(done, matching, Probe())
        return tuple(
            attrs.evolve(use, seen=False, signal=None)
            for use, reading in zip(uses(read, found), read, strict=True)
            if use.parameter in missing and reading.call.index in reaching
        )

    def _described(self, made: Sequence[Use], missed: Sequence[Any]) -> tuple[Parameter, ...]:
        used = {use.parameter for use in made}
        wrong = {one.parameter for one in missed}
        return tuple(
            Parameter(
                one.name, one.names, tuple(one.tensor.shape),
                str(one.tensor.dtype).removeprefix("torch."), one.tensor.requires_grad,
                None, None, one.name in used and one.name not in wrong,
            )
            for one in self._parameters
        )  # fmt: skip


class Unwatched:
    """A watcher that measures nothing."""

    def see(self, *_: object) -> None:
        return None


def _counts(tensor: Tensor) -> bool:
    return (tensor.is_floating_point() or tensor.is_complex()) and tensor.numel() > 0


def _largest(tensor: Tensor) -> float:
    if not _counts(tensor):
        return 0.0
    low, high = torch.aminmax(tensor.detach() if not tensor.is_complex() else tensor.detach().abs())
    return max(-float(low), float(high))


def _together(shown: Sequence[Shown]) -> Statistics:
    """The statistics of several tensors as of one."""
    size = sum(one.size for one in shown)
    sampled = sum(one.sample.numel() for one in shown)
    return Statistics(
        math.sqrt(sum(one.norm**2 for one in shown) / size),
        max(float(one.sample.abs().max()) for one in shown),
        sum(one.nonfinite for one in shown),
        sum(float(one.sample.sum()) for one in shown) / sampled,
        sum(int((one.sample == 0).sum()) for one in shown) / sampled,
        size,
        sampled,
    )
