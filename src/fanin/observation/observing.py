"""``observe``: one forward and backward pass of a model, and what it showed."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from fanin.observation import passing
from fanin.observation.coverage import Coverage, coverage
from fanin.observation.demands import require_observable
from fanin.observation.finite import Finder
from fanin.observation.identical import identical_modules
from fanin.observation.observed import Observation
from fanin.observation.observer import Observer, Unwatched
from fanin.observation.passing import Pass
from fanin.observation.readouts import NonFinite
from fanin.observation.restoring import untouched
from fanin.observation.sampling import Probe, rms_of
from fanin.observation.statistics import gradient_noise
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
        observer = Observer(model, inputs, targets, loss, parameters)
        return _Judge(model, observer, parameters).observation()


class _Judge:
    """The steps from a pass to an observation with what it says of parameters."""

    def __init__(self, model: nn.Module, observer: Observer, parameters: tuple[Named, ...]) -> None:
        self._model = model
        self._observer = observer
        self._parameters = parameters
        self._sizes = rms_of([one.tensor for one in parameters])
        self._names = {name: one.name for one in parameters for name in one.names}

    def observation(self) -> Observation:
        probe = Probe()
        done = self._observer.run(probe)
        covered = coverage(done)
        slopes = self._slopes(done, covered)
        seen = self._observer.read(done, covered, probe)
        gradients = dict(zip(slopes, rms_of(list(slopes.values())), strict=True))
        noise, first_bad = _noise(probe), self._nonfinite(seen)
        copies = identical_modules(
            self._model,
            {id(one.tensor): size for one, size in zip(self._parameters, self._sizes, strict=True)},
        )
        described = tuple(
            attrs.evolve(one, rms=size, gradient_rms=gradients.get(one.name))
            for one, size in zip(seen.parameters, self._sizes, strict=True)
        )
        tensors = {one.name: one.tensor for one in self._parameters}
        alike = twins(seen.uses, seen.signals, tensors, slopes)
        # The last, for it moves parameters; what they were is put back at the end.
        unmoved = [name for name, size in gradients.items() if size == 0.0]
        still, later = stuck(tensors, slopes, unmoved, self._slopes_again)
        if later is not slopes:  # behind a head of zeros units show only now how they would move
            own = {name: later[name] for name in unmoved if name in later}
            alike += twins(seen.uses, seen.signals, tensors, own)
        return attrs.evolve(
            seen,
            parameters=described,
            gradient_noise=noise,
            identical=copies,
            nonfinite=first_bad,
            twins=alike,
            stuck=still,
        )

    def _slopes_again(self) -> dict[str, Tensor]:
        done = self._observer.run(Unwatched())
        return self._slopes(done, coverage(done))

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
            self._names[name]: it
            for (name, _), it in zip(wanted, made, strict=True)
            if it is not None and name in self._names
        }

    def _nonfinite(self, seen: Observation) -> NonFinite | None:
        forward = seen.output.nonfinite or not math.isfinite(seen.loss)
        forward = forward or any(
            one.forward.nonfinite for one in seen.signals if one.kind in {"weight", "norm"}
        )
        backward = any(one.gradient is not None and one.gradient.nonfinite for one in seen.signals)
        if not forward and not backward:
            return None
        finder = Finder()
        done = self._observer.run(finder)
        assert done.loss is not None  # noqa: S101 - it was asked for
        if finder.found is not None:
            return finder.found
        wanted = [one.tensor for one in self._observer.declared if one.tensor.requires_grad]
        torch.autograd.grad(done.loss.value, wanted, allow_unused=True)
        return finder.gradient


def _noise(probe: Probe) -> float | None:
    if probe.last_linear is None or probe.gradient_of_last is None:
        return None
    return gradient_noise(probe.last_linear[1], probe.gradient_of_last)
