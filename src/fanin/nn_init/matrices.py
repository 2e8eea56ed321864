"""Numbers that depend on one another: orthogonal and sparse matrices."""

from __future__ import annotations

import math

import torch
from torch.nn.init import orthogonal_ as torch_orthogonal_
from torch.nn.init import sparse_ as torch_sparse_

from fanin.errors import InputError
from fanin.fans import Layout
from fanin.nn_init.drawing import NAME, number, require_drawable, seed_from
from fanin.noise import Normal, Stream
from fanin.schemes.filling import fill_


def orthogonal_(
    tensor: torch.Tensor, gain: float = 1, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Draw an orthogonal matrix, uniformly among all, times ``gain``.

    The axes after the first are one; where there are more rows than columns the columns are
    orthonormal, otherwise the rows. Unlike torch's it also draws bfloat16, float16 and tensors
    in any memory format.

    Args:
        tensor: filled in place; two axes or more.
        gain: factor.
        generator: gives the seed; without it torch's default one of the tensor's device.

    Returns:
        The tensor.

    Raises:
        ValueError: the tensor has fewer than two axes.
        RuntimeError: a view whose elements share memory.
        NotImplementedError: a type or layout that torch cannot draw either.

    Example:
        >>> w = orthogonal_(torch.empty(3, 5))
        >>> bool(torch.allclose(w @ w.T, torch.eye(3), atol=1e-6))
        True

    References:
        Saxe et al., Exact solutions to the nonlinear dynamics of learning in deep linear neural
        networks, 2014, section 3.
    """
    if tensor.ndimension() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    from fanin.schemes import orthogonal

    try:
        require_drawable(tensor, generator)
        factor = number(gain)
        scheme = orthogonal(abs(factor))
    except InputError:
        return torch_orthogonal_(tensor, gain, generator)
    if tensor.numel():
        with torch.no_grad():
            rows, *others = tensor.shape
            layout = Layout(
                "matrix",
                tuple(tensor.shape),
                math.prod(others),
                rows,
                in_axes=tuple(range(1, tensor.ndim)),
            )
            seed = seed_from(generator, tensor)
            scheme.init_(tensor, seed=seed, name=NAME, layout=layout)
            if factor < 0:
                tensor.neg_()
    return tensor


def sparse_(
    tensor: torch.Tensor,
    sparsity: float,
    std: float = 0.01,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Draw N(0, std^2), then set ceil(sparsity rows) elements of every column to zero.

    Unlike torch's, it takes the places of the zeros from ``generator`` too.

    Args:
        tensor: filled in place; two axes.
        sparsity: share of each column that is zero.
        std: of the other elements.
        generator: gives the seed; without it torch's default one of the tensor's device.

    Returns:
        The tensor.

    Raises:
        ValueError: the tensor has not two axes.
        RuntimeError: a negative std, or a view whose elements share memory.
        NotImplementedError: a type or layout that torch cannot draw either.

    Example:
        >>> w = sparse_(torch.empty(10, 4), sparsity=0.25)
        >>> (w == 0).sum(0)
        tensor([3, 3, 3, 3])

    References:
        Martens, Deep learning via Hessian-free optimization, 2010, section 5.
    """
    if tensor.ndimension() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    from fanin.schemes.sparsity import zeros_in_columns

    try:
        require_drawable(tensor, generator)
        law = Normal(0.0, number(std))
    except InputError:
        return torch_sparse_(tensor, sparsity, std, generator)
    rows = tensor.shape[0]
    # As the slice torch takes: more than all is all, and a negative count leaves that many.
    zeros = len(range(rows)[: math.ceil(sparsity * rows)])
    if tensor.numel():
        with torch.no_grad():
            seed = seed_from(generator, tensor)
            stream = Stream(seed, NAME)
            change = zeros_in_columns(rows, tensor.shape[1], zeros, stream.aside())
            fill_(tensor, law, stream, change)
    return tensor
