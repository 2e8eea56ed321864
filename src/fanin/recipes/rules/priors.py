"""What a model puts out best that knows the targets' distribution and nothing of the input."""

from __future__ import annotations

import torch
from torch import Tensor

from fanin.errors import DataError, InputError
from fanin.recipes.reading.heads import Head

_IGNORED = -100

LOSSES = {
    "cross_entropy": "classes",
    "nll_loss": "classes",
    "binary_cross_entropy_with_logits": "binary",
    "binary_cross_entropy": "binary",
    "mse_loss": "mean",
    "l1_loss": "median",
}
"""Losses of torch.nn.functional, and what the best guess is."""

BETWEEN: dict[str, tuple[tuple[str, ...], ...]] = {
    "cross_entropy": ((), ("log_softmax",)),
    "nll_loss": ((), ("log_softmax",)),
    "binary_cross_entropy_with_logits": ((),),
    "binary_cross_entropy": (("sigmoid",),),
    "mse_loss": ((),),
    "l1_loss": ((),),
}
"""The functions that may lie between the head and the loss for the bias to be the guess."""


def best_bias(head: Head, size: int, loss: str, targets: Tensor, smoothing: float) -> Tensor:
    """The bias of the best guess, in float64.

    Args:
        head: where the bias is.
        size: of the bias.
        loss: a key of ``LOSSES``.
        targets: as the loss takes them.
        smoothing: pseudo counts of each class.

    Raises:
        DataError: the targets do not fit the head.
    """
    known = targets.detach().to("cpu")
    if known.is_floating_point() and not bool(known.isfinite().all()):
        raise DataError("the targets have numbers that are not finite")
    kind = LOSSES[loss]
    if kind == "classes":
        return _log_frequencies(known, head, size, smoothing)
    values = _by_unit(known.double(), head, size)
    if kind == "mean":
        return values.mean(0)
    if kind == "median":
        return values.quantile(0.5, dim=0)
    if float(values.min()) < 0 or float(values.max()) > 1:
        raise DataError(f"the targets of {loss} must lie between 0 and 1")
    share = (values.sum(0) + smoothing) / (len(values) + 2 * smoothing)
    if not smoothing and not bool(((share > 0) & (share < 1)).all()):
        raise DataError(
            "a unit has targets of one kind only, so its best bias is infinite. Give a smoothing "
            "above 0"
        )
    return torch.logit(share)


def _log_frequencies(targets: Tensor, head: Head, size: int, smoothing: float) -> Tensor:
    if targets.is_floating_point():
        counts = _by_unit(targets.double(), head, size).sum(0)
    else:
        labels = targets.reshape(-1)
        labels = labels[labels != _IGNORED].long()
        if not labels.numel():
            raise DataError("the targets have no label that counts")
        if int(labels.min()) < 0 or int(labels.max()) >= size:
            raise DataError(
                f"labels lie between {int(labels.min())} and {int(labels.max())}, and the head "
                f"{head.weight.parameter!r} has {size} classes"
            )
        counts = torch.bincount(labels, minlength=size).double()
    if not smoothing and not bool((counts > 0).all()):
        raise DataError(
            f"class {int((counts == 0).nonzero()[0])} has no target, so its best bias is "
            "infinite. Give a smoothing above 0"
        )
    return torch.log((counts + smoothing) / (counts.sum() + smoothing * size))


def _by_unit(targets: Tensor, head: Head, size: int) -> Tensor:
    """One row for each target, one column for each unit of the head."""
    if size == 1:
        return targets.reshape(-1, 1)
    axis = 1 if "conv" in head.weight.op else -1
    if targets.ndim < 2 or targets.shape[axis] != size:
        raise DataError(
            f"targets of shape {tuple(targets.shape)} are not for the {size} units of the head "
            f"{head.weight.parameter!r}"
        )
    return targets.movedim(axis, -1).reshape(-1, size)


def require_tensor(recipe: str, targets: object) -> Tensor:
    """Targets as a tensor.

    Raises:
        InputError: there are none, or they are something else.
    """
    if isinstance(targets, Tensor) and targets.numel():
        return targets
    what = "there are none" if targets is None else f"got {type(targets).__name__}"
    raise InputError(
        f"recipe {recipe!r} reads the targets, a tensor as the loss takes them, and {what}. Give "
        f"them, e.g. fanin.init_(model, {recipe!r}, inputs=x, targets=y, loss=...), or a "
        "probability for heads of sigmoids, 'prior_bias:0.01'"
    )
