"""The architectures: each as its user has it without fanin, and what it learns.

Most are cases of the corpus. Where a case draws its weights by a good rule of its own, the
constructors of torch draw them instead (``plainly``): that is what the model's own default is.
timm's and transformers' models keep the init of their libraries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import cache, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.corpus import feedforward_nets as nets
from benchmarks.corpus import more_tasks as more
from benchmarks.corpus import sequences
from benchmarks.corpus.case import Case, Task
from benchmarks.corpus.cases import gathered
from benchmarks.corpus.tasks import classify, language, reconstruct, regress
from benchmarks.recommend import nets as own
from benchmarks.recommend.nets import Build, plainly

NAMED: dict[str, tuple[str, ...]] = {
    "attention": ("gpt2", "t_fixup"),
    "residual": ("fixup", "zero_gamma"),
}
"""Recipes of the field that are tried on a group, beside those that fit any model."""


@dataclass(frozen=True)
class Architecture:
    """A network in the state that its user has it in.

    Args:
        group: "deep", "plain", "convolution", "residual", "attention", "recurrent", "coder",
            "generator", "coordinates", "experts" or "graph".
        case: the network, its task and the most steps.
        is_deep_plain: one of those that the default cannot train where they are deep.
    """

    group: str
    case: Case
    is_deep_plain: bool = False

    @property
    def name(self) -> str:
        """Group and name."""
        return self.case.name

    @property
    def named(self) -> tuple[str, ...]:
        """Recipes of the field that are tried on it."""
        return NAMED.get(self.group, ())


def of(
    group: str, name: str, build: Build, task: Task, steps: int, *, level: float | None = None
) -> Architecture:
    task = task if level is None else replace(task, level=level)
    return Architecture(group, Case(f"{group}/{name}", group, "", 0, build, task, steps=steps))


@cache
def _corpus() -> dict[str, Case]:
    return {case.name: case for case in gathered()}


def taken(
    group: str,
    name: str,
    steps: int | None = None,
    *,
    level: float | None = None,
    state: str = "healthy",
    plain: bool = False,
) -> Architecture:
    """A case of the corpus; ``plain`` for the constructors' own init."""
    case = _corpus()[f"{name}/{state}"]
    build = plainly(case.build) if plain else case.build
    return of(group, name, build, case.task, steps or case.steps, level=level)


ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "relu": F.relu,
    "leaky": F.leaky_relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
    "elu": F.elu,
    "selu": F.selu,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
}
DEEP_STEPS = {20: 150, 50: 120, 100: 100}


def _deep() -> Iterator[Architecture]:
    """Plain perceptrons of width 64 without norms."""
    task = classify(64)
    for depth, steps in DEEP_STEPS.items():
        for name, activation in ACTIVATIONS.items():
            build = partial(nets.MLP, (64, *[64] * depth), activation)
            made = of("deep", f"{name}-{depth}", build, task, steps, level=0.5)
            yield replace(made, is_deep_plain=True)
    images = classify(1, 8, 8, size=32)
    for depth, steps in ((12, 200), (24, 150)):
        build = partial(nets.plain_cnn, *[12] * depth, weights=None)
        yield replace(of("deep", f"cnn-{depth}", build, images, steps), is_deep_plain=True)


def _plain() -> Iterator[Architecture]:
    yield taken("plain", "mlp-relu-2", level=0.25)
    yield taken("plain", "mlp-relu-4", plain=True, level=0.25, steps=150)
    yield taken("plain", "mlp-relu-12-default", steps=200)
    yield taken("plain", "sequential-tanh-4", level=0.25, steps=150)
    yield taken("plain", "mlp-sigmoid-2", plain=True, steps=200)
    yield taken("plain", "mlp-glu-4", plain=True, level=0.25, steps=150)
    yield taken("plain", "mlp-maxout-4", plain=True, level=0.25, steps=150)
    yield taken("plain", "mlp-batch-20", plain=True)
    yield taken("plain", "mlp-layer-30", plain=True)
    yield taken("plain", "raw-pixels", level=0.25, steps=150)
    build = partial(nets.MLP, (10, 64, 64), F.relu, outputs=1)
    yield of("plain", "regression", build, regress(), 150, level=0.6)
    yield of("plain", "regression-raw", build, regress(standardised=False), 300)


def _convolution() -> Iterator[Architecture]:
    yield taken("convolution", "vgg", plain=True, steps=200)
    yield taken("convolution", "vgg-bn", plain=True, level=0.3, steps=120)
    yield taken("convolution", "cnn-8", plain=True, steps=240)
    yield taken("convolution", "cnn-tanh", plain=True, steps=200)
    yield taken("convolution", "separable-no-norm", plain=True, level=0.8, steps=200)
    yield taken("convolution", "densenet", plain=True, level=0.3, steps=120)
    yield taken("convolution", "inception", plain=True, steps=120)
    yield taken("convolution", "conv1d", plain=True, level=0.4, steps=150)


