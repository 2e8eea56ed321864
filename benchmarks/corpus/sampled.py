"""Networks drawn at random, from hopeless to ordinary: what trainability is fitted on.

``python -m benchmarks.corpus.sampled --count 600`` trains them and writes ``sampled.json``.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from torch import Tensor, nn

from benchmarks.corpus import tasks
from benchmarks.corpus.case import Case
from benchmarks.corpus.training import SETTINGS, trained

LABELS = Path(__file__).with_name("sampled.json")
_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "silu": nn.SiLU, "sigmoid": nn.Sigmoid,
    "elu": nn.ELU, "leaky": partial(nn.LeakyReLU, 0.1), "softplus": nn.Softplus,
    "hardtanh": nn.Hardtanh,
}  # fmt: skip


class Block(nn.Module):
    """Norm, weights and activation, with or without a skip, before or after it."""

    def __init__(self, mix: nn.Module, norm: Callable[[], nn.Module], skip: str, scale: float):
        super().__init__()
        self.mix, self.norm, self.skip, self.scale = mix, norm(), skip, scale

    def forward(self, x: Tensor) -> Tensor:
        if self.skip == "none":
            return self.mix(self.norm(x))
        if self.skip == "pre":
            return x + self.scale * self.mix(self.norm(x))
        return self.norm(x + self.scale * self.mix(x))


class Attend(nn.Module):
    """Self-attention written by hand."""

    def __init__(self, width: int, heads: int = 4):
        super().__init__()
        self.qkv, self.out, self.heads = nn.Linear(width, 3 * width), nn.Linear(width, width), heads

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        parts = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        made = nn.functional.scaled_dot_product_attention(*parts)
        return self.out(made.transpose(1, 2).reshape(batch, length, width))


class Recurrent(nn.Module):
    """A recurrent net over rows, with a head on its last or mean state."""

    def __init__(self, net: nn.Module, width: int, *, mean: bool):
        super().__init__()
        self.net, self.head, self.mean = net, nn.Linear(width, 10), mean

    def forward(self, x: Tensor) -> Tensor:
        states = self.net(x)[0]
        return self.head(states.mean(1) if self.mean else states[:, -1])


class Pooled(nn.Module):
    """The mean over an axis."""

    def __init__(self, axis: int | tuple[int, ...]):
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(self.axis)


def _weights(rng: random.Random, model: nn.Module, wiring: str) -> None:
    """Scale the weights as constructed: all alike, some of them, or the head."""
    way = rng.choice(
        ["default", "gain", "gain", "gain", "gain", "one", "head", "bias", "orthogonal"]
    )
    spread = rng.choice([0.5, 1.0, 2.0, 3.0])
    factor = math.exp(rng.gauss(0, spread))
    own = [m for m in model.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.Conv1d)]
    if wiring == "recurrent" or not own[:-1]:
        if way != "default":
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    parameter.mul_(factor)
        return
    if way == "default":
        return
    for module in own[:-1]:
        nn.init.kaiming_normal_(module.weight)
        if rng.random() < 0.7 and module.bias is not None:
            module.bias.zero_()
        if way == "orthogonal":
            nn.init.orthogonal_(module.weight, gain=math.sqrt(2) * factor)
        elif way == "gain":
            module.weight.mul_(factor)
        elif way == "bias" and module.bias is not None:
            module.bias.normal_(std=factor)
    if way == "one":
        rng.choice(own[:-1]).weight.mul_(factor**4)
    if way == "head":
        own[-1].weight.mul_(factor**3)


def _norm(kind: str, width: int, dims: int) -> Callable[[], nn.Module]:
    if kind == "batch":
        return partial(nn.BatchNorm2d if dims == 2 else nn.BatchNorm1d, width)
    if kind == "layer":
        return partial(nn.GroupNorm, 1, width) if dims == 2 else partial(nn.LayerNorm, width)
    return nn.Identity


def _built(index: int) -> tuple[nn.Module, dict[str, Any]]:
    rng = random.Random(index)
    wiring = rng.choice(
        ["plain", "plain", "residual", "residual", "conv", "attention"] * 2 + ["recurrent"]
    )
    act_name = rng.choice(list(_ACTIVATIONS))
    act = _ACTIVATIONS[act_name]
    depth = round(math.exp(rng.uniform(math.log(3), math.log(50))))
    width = rng.choice([16, 32, 64, 128])
    norm = rng.choice(["none", "none", "batch", "layer"])
    scale = rng.choice([1.0, 1.0, 0.3, 1 / math.sqrt(depth)])
    if wiring in {"plain", "residual"}:
        skip = "none" if wiring == "plain" else rng.choice(["pre", "pre", "post"])
        hidden = [
            Block(nn.Sequential(nn.Linear(width, width), act()), _norm(norm, width, 1), skip, scale)
            for _ in range(depth - 1)
        ]
        model: nn.Module = nn.Sequential(nn.Linear(64, width), act(), *hidden, nn.Linear(width, 10))
        form: tuple[int, ...] = (64,)
    elif wiring == "conv":
        depth, width = min(depth, 24), min(width, 32)
        skip = rng.choice(["none", "none", "pre"])
        hidden = [
            Block(
                nn.Sequential(nn.Conv2d(width, width, 3, padding=1), act()),
                _norm(norm, width, 2), skip, scale,
            )
            for _ in range(depth - 1)
        ]  # fmt: skip
        model = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1), act(), *hidden, Pooled((2, 3)), nn.Linear(width, 10)
        )
        form = (1, 8, 8)
    elif wiring == "attention":
        blocks = max(1, min(depth, 24) // 3)
        depth, width = 3 * blocks + 2, max(32, min(width, 64))
        norm = rng.choice(["layer", "layer", "none"])
        skip = rng.choice(["pre", "pre", "post", "none"])
        hidden = []
        for _ in range(blocks):
            hidden.append(Block(Attend(width), _norm(norm, width, 1), skip, scale))
            mlp = nn.Sequential(nn.Linear(width, 2 * width), act(), nn.Linear(2 * width, width))
            hidden.append(Block(mlp, _norm(norm, width, 1), skip, scale))
        model = nn.Sequential(nn.Linear(8, width), *hidden, Pooled(1), nn.Linear(width, 10))
        form = (8, 8)
    else:
        kind = rng.choice([nn.LSTM, nn.GRU, nn.RNN])
        layers = rng.choice([1, 1, 2, 3])
        net = kind(8, width, layers, batch_first=True)
        model = Recurrent(net, width, mean=rng.random() < 0.3)
        norm, depth, form, act_name = "none", 8 + layers, (8, 8), kind.__name__
    with torch.no_grad():
        _weights(rng, model, wiring)
    facts = {"wiring": wiring, "norm": norm, "depth": depth, "form": form, "act": act_name}
    return model, facts


def sampled(index: int) -> Case:
    """The network of that number."""
    _, facts = _built(index)
    return Case(
        name=f"sampled/{index}-{facts['wiring']}-{facts['norm']}-{facts['act']}-{facts['depth']}",
        wiring=facts["wiring"], norm=facts["norm"], depth=facts["depth"],
        build=lambda: _built(index)[0], task=tasks.classify(*facts["form"]), steps=150,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=600)
    options = parser.parse_args()
    torch.set_num_threads(1)
    known = json.loads(LABELS.read_text()) if LABELS.exists() else {}
    for index in track(range(options.count), "training"):
        if str(index) in known:
            continue
        best = math.inf
        for optimizer, rate in SETTINGS:
            run = trained(sampled(index), optimizer, rate, seed=0)
            best = min(best, run.share)
            if run.steps_to_level is not None:
                break
        learns = run.steps_to_level is not None
        known[str(index)] = {"learns": learns, "share": round(best, 4)}
        LABELS.write_text(json.dumps(known, indent=0, sort_keys=True))


if __name__ == "__main__":
    main()
