"""Networks that the corpus lacks, and any network as torch's constructors leave it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.corpus import feedforward_nets as nets
from benchmarks.corpus import sequences

Build = Callable[[], nn.Module]


def plainly(build: Build) -> Build:
    """The network with every layer of torch.nn as its constructor draws it."""
    return partial(_reset, build)


def _reset(build: Build) -> nn.Module:
    model = build()
    for module in model.modules():
        for name in ("reset_parameters", "_reset_parameters"):
            own = getattr(module, name, None)
            if own is not None:
                own()
                break
    return model


def gpt(depth: int = 3, width: int = 48) -> nn.Module:
    """A decoder written by hand: nn.Embedding, a head of its own, pre-LayerNorm."""
    blocks: list[nn.Module] = [sequences.Block(width, causal=True) for _ in range(depth)]
    start = sequences.Start(128, width, 32, tokens=True, std=1.0)
    return sequences.Tower(start, blocks, width, 128, "all", nn.LayerNorm)


def deep_coder(activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Module:
    """Twelve layers into twelve numbers and out again."""
    down = (64, 64, 56, 48, 40, 24, 12)
    return sequences._linear(*down, *down[-2::-1], act=activation)  # noqa: SLF001


class ConvGenerator(nn.Module):
    """Noise to images by transposed convolutions, before a frozen random discriminator."""

    def __init__(self, width: int = 16, norm: Callable[[int], nn.Module] | None = None) -> None:
        super().__init__()
        between = norm or (lambda _: nn.Identity())
        self.generator = nn.Sequential(
            nn.ConvTranspose2d(16, 2 * width, 2), between(2 * width), nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1), between(width), nn.ReLU(),
            nn.ConvTranspose2d(width, 1, 4, 2, 1), nn.Tanh(),
        )  # fmt: skip
        self.discriminator = nn.Sequential(
            nn.Conv2d(1, 16, 4, 2, 1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(256, 1)
        )
        self.discriminator.requires_grad_(False)

    def forward(self, z: Tensor) -> Tensor:
        return self.discriminator(self.generator(z[:, :, None, None]))


class SwitchBlock(nn.Module):
    """Attention, then a layer of experts of which each token takes the best."""

    def __init__(self, width: int, count: int = 4) -> None:
        super().__init__()
        self.attention = sequences.Attention(width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.router = nn.Linear(width, count, bias=False)
        self.experts = nn.ModuleList(
            sequences._linear(width, 2 * width, width, act=nn.GELU)  # noqa: SLF001
            for _ in range(count)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norms[0](x))
        normed = self.norms[1](x)
        share = self.router(normed).softmax(-1)
        best, taken = share.max(-1, keepdim=True)
        made = torch.stack([expert(normed) for expert in self.experts], -2)
        index = taken[..., None].expand(*taken.shape, made.shape[-1])
        return x + best * made.gather(-2, index).squeeze(-2)


def switch_transformer(depth: int = 2, width: int = 32) -> nn.Module:
    blocks: list[nn.Module] = [SwitchBlock(width) for _ in range(depth)]
    return sequences.Tower(sequences.Start(8, width, 8), blocks, width, norm=nn.LayerNorm)


class DeepUNet(nn.Module):
    """Three levels, two convolutions at each, no norm."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        sizes = (width, 2 * width, 4 * width)

        def pair(before: int, after: int) -> nn.Module:
            return nn.Sequential(nets.conv(before, after), nets.conv(after, after))

        self.down = nn.ModuleList(pair(i, o) for i, o in zip((1, *sizes), sizes, strict=False))
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(2 * size, size, 2, 2) for size in reversed(sizes[:-1])
        )
        self.leave = nn.ModuleList(pair(2 * size, size) for size in reversed(sizes[:-1]))
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for level, down in enumerate(self.down):
            x = down(F.max_pool2d(x, 2) if level else x)
            kept.append(x)
        for up, leave, skip in zip(self.ups, self.leave, kept[-2::-1], strict=True):
            x = leave(torch.cat([skip, up(x)], 1))
        return self.head(x)


def timm_vit() -> nn.Module:
    """timm's own, with timm's own init."""
    timm = _timm()
    return timm.models.VisionTransformer(
        img_size=8, patch_size=2, in_chans=1, num_classes=10, embed_dim=32, depth=3, num_heads=4
    )


def timm_resnet() -> nn.Module:
    timm = _timm()
    return timm.models.ResNet(
        timm.models.resnet.BasicBlock, (1, 1, 1, 1), in_chans=1, num_classes=10,
        channels=(8, 8, 16, 24), stem_width=8,
    )  # fmt: skip


def timm_convnext() -> nn.Module:
    timm = _timm()
    return timm.models.ConvNeXt(
        in_chans=1, num_classes=10, patch_size=2, depths=(1, 1, 1, 1), dims=(16, 16, 24, 32)
    )


def timm_mixer() -> nn.Module:
    timm = _timm()
    return timm.models.MlpMixer(
        img_size=8, in_chans=1, num_classes=10, patch_size=2, embed_dim=32, num_blocks=3
    )


def _timm() -> Any:
    from tests.zoo.torchvision_ops import declare

    declare()  # timm imports torchvision
    import timm

    return timm


def raw_recurrent(width: int = 64) -> nn.Module:
    """A tanh recurrence of raw parameters, all N(0, 1 / width), as many write it."""
    cell = sequences.RawCell(8, width, torch.tanh, eye=False)
    nn.init.normal_(cell.u, 0.0, 1 / math.sqrt(width))
    return sequences.Reader(sequences.Cells(cell, width), width)
