"""Faults planted in a network after it is built, by the names of its parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fnmatch import fnmatch

import torch
from torch import Tensor, nn

Build = Callable[[], nn.Module]
Fault = Callable[[nn.Module], None]


def planted(build: Build, *faults: Fault) -> Build:
    """The same network, with faults, one after the other."""

    def faulty() -> nn.Module:
        model = build()
        for fault in faults:
            fault(model)
        return model

    return faulty


def matching(model: nn.Module, *patterns: str) -> Iterator[Tensor]:
    """Parameters and buffers whose names match one of the patterns; at least one has to."""
    seen = False
    for named in (model.named_parameters(), model.named_buffers()):
        for name, tensor in named:
            if any(fnmatch(name, pattern) for pattern in patterns):
                seen = True
                yield tensor
    if not seen:
        raise LookupError(f"no parameter matches {patterns}")


def changed(change: Callable[[Tensor], object], *patterns: str) -> Fault:
    """Each matching tensor is changed in place."""

    def fault(model: nn.Module) -> None:
        with torch.no_grad():
            for tensor in matching(model, *patterns):
                change(tensor)

    return fault


def scaled(pattern: str, factor: float) -> Fault:
    return changed(lambda w: w.mul_(factor), pattern)


def shifted(pattern: str, value: float) -> Fault:
    return changed(lambda w: w.add_(value), pattern)


def filled(pattern: str, value: float = 0.0) -> Fault:
    return changed(lambda w: w.fill_(value), pattern)


def normal(pattern: str, std: float) -> Fault:
    return changed(lambda w: w.normal_(0.0, std), pattern)


def uniform(pattern: str, low: float, high: float) -> Fault:
    return changed(lambda w: w.uniform_(low, high), pattern)


def gained(pattern: str, gain: float, *, axis: int = 0) -> Fault:
    """Normal with std = gain / sqrt(fan_in); ``axis`` holds the units."""
    return changed(
        lambda w: w.normal_(0.0, gain * math.sqrt(w.shape[axis] / w.numel())),
        pattern,
    )


def signed(pattern: str, sign: float = -1.0) -> Fault:
    """All weights of one sign, each as large as before."""
    return changed(lambda w: w.abs_().mul_(sign), pattern)


def broken(pattern: str, value: float = math.inf, entries: int = 1) -> Fault:
    """The first entries become inf or nan."""
    return changed(lambda w: w.view(-1)[:entries].fill_(value), pattern)


def dead_bias(pattern: str, share: float = 1.0, value: float = -30.0) -> Fault:
    """The first share of the units gets this bias."""
    return changed(lambda b: b[: round(share * len(b))].fill_(value), pattern)


def at(pattern: str, index: int, value: float) -> Fault:
    """One entry of a vector."""
    return changed(lambda b: b[index : index + 1].fill_(value), pattern)


def _copied(tensor: Tensor, units: int, share: float, axis: int) -> None:
    """Along an axis that holds blocks of units, units of the second part equal the first ones."""
    block = tensor.shape[axis] // units
    rows = tensor.movedim(axis, 0).unflatten(0, (units, block))
    count = round(units * share)
    rows[units - count :] = rows[:count].clone()


def duplicated(
    into: str, out: str, *also: str, share: float = 0.5, axis: int = 0, out_axis: int = 1
) -> Fault:
    """Part of the units get incoming and outgoing weights of others.

    Args:
        into: incoming weights, with the units at ``axis``.
        out: outgoing weights, with the units at ``out_axis``, in blocks if it is longer.
        also: vectors over the units: biases, parameters of a norm.
        share: of the units that become copies.
        axis: see ``into``.
        out_axis: see ``out``.
    """

    def fault(model: nn.Module) -> None:
        with torch.no_grad():
            for tensor in matching(model, into):
                units = tensor.shape[axis]
                _copied(tensor, units, share, axis)
            for tensor in matching(model, out):
                _copied(tensor, units, share, out_axis)
            for pattern in also:
                for tensor in matching(model, pattern):
                    _copied(tensor, units, share, 0)

    return fault


def same(*modules: str) -> Fault:
    """Modules of one form get the parameters of the first one; patterns of module names."""

    def fault(model: nn.Module) -> None:
        found = [
            module
            for name, module in model.named_modules()
            if any(fnmatch(name, pattern) for pattern in modules)
        ]
        for module in found[1:]:
            module.load_state_dict(found[0].state_dict())
        if len(found) < 2:
            raise LookupError(f"fewer than two modules match {modules}")

    return fault
