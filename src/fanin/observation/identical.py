"""Modules that are bit-identical copies of each other, as cloned layers are."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import torch
from torch import Tensor, nn


def identical_modules(
    model: nn.Module, sizes: Mapping[int, float | None]
) -> tuple[tuple[str, ...], ...]:
    """Groups of the outermost modules with equal parameters that are not constant.

    Constant parameters are equal by design, and shared ones are one parameter.

    Args:
        model: whose modules are compared.
        sizes: RMS of each parameter, by its id.
    """
    groups: dict[Hashable, list[tuple[str, nn.Module]]] = {}
    for path, module in model.named_modules():
        if path:
            kind = f"{type(module).__module__}.{type(module).__qualname__}"
            key = tuple(
                (name, parameter.shape, sizes.get(id(parameter)))
                for name, parameter in module.named_parameters()
            )
            if key and all(size is not None for _, _, size in key):
                groups.setdefault((kind, key), []).append((path, module))
    found: list[tuple[str, ...]] = []
    for group in groups.values():
        if len(group) > 1 and _varies(group[0][1]):
            found += _equal(group)
    return tuple(group for group in found if not _lies_inside(group, found))


def _varies(module: nn.Module) -> bool:
    return any(
        bool((flat != flat[:1]).any())
        for flat in (_local(parameter).detach().reshape(-1) for parameter in module.parameters())
    )


def _local(parameter: Tensor) -> Tensor:
    return parameter.to_local() if hasattr(parameter, "to_local") else parameter


def _equal(group: list[tuple[str, nn.Module]]) -> list[tuple[str, ...]]:
    """Of modules with one fingerprint, those whose parameters are equal but not the same."""
    classes: list[list[tuple[str, nn.Module]]] = []
    for path, module in group:
        for members in classes:
            if _same_numbers(members[0][1], module):
                members.append((path, module))
                break
        else:
            classes.append([(path, module)])
    return [tuple(path for path, _ in members) for members in classes if len(members) > 1]


def _same_numbers(first: nn.Module, second: nn.Module) -> bool:
    pairs = list(zip(first.parameters(), second.parameters(), strict=True))
    if any(a is b for a, b in pairs):
        return False
    return all(torch.equal(_local(a), _local(b)) for a, b in pairs)


def _lies_inside(group: tuple[str, ...], groups: list[tuple[str, ...]]) -> bool:
    """Every module of the group is a part of a module of another group."""
    return any(
        other is not group
        and all(any(path.startswith(f"{outer}.") for outer in other) for path in group)
        for other in groups
    )
