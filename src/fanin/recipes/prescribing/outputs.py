"""What the loss asks of the output: its scale, and the bias of a head."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fanin.errors import DataError
from fanin.observation.readouts import LossCall
from fanin.observation.records import Use
from fanin.recipes.reading.anatomy import Anatomy
from fanin.recipes.reading.heads import heads_of
from fanin.recipes.rules.priors import BETWEEN, LOSSES, best_bias

SCORES = 1.0
"""RMS of class scores: a guess that is nearly uninformed, with gradients for all weights."""

_SHARE = 0.2
"""RMS of a regression's output over the spread of its targets."""


class Outputs:
    """The losses that ran, and what they ask.

    Args:
        anatomy: of the model.
        targets: as given.
    """

    def __init__(self, anatomy: Anatomy, targets: object) -> None:
        self._anatomy = anatomy
        self._losses = anatomy.observation.losses
        self._targets = targets if isinstance(targets, Tensor) else None

    @property
    def loss(self) -> LossCall | None:
        """The only loss of torch that ran."""
        return self._losses[0] if len(self._losses) == 1 else None

    def scale(self, use: Use) -> tuple[float, str, str]:
        """RMS that a head's output is to have, the reason, and the source."""
        loss = self.loss
        if loss is not None and (loss.classes is not None or "binary" in loss.op):
            return (
                SCORES,
                f"scores of RMS {SCORES:g}: the loss starts near that of a guess without input",
                _KARPATHY,
            )
        if loss is not None and any(region.ops for region in use.regions):
            return 1.0, f"{loss.op} judges a function of the output: an output of RMS 1", _LECUN
        if loss is not None and loss.target_spread:
            scale = _SHARE * loss.target_spread
            return scale, f"{_SHARE:g} of the targets' spread, {loss.target_spread:.3g}", _KARPATHY
        return 1.0, "the loss is not known: an output of RMS 1", _LECUN

    def bias(self, name: str) -> tuple[tuple[float, ...], str] | None:
        """What the bias of a head starts at, and the reason; None for zeros.

        It is what the model puts out best before it looks at the input, where the targets tell it
        and nothing lies between the head and the loss.
        """
        loss = self.loss
        head = next((one for one in heads_of(self._anatomy) if one.bias == name), None)
        op = "" if loss is None else _LIKE.get(loss.op, loss.op)
        if loss is None or head is None or op not in LOSSES:
            return None
        if any(region.ops not in BETWEEN[op] for region in head.weight.regions):
            return None
        size = self._anatomy.parameters[name].numel()
        targets = self._targets_of(loss)
        if targets is None:
            mean, spread = loss.target_mean, loss.target_spread
            far = mean is not None and spread is not None and abs(mean) > _FAR * spread
            return ((float(mean or 0.0),) * size, _MEAN) if far else None
        try:
            values = best_bias(head, size, op, targets, 1.0)
        except DataError:
            return None
        kind = LOSSES[op]
        if kind == "classes":
            values = values - values.mean()
            clear = not targets.is_floating_point() and _unequal(targets, size)
            said = "the logarithms of the classes' shares among the targets, which are unequal"
        elif kind == "binary":
            clear = _uneven(targets)
            said = "the logits of the shares of ones among the targets, which are far from a half"
        else:
            spread = loss.target_spread
            clear = spread is not None and bool((values.abs() > _FAR * spread).any())
            said = _MEAN if kind == "mean" else "the median of the targets"
        return (tuple(values.tolist()), said) if clear else None

    def _targets_of(self, loss: LossCall) -> Tensor | None:
        """The targets as given, where they are what the loss was given."""
        known = self._targets
        if known is None or not known.numel():
            return None
        if loss.target_mean is None:
            return known
        mean = float(known.double().mean())
        return known if math.isclose(mean, loss.target_mean, rel_tol=1e-3, abs_tol=1e-6) else None


def _unequal(targets: Tensor, classes: int) -> bool:
    """The counts of classes differ by more than chance."""
    labels = targets.flatten()
    labels = labels[(labels >= 0) & (labels < classes)]
    if labels.numel() < 4 * classes:
        return False
    counts = torch.bincount(labels.long(), minlength=classes).double()
    expected = labels.numel() / classes
    chance = float(((counts - expected) ** 2 / expected).sum())
    return chance >= classes - 1 + 4 * math.sqrt(2 * (classes - 1))


def _uneven(targets: Tensor) -> bool:
    """The share of ones differs from a half by more than chance."""
    share = float(targets.double().mean())
    return targets.numel() >= 8 and abs(share - 0.5) > 2 / math.sqrt(targets.numel())


_LIKE = {"nll_loss_nd": "nll_loss", "huber_loss": "mse_loss", "smooth_l1_loss": "mse_loss"}
"""Losses whose best guess is that of another, or near it."""

_FAR = 0.1
"""Of the targets' spread: what a mean must exceed to be worth a bias."""

_MEAN = "the mean of the targets"
_KARPATHY = "Karpathy. A recipe for training neural networks. 2019. Section 2"
_LECUN = "LeCun, Bottou, Orr, Mueller. Efficient BackProp. 1998. Section 4.6"
