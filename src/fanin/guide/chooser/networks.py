"""The network of a case: the smallest one of torch.nn modules that has what the case names."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor, nn

from fanin.errors import InputError
from fanin.guide.chooser import batches
from fanin.guide.chooser.cases import Case
from fanin.guide.chooser.layers import (
    FUNCTIONS,
    Attention,
    Block,
    Branch,
    First,
    Layer,
    Patches,
    Pooled,
    States,
    Tokens,
    adapt,
    norm_of,
)
from fanin.recipes import recommend

_MOST: Final = 2**25
"""Parameters: more would take longer than a page is waited for."""

_EXPANSION = 4
_NARROWEST = 8


class Network(nn.Module):
    """Stem, layers, a last norm, a head.

    Args:
        stem: reads the input.
        layers: in a row.
        norm: before the head.
        head: puts out.
    """

    def __init__(
        self, stem: nn.Module, layers: Iterator[nn.Module], norm: nn.Module, head: nn.Module
    ) -> None:
        super().__init__()
        self.stem, self.layers = stem, nn.Sequential(*layers)
        self.norm, self.head = norm, head

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.norm(self.layers(self.stem(x))))
        return out


def build(case: Case) -> nn.Module:
    """The network of a case; torch's generators are as before.

    Raises:
        InputError: it would be too large.
    """
    with torch.device("meta"):
        size = sum(one.numel() for one in _made(case).parameters())
    if size > _MOST:
        raise InputError(
            f"that network has {size:,} parameters, and at most {_MOST:,} are built here. Take "
            "less depth or width, or give your own network to fanin recommend"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = _made(case)
        if case.tuning != "all":
            _train(case, model)
        if case.tuning == "lora":
            adapt(model)
    if case.tuning != "all":
        for name, parameter in model.named_parameters():
            is_head = case.tuning == "head" and name.startswith("head.")
            parameter.requires_grad_(is_head or ".lora_" in name)
    return model


def _train(case: Case, model: nn.Module) -> None:
    """Weights that stand for trained ones: signals have the scale that a trained network keeps."""
    inputs, targets, loss = batches.batch_of(case)
    recommend(model, inputs, targets, loss=loss).init_(model)


def _made(case: Case) -> Network:
    model = Network(_stem(case), _layers(case), _last_norm(case), _head(case))
    if case.tied:
        model.head.weight = model.stem.tokens.weight  # type: ignore[union-attr]
    return model


def _stem(case: Case) -> nn.Module:
    width, function = case.width, FUNCTIONS.get(case.activation, nn.Identity)()
    if case.architecture in {"decoder", "encoder"}:
        return Tokens(case, batches.TOKENS)
    if case.architecture == "vit":
        return Patches(case, batches.CHANNELS, batches.IMAGE)
    if case.length is not None:
        return States(case, batches.features(case))
    if case.architecture in {"cnn", "resnet"}:
        conv = nn.Conv2d(batches.CHANNELS, width, 3, padding=1)
        return Layer(conv, norm_of(case.norm, width, images=True), function)
    if case.architecture == "autoencoder":
        return nn.Identity()
    first = nn.Linear(batches.features(case), width)
    if case.residual:
        return Layer(first, nn.Identity(), nn.Identity())
    return Layer(first, norm_of(case.norm, width), function)


def _layers(case: Case) -> Iterator[nn.Module]:
    width, function = case.width, FUNCTIONS.get(case.activation, nn.Identity)
    if case.architecture in {"decoder", "encoder", "vit"}:
        for _ in range(case.depth):
            yield Attention(case)
            yield Branch(case, width, _EXPANSION * width)
    elif case.architecture == "resnet":
        for _ in range(case.depth):
            yield Block(case)
    elif case.architecture == "cnn":
        for place in range(1, case.depth):
            # Places get fewer two times, as in networks of the field.
            stride = 2 if place in {case.depth // 3, 2 * case.depth // 3} else 1
            conv = nn.Conv2d(width, width, 3, stride, padding=1)
            yield Layer(conv, norm_of(case.norm, width, images=True), function())
    elif case.architecture == "autoencoder":
        sizes = _sizes(case)
        for place, (into, out) in enumerate(itertools.pairwise(sizes)):
            is_code = place == case.depth - 1
            made = nn.Identity() if is_code else function()
            yield Layer(nn.Linear(into, out), nn.Identity(), made)
    elif case.architecture == "mlp":
        for _ in range(case.depth if case.residual else case.depth - 1):
            yield (
                Branch(case, width, width) if case.residual
                else Layer(nn.Linear(width, width), norm_of(case.norm, width), function())
            )  # fmt: skip


def _sizes(case: Case) -> list[int]:
    """Widths of an autoencoder: halved toward the code, as far as that goes, and back."""
    down = [max(_NARROWEST, case.width // 2**place) for place in range(case.depth)]
    return [batches.FEATURES, *down, *down[-2::-1]]


def _last_norm(case: Case) -> nn.Module:
    if case.architecture in {"cnn", "resnet"}:
        return Pooled()
    if case.architecture in {"decoder", "encoder", "vit"} or case.residual:
        made = nn.Identity() if case.norm == "post" else norm_of(case.norm, case.width)
        return made if case.architecture not in {"encoder", "vit"} else nn.Sequential(made, First())
    return nn.Identity()


def _head(case: Case) -> nn.Module:
    width = _sizes(case)[-1] if case.architecture == "autoencoder" else case.width
    return nn.Linear(width, batches.outputs(case), bias=not case.tied)
