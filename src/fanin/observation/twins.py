"""Symmetry: units that are equal and stay so, and parameters that no gradient ever reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import torch
from torch import Tensor

from fanin.fans import Layout
from fanin.observation.gates import RECURRENT
from fanin.observation.readouts import Signal, Twins
from fanin.observation.records import Use

_TOLERANCE: Final = 1e-4
_LEAST: Final = 1e-3
_STEP: Final = 0.05
_ROUNDS: Final = 3
_SMALLEST_SCALE: Final = 0.02


def twins(
    uses: Iterable[Use],
    signals: Iterable[Signal],
    parameters: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor],
) -> tuple[Twins, ...]:
    """Parameters with units that are equal as functions and get equal gradients.

    Also those all of whose units are one and the same, though their gradients differ.

    Equal outputs on every example are the first sign; of recurrent layers, whose units are not
    seen one by one, equal weights. Units with equal gradients at once keep equal weights under
    every optimizer that treats elements alike, for equal gradients need equal outgoing weights.
    """
    suspect = {
        signal.name: signal.units.duplicated_units
        for signal in signals
        if signal.units is not None and (signal.units.duplicated or signal.units.observations == 1)
    }
    found: dict[str, Twins] = {}
    for use in uses:
        if use.role != "weight" or use.layout is None or use.parameter in found:
            continue
        is_recurrent = use.op.removesuffix("_cell") in RECURRENT
        gradient = gradients.get(use.parameter)
        weight = parameters[use.parameter]
        if gradient is None or not (
            is_recurrent
            or (use.signal or "") in suspect
            or (not use.through and _starts_alike(weight, use.layout))
        ):
            continue
        if tuple(weight.shape) != use.layout.shape or gradient.shape != weight.shape:
            continue
        rows, slopes = by_units(weight, use.layout), by_units(gradient, use.layout)
        if is_recurrent:
            gates = max(1, len(use.layout.blocks))
            rows, slopes = _per_state(rows, gates), _per_state(slopes, gates)
        groups = _equal_rows(rows)
        alike = [group for own in groups for group in _alike(slopes, own)]
        units = sum(map(len, alike))
        if units < len(rows) and not bool(weight.any()):
            continue  # zeros are a start by design where units can tell themselves apart
        if alike:
            found[use.parameter] = Twins(
                use.parameter, units, len(rows), len(rows) - units + len(alike)
            )
        elif len(groups) == 1 and len(groups[0]) == len(rows) and bool(rows.any()):
            found[use.parameter] = Twins(use.parameter, len(rows), len(rows), 1, gradients=False)
    return tuple(found.values())


def _starts_alike(weight: Tensor, layout: Layout) -> bool:
    """Its first two units and its last have equal weights: a look at few numbers."""
    if tuple(weight.shape) != layout.shape or len(layout.out_axes) != 1:
        return False
    axis, count = layout.out_axes[0], layout.shape[layout.out_axes[0]]
    if count < 3:
        return False
    first = weight.select(axis, 0)
    return torch.equal(first, weight.select(axis, 1)) and torch.equal(
        first, weight.select(axis, count - 1)
    )


def by_units(tensor: Tensor, layout: Layout) -> Tensor:
    """(units, all else): the tensor with its out axes first."""
    axes = tuple(layout.out_axes)
    rest = [axis for axis in range(tensor.dim()) if axis not in axes]
    moved = tensor.detach().permute(*axes, *rest)
    count = 1
    for axis in axes:
        count *= tensor.shape[axis]
    return moved.reshape(count, -1).float()


def _per_state(rows: Tensor, gates: int) -> Tensor:
    """(hidden units, gates times inputs): one row for each unit of the state."""
    return rows.view(gates, -1, rows.shape[1]).transpose(0, 1).flatten(1)


def _equal_rows(rows: Tensor) -> list[list[int]]:
    """Groups of equal rows: equal random projections first, then number by number."""
    if len(rows) < 2:
        return []
    generator = torch.Generator().manual_seed(2)
    keys = rows.cpu() @ torch.rand(rows.shape[1], generator=generator)
    order = keys.argsort()
    groups: list[list[int]] = []
    for left, right in zip(order[:-1].tolist(), order[1:].tolist(), strict=True):
        if not torch.equal(rows[left], rows[right]):
            continue
        if groups and groups[-1][-1] == left:
            groups[-1].append(right)
        else:
            groups.append([left, right])
    return groups


def _alike(slopes: Tensor, group: Sequence[int]) -> list[list[int]]:
    """Those of a group whose gradient is that of another one of it, together."""
    sizes = slopes[list(group)].norm(dim=1)
    size = float(sizes.max())
    # Where there is no gradient nothing is known of how units would move.
    group = [unit for unit, own in zip(group, sizes.tolist(), strict=True) if own > _LEAST * size]
    if len(group) < 2:
        return []
    own = slopes[group]
    order = (own @ torch.linspace(1, 2, own.shape[1], device=own.device)).argsort().tolist()
    near = ((own[order[1:]] - own[order[:-1]]).norm(dim=1) <= _TOLERANCE * size).tolist()
    runs: list[list[int]] = []
    for left, right, is_near in zip(order[:-1], order[1:], near, strict=True):
        if not is_near:
            continue
        if runs and runs[-1][-1] == group[left]:
            runs[-1].append(group[right])
        else:
            runs.append([group[left], group[right]])
    return runs


def stuck(
    parameters: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor],
    zero: Iterable[str],
    again: Callable[[], Mapping[str, Tensor]],
) -> tuple[tuple[str, ...], Mapping[str, Tensor]]:
    """Names whose gradient is exactly zero though those that have one move; and the gradients
    that the others had in the end.

    Parameters that have a gradient are moved along it, and the gradients are taken again: the
    other factor of a product of zeros, and what lies before a branch that starts at zero, get
    one then. Units that are equal get equal steps and stay so. Changes the parameters: call it
    where they are put back.

    Args:
        parameters: by name.
        gradients: of those with a way to the loss.
        zero: those of them that are zero.
        again: makes the gradients anew.
    """
    still = set(zero)
    if any(type(it) is not Tensor for it in gradients.values()):
        return (), gradients  # of sharded parameters each process would move its own part
    for _ in range(_ROUNDS):
        if not still:
            break
        for name, gradient in gradients.items():
            if name not in still:
                _move(parameters[name], gradient)
        try:
            gradients = again()
        except Exception:  # noqa: BLE001 - a model need not survive a step; nothing is said then
            return (), gradients
        freed = {name for name in still if name in gradients and bool(gradients[name].any())}
        if not freed:
            break
        still -= freed
    return tuple(name for name in parameters if name in still), gradients


@torch.no_grad()
def _move(parameter: Tensor, gradient: Tensor) -> None:
    scale = float(parameter.float().square().mean().sqrt())
    length = float(gradient.float().square().mean().sqrt())
    if length > 0:
        step = gradient.float() * (_STEP * max(scale, _SMALLEST_SCALE) / length)
        parameter.sub_(step.to(parameter.dtype))
