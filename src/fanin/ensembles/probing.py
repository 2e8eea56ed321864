"""Try a model once, before many are trained: what it takes, and whether it keeps hidden state."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from fanin.ensembles.datasets import Dataset
from fanin.ensembles.isolation import borrowed
from fanin.ensembles.objective import Objective
from fanin.errors import FaninError, ModelError

_PLAIN = (bool, int, float, str, type(None))


def copied(model: nn.Module) -> nn.Module:
    """A copy that shares nothing with the model.

    Raises:
        ModelError: the model cannot be copied.
    """
    try:
        return copy.deepcopy(model)
    except Exception as error:
        raise ModelError(
            f"the model cannot be copied, as a comparison must: {_first_line(error)}"
        ) from error


def in_its_form(model: nn.Module, data: Dataset, batch: int) -> Dataset:
    """The data in the first shape and type that the model takes and whose outputs fit.

    The type is that of the model's parameters; integers may also stay integers.

    Raises:
        ModelError: the model takes none of them, or its outputs have another shape.
        DataError: labels beyond the model's outputs.
    """
    real = next(p.dtype for p in model.parameters() if p.requires_grad)
    unfit: list[FaninError] = []
    failures: list[str] = []
    for dtype in (real, torch.int64) if data.whole else (real,):
        for shape in data.shapes:
            formed = data.in_form(shape, dtype)
            x = formed.x_train[:batch]
            try:
                with torch.no_grad(), borrowed(0, "form"):
                    outputs: Tensor | object = copied(model)(x)
            except ModelError:
                raise
            except Exception as error:  # noqa: BLE001 - a forward pass may raise anything
                kind = str(x.dtype).removeprefix("torch.")
                what = f"{type(error).__name__}: {_first_line(error)}"
                failures.append(f"  {tuple(x.shape)} {kind}: {what}")
                continue
            try:
                Objective.of(formed).require_outputs(outputs, formed, batch)
            except FaninError as error:
                unfit.append(error)
                continue
            return formed
    if unfit:
        raise unfit[0]
    raise ModelError(f"the model cannot take a batch of {data.name}:\n" + "\n".join(failures))


def is_stochastic(model: nn.Module, x: Tensor) -> bool:
    """Whether a pass, in the modes that the modules are in, draws from torch's generator."""
    with torch.no_grad(), borrowed(0, "stochastic"):
        before = torch.get_rng_state()
        copied(model)(x)
        return not torch.equal(before, torch.get_rng_state())


def require_no_hidden_state(model: nn.Module, x: Tensor) -> None:
    """Raise where a forward pass changes what stacked runs cannot carry along.

    Two passes are made: a value that is set once, such as a cached size, does no harm; one
    that changes again is state, and all runs would share it.

    Raises:
        ModelError: naming the buffer or attribute.
    """
    probe = copied(model).train()
    with torch.no_grad(), borrowed(0, "state"):
        probe(x)
        buffers, attributes = dict(probe.named_buffers()), _attributes(probe)
        probe(x)
    for name, buffer in probe.named_buffers():
        if buffers.get(name) is not buffer:
            raise ModelError(
                f"forward assigns buffer {name!r} anew. Runs that train together need it written "
                "in place, e.g. self.count.add_(1) instead of self.count = self.count + 1"
            )
    for name, value in _attributes(probe).items():
        if attributes.get(name) != value:
            raise ModelError(
                f"forward changes attribute {name!r} ({attributes.get(name)!r}, then {value!r}). "
                "Runs that train together would share it: make it a buffer, written in place"
            )


def _attributes(model: nn.Module) -> dict[str, object]:
    return {
        f"{path}.{name}" if path else name: value
        for path, module in model.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, _PLAIN)
    }


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