def _residual() -> Iterator[Architecture]:
    yield taken("residual", "resnet-post", plain=True, level=0.4, steps=120)
    yield taken("residual", "resnet-pre", plain=True, level=0.4, steps=120)
    yield taken("residual", "resnet-deep-pre", plain=True, level=0.5, steps=100)
    yield taken("residual", "resnet-se", plain=True, level=0.5, steps=120)
    images = classify(1, 8, 8, size=32)
    yield of("residual", "timm-resnet", own.timm_resnet, classify(1, 16, 16, size=32), 120)
    yield of("residual", "no-norm-cnn", plainly(partial(nets.gated_cnn, 6, 8)), images, 200)
    for depth, steps in ((10, 120), (40, 80)):
        build = plainly(partial(nets.residual_mlp, depth))
        yield of("residual", f"no-norm-mlp-{depth}", build, classify(64), steps, level=0.2)
    yield taken("residual", "res-mlp-ln-40", plain=True, level=0.4, steps=80)
    yield taken("residual", "highway", plain=True, level=0.3, steps=150)
    # Its authors' init, as timm has it: layer scale 1e-6 and std 0.02.
    yield taken("residual", "convnext", steps=160)
    yield of(
        "residual", "timm-convnext", own.timm_convnext, classify(1, 32, 32, size=32), 120, level=0.5
    )
    yield taken("residual", "mixer", plain=True, level=0.5, steps=150)
    yield of("residual", "timm-mixer", own.timm_mixer, images, 150, level=0.5)


def _attention() -> Iterator[Architecture]:
    yield taken("attention", "vit", steps=150)
    yield of("attention", "timm-vit", own.timm_vit, classify(1, 8, 8, size=32), 160)
    yield of("attention", "gpt", own.gpt, language(32), 150, level=0.85)
    yield of("attention", "gpt-tied", partial(sequences._gpt, std=1.0), language(32), 150)  # noqa: SLF001
    yield taken("attention", "hf-gpt2", steps=150)
    yield taken("attention", "hf-bert", level=0.85, steps=150)
    yield taken("attention", "hf-llama", level=0.9, steps=120)
    yield taken("attention", "hf-blip", state="default-init", steps=150)
    yield taken("attention", "torch-encoder", level=0.5, steps=150)
    yield taken("attention", "torch-encoder-pre-6", level=0.5, steps=120)
    yield taken("attention", "rows-post-ln-8", level=0.6, steps=100)
    yield taken("attention", "rows-no-norm", level=0.5, steps=150)
    build = partial(sequences._rows, 8, style="none")  # noqa: SLF001
    yield of("attention", "rows-no-norm-8", build, sequences.ROWS, 120)
    yield taken("attention", "llama-like", level=0.5, steps=150)
    yield taken("attention", "perceiver", level=0.5, steps=150)


def _recurrent() -> Iterator[Architecture]:
    yield taken("recurrent", "lstm", level=0.5, steps=150)
    yield taken("recurrent", "lstm-memory", state="default", steps=200)
    long = more.remembered(40)
    reader, lstm = sequences.Reader, sequences._lstm  # noqa: SLF001
    yield of("recurrent", "lstm-long", lambda: reader(lstm(48), 48), long, 150)
    gru = partial(nn.GRU, 8, 48, batch_first=True)
    yield of("recurrent", "gru-long", lambda: reader(gru(), 48), long, 120)
    yield taken("recurrent", "gru-pixels", level=0.8, steps=120)
    yield taken("recurrent", "lstm-3", steps=150)
    yield taken("recurrent", "rnn-tanh-memory", state="default")
    yield of("recurrent", "rnn-raw", own.raw_recurrent, sequences.MEMORY, 150)
    yield taken("recurrent", "rnn-relu-2", level=0.5, steps=150)
    yield taken("recurrent", "char-lstm", level=0.85, steps=120)
    yield taken("recurrent", "seq2seq-gru", steps=180)
    yield taken("recurrent", "tcn", level=0.3, steps=120)


def _rest() -> Iterator[Architecture]:
    yield taken("coder", "autoencoder", plain=True)
    yield of("coder", "deep-relu-coder", own.deep_coder, reconstruct(), 250)
    yield taken("coder", "deep-tanh-coder", plain=True)
    yield taken("coder", "conv-coder", level=0.5)
    yield taken("coder", "vae")
    yield taken("coder", "unet", plain=True, level=0.4, steps=150)
    yield of("coder", "unet-3", own.DeepUNet, reconstruct(1, 8, 8), 150, level=0.4)
    # How real a frozen discriminator can be made to call an image is a matter of its seed: with
    # some the loss ends at 0.45 of the baseline, so that lower levels would test luck.
    yield taken("generator", "generator", level=0.5, steps=200)
    yield of("generator", "dcgan", own.ConvGenerator, more.fooled(), 150, level=0.55)
    batch = partial(own.ConvGenerator, norm=nn.BatchNorm2d)
    yield of("generator", "dcgan-bn", batch, more.fooled(), 150, level=0.55)
    yield taken("generator", "denoiser", level=0.5)
    yield taken("coordinates", "siren-picture", plain=True)
    yield taken("coordinates", "fourier", plain=True, level=0.3, steps=150)
    yield taken("experts", "experts", plain=True, level=0.25, steps=120)
    yield taken("experts", "experts-top-2", plain=True, level=0.25, steps=120)
    yield of("experts", "switch", own.switch_transformer, sequences.ROWS, 150, level=0.5)
    yield taken("graph", "gcn-6", plain=True, level=0.4)
    yield taken("graph", "gcn-16", plain=True, steps=100)
    yield taken("graph", "gat", plain=True, level=0.4)
    yield taken("graph", "gin", plain=True, level=0.25)
    yield taken("graph", "deep-sets", plain=True)


@cache
def architectures() -> dict[str, Architecture]:
    """All, by name."""
    groups = (_deep, _plain, _convolution, _residual, _attention, _recurrent, _rest)
    found = [it for group in groups for it in group()]
    named = {it.name: it for it in found}
    if len(named) < len(found):
        raise ValueError("two architectures bear one name")
    return named


def matching(*patterns: str) -> tuple[Architecture, ...]:
    """Those whose name, with or without the group, matches one of the patterns."""
    return tuple(
        it
        for name, it in architectures().items()
        if any(fnmatch(name, p) or fnmatch(name.partition("/")[2], p) for p in patterns)
    )
