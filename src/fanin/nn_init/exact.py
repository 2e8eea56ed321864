"""Values without chance: constants, and weights that hand their input on."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.init import constant_ as torch_constant_
from torch.overrides import has_torch_function_variadic

from fanin.nn_init.overrides import handle


def constant_(tensor: torch.Tensor, val: float) -> torch.Tensor:
    """Set every element to ``val``.

    Returns:
        The tensor.

    Example:
        >>> constant_(torch.empty(2), 0.25)
        tensor([0.2500, 0.2500])
    """
    if has_torch_function_variadic(tensor):
        return handle(constant_, torch_constant_, tensor, val=val)
    return _no_grad_fill_(tensor, val)


def ones_(tensor: torch.Tensor) -> torch.Tensor:
    """Set every element to 1.

    Returns:
        The tensor.

    Example:
        >>> ones_(torch.empty(2))
        tensor([1., 1.])
    """
    return _no_grad_fill_(tensor, 1.0)


def zeros_(tensor: torch.Tensor) -> torch.Tensor:
    """Set every element to 0.

    Returns:
        The tensor.

    Example:
        >>> zeros_(torch.empty(2))
        tensor([0., 0.])
    """
    return _no_grad_zero_(tensor)


def eye_(tensor: torch.Tensor) -> torch.Tensor:
    """Write the identity matrix: a ``Linear`` then hands on as many inputs as it has outputs.

    Returns:
        The tensor.

    Raises:
        ValueError: the tensor has not two axes.

    Example:
        >>> eye_(torch.empty(2, 3))
        tensor([[1., 0., 0.],
                [0., 1., 0.]])
    """
    if tensor.ndimension() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with torch.no_grad():
        # With ``out=`` it would otherwise turn a parameter's requires_grad off.
        rows, columns = tensor.shape
        torch.eye(rows, columns, out=tensor, requires_grad=tensor.requires_grad)
    return tensor


def dirac_(tensor: torch.Tensor, groups: int = 1) -> torch.Tensor:
    """Write the kernel of a convolution that hands its channels on unchanged, in each group.

    Element (g out / groups + d, d, centre) is 1 for every group g and channel d; the rest is 0.

    Args:
        tensor: a weight of shape (out, in / groups, *kernel) with one to three axes of kernel.
        groups: of the convolution.

    Returns:
        The tensor.

    Raises:
        ValueError: the tensor has not 3, 4 or 5 axes, or ``groups`` does not divide the first.

    Example:
        >>> dirac_(torch.empty(2, 2, 3))[:, 0]
        tensor([[0., 1., 0.],
                [0., 0., 0.]])
    """
    if tensor.ndimension() not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    outputs, _, *kernel = tensor.size()
    if outputs % groups:
        raise ValueError("dim 0 must be divisible by groups")
    if tensor.is_meta:
        return tensor
    with torch.no_grad():
        tensor.zero_()
        if tensor.numel() and groups > 0:
            centre: Any = tensor
            for size in kernel:
                centre = centre.select(2, size // 2)
            centre.unflatten(0, (groups, outputs // groups)).diagonal(0, 1, 2).fill_(1)
    return tensor


def _no_grad_fill_(tensor: torch.Tensor, val: float) -> torch.Tensor:
    with torch.no_grad():
        return tensor.fill_(val)


def _no_grad_zero_(tensor: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return tensor.zero_()
