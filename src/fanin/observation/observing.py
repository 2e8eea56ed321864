"""``observe``: one forward and backward pass of a model, and what it showed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from fanin.observation import passing
from fanin.observation.assembly import Findings, give_names, signals, steps, uses
from fanin.observation.branches import records, spans
from fanin.observation.coverage import Coverage, coverage, unmatched
from fanin.observation.dataflow import Dataflow
from fanin.observation.demands import examples_differ, notes_on, require_observable
from fanin.observation.finite import Finder
from fanin.observation.identical import identical_modules
from fanin.observation.insides import attentions, gates
from fanin.observation.matching import Matching, Reading
from fanin.observation.objective import objective_of
from fanin.observation.observed import Observation
from fanin.observation.passing import Pass
from fanin.observation.reaching import feeding, recurring
from fanin.observation.readouts import NonFinite, Signal, Statistics
from fanin.observation.records import Parameter, Use
from fanin.observation.restoring import untouched
from fanin.observation.roles import attention_roles
from fanin.observation.sampling import Probe, Shown, measured, rms_of
from fanin.observation.statistics import gradient_noise, numbers
from fanin.observation.twins import stuck, twins
from fanin.observation.whereabouts import Named, named


def observe(
    model: nn.Module,
    inputs: object,
    targets: object = None,
    *,
    loss: Callable[..., Any] | None = None,
) -> Observation:
    """Run one forward and backward pass and read which operation uses each parameter, and how.

    The model runs as it is, in the mode that it is in, by its own code: control flow, nested
    and functional parts are seen as they happen. Nothing is guessed from shapes or names of
    modules; what is not understood is listed. Afterwards the model is as before, bit for bit,
    also when the pass raises (``fanin.observation.untouched``).

    Args:
        model: any ``torch.nn.Module``.
        inputs: a tensor, a tuple (positional arguments of forward), a dict (keyword arguments)
            or one object of another kind.
        targets: for the loss.
        loss: a function ``loss(outputs, targets)`` of one number. Without it the output's own
            ``.loss`` is used; where there is none, a fixed random projection of the output
            stands in: sum(output * noise) / sqrt(size), noise ~ N(0, 1).

    Raises:
        ModelError: it has no parameters or lazy ones.
        InputError: inputs are not finite or on another device, the loss is no scalar, or the
            output has nothing to differentiate.
        Exception: what model or loss raise, as it is, with a note that says where.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
        >>> seen = observe(model, torch.randn(16, 8))
        >>> [(use.parameter, use.op, use.fan_in, use.gain) for use in seen.uses[::2]]
        [('0.weight', 'linear', 8, 1.41421356...), ('2.weight', 'linear', 32, 1.0)]
        >>> seen.unmatched, seen.unused
        ((), ())
    """
    parameters = named(model) if isinstance(model, nn.Module) else ()
    require_observable(model, inputs, loss, parameters)
    others = (loss,) if isinstance(loss, nn.Module) else ()
    with ExitStack() as stack:
        stack.enter_context(untouched(model, *others))
        stack.enter_context(passing.ordinary_surroundings())
        observer = _Observer(model, inputs, targets, loss, parameters)
        return observer.observation()


class _Observer:
    """The steps from a pass to an observation."""

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
        self._declared = (*parameters, *beside)
        self._sizes = rms_of([one.tensor for one in parameters])
        self._names = {name: one for one in parameters for name in one.names}

    def observation(self) -> Observation:
        probe = Probe()
        done = self._pass(probe)
        assert done.loss is not None  # noqa: S101 - it was asked for
        covered = coverage(done)
        slopes = self._slopes(done, covered)
        gradients = self._sizes_of(slopes)
        matching = Matching(done.recorder.calls, done.ends)
        found, hidden = self._found(done, matching, probe)
        output = self._output(done, found)
        shown_signals = tuple(signals(found))
        made = uses(self._readings(done, matching), found)
        tensors = {one.name: one.tensor for one in self._parameters}
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
        noise, first_bad = self._noise(probe), self._nonfinite(shown_signals, output, value)
        copies = identical_modules(
            self._model,
            {id(one.tensor): size for one, size in zip(self._parameters, self._sizes, strict=True)},
        )
        described = self._described(gradients, made, missed)
        alike = twins(made, shown_signals, tensors, slopes)
        # The last, for it moves parameters; what they were is put back at the end.
        unmoved = [name for name, size in gradients.items() if size == 0.0]
        still, later = stuck(tensors, slopes, unmoved, self._slopes_again)
        if later is not slopes:  # behind a head of zeros units show only now how they would move
            own = {name: later[name] for name in unmoved if name in later}
            alike += twins(made, shown_signals, tensors, own)
        return Observation(
            model=type(self._model).__name__,
            training=self._training,
            uses=(*made, *more),
            signals=shown_signals,
            parameters=described,
            branches=records(found.spans),
            steps=drawn,
            edges=edges,
            objective=objective_of(done.recorder.calls, done.loss.kind, value),
            output=output,
            gradient_noise=noise,
            unmatched=missed,
            unused=unused,
            identical=copies,
            nonfinite=first_bad,
            notes=tuple(notes),
            losses=tuple(probe.losses.found[index] for index in sorted(probe.losses.found)),
            attentions=attentions(found, probe.softmaxes),
            gates=gates(found, probe.gates),
            twins=alike,
            stuck=still,
            examples_differ=examples_differ(self._inputs),
        )

    def _slopes_again(self) -> dict[str, Tensor]:
        done = self._pass(_Nothing())
        return self._slopes(done, coverage(done))

    def _pass(self, watcher: Any, *, with_loss: bool = True) -> Pass:
        return passing.run(
            self._model, self._inputs, self._targets, self._loss, self._declared, watcher,
            with_loss=with_loss,
        )  # fmt: skip

    def _slopes(self, done: Pass, covered: Coverage) -> dict[str, Tensor]:
        """The gradients of the model's parameters; the hooks of the probe fire on the way."""
        assert done.loss is not None  # noqa: S101 - it was asked for
        read = done.recorder.parameters
        wanted = [read[key] for key in read if key in covered.leaves]
        if not done.loss.value.requires_grad or not wanted:
            return {}
        with passing.explained("the model's own backward pass"):
            made = torch.autograd.grad(
                done.loss.value, [tensor for _, tensor in wanted], allow_unused=True
            )
        return {
            self._names[name].name: it
            for (name, _), it in zip(wanted, made, strict=True)
            if it is not None and name in self._names
        }

    @staticmethod
    def _sizes_of(slopes: Mapping[str, Tensor]) -> dict[str, float | None]:
        return dict(zip(slopes, rms_of(list(slopes.values())), strict=True))

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
            done = self._pass(_Nothing(), with_loss=False)
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

    def _described(
        self, gradients: Mapping[str, float | None], made: Sequence[Use], missed: Sequence[Any]
    ) -> tuple[Parameter, ...]:
        used = {use.parameter for use in made}
        wrong = {one.parameter for one in missed}
        return tuple(
            Parameter(
                one.name, one.names, tuple(one.tensor.shape),
                str(one.tensor.dtype).removeprefix("torch."), one.tensor.requires_grad,
                size, gradients.get(one.name),
                one.name in used and one.name not in wrong,
            )
            for one, size in zip(self._parameters, self._sizes, strict=True)
        )  # fmt: skip

    def _noise(self, probe: Probe) -> float | None:
        if probe.last_linear is None or probe.gradient_of_last is None:
            return None
        return gradient_noise(probe.last_linear[1], probe.gradient_of_last)

    def _nonfinite(
        self, shown: Sequence[Signal], output: Statistics, loss: float
    ) -> NonFinite | None:
        forward = output.nonfinite or not math.isfinite(loss)
        forward = forward or any(
            one.forward.nonfinite for one in shown if one.kind in {"weight", "norm"}
        )
        backward = any(one.gradient is not None and one.gradient.nonfinite for one in shown)
        if not forward and not backward:
            return None
        finder = Finder()
        done = self._pass(finder)
        assert done.loss is not None  # noqa: S101 - it was asked for
        if finder.found is not None:
            return finder.found
        wanted = [one.tensor for one in self._declared if one.tensor.requires_grad]
        torch.autograd.grad(done.loss.value, wanted, allow_unused=True)
        return finder.gradient


class _Nothing:
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
