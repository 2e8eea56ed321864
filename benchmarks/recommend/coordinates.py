"""The coordinate check of muP: does what a layer learns in a few steps depend on the width?

Run: ``.venv/bin/python -m benchmarks.recommend.coordinates`` (about two minutes on two cores).

Networks of widths 64 to 1024 are trained for 10 steps of Adam at one rate, once in muP (base: the
network of width 64) and once from torch's own start with that rate for all parameters. For each
layer the RMS of its output, and of the change of its output since the start, are fitted as a
power of the width; muP wants exponents of 0. Then the rate that gives the lowest loss after 60
steps is searched for each width; muP wants it to stay. Prints a section of Markdown, and writes
``docs/pictures/mup_coordinates.svg``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pydoc_data.topics import topics

import attrs
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

import fanin
from fanin import recipes

WIDTHS = (64, 128, 256, 512, 1024)
STEPS = 10
RATE = 2.0**-9
TUNED_WIDTHS = (64, 128, 256, 512)
TUNED_STEPS = 60
RATES = tuple(2.0**power for power in range(-13, -2))
FORMS = ("muP", "muP, readout 0", "default")
PICTURE = Path("docs/pictures/mup_coordinates.svg")

Batch = tuple[Tensor, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


class Transformer(nn.Module):
    """Characters in, the next character out; heads of 16, so that wider means more heads."""

    def __init__(self, width: int, characters: int = 96, length: int = 16) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, width)
        self.position = nn.Embedding(length, width)
        for number in (1, 2):
            layer = nn.TransformerEncoderLayer(
                width, width // 16, 2 * width, 0.0, F.gelu, batch_first=True, norm_first=True
            )
            setattr(self, f"layer{number}", layer)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, characters)
        self.register_buffer("places", torch.arange(length))
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length))

    def forward(self, tokens: Tensor) -> Tensor:
        stream = self.embedding(tokens) + self.position(self.places)
        for layer in (self.layer1, self.layer2):
            stream = layer(stream, src_mask=self.mask, is_causal=True)
        scores: Tensor = self.head(self.norm(stream))
        return scores.flatten(0, 1)


def mlp(activation: type[nn.Module]) -> Callable[[int], nn.Module]:
    def build(width: int) -> nn.Module:
        return nn.Sequential(
            nn.Linear(64, width), activation(), nn.Linear(width, width), activation(),
            nn.Linear(width, width), activation(), nn.Linear(width, 10),
        )  # fmt: skip

    return build


def digits() -> list[Batch]:
    """Batches of 64 pictures, standardised."""
    data = load_digits()
    pictures = torch.tensor(data.data, dtype=torch.float32)
    pictures = (pictures - pictures.mean()) / pictures.std()
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))
    pictures, labels = pictures[order], torch.tensor(data.target)[order]
    return [(pictures[i : i + 64], labels[i : i + 64]) for i in range(0, 64 * 28, 64)]


def characters() -> list[Batch]:
    """Batches of 8 pieces of Python's own manual, 16 characters each, and what follows."""
    text = "".join(topics[name] for name in sorted(topics))
    codes = torch.tensor([ord(c) - 32 if 32 <= ord(c) < 127 else 95 for c in text])
    generator = torch.Generator().manual_seed(0)
    made = []
    for _ in range(28):
        starts = torch.randint(len(codes) - 17, (8,), generator=generator)
        pieces = torch.stack([codes[start : start + 17] for start in starts.tolist()])
        made.append((pieces[:, :-1], pieces[:, 1:].flatten()))
    return made


@attrs.frozen
class Network:
    """A network of any width, its data, and the modules that are watched."""

    name: str
    build: Callable[[int], nn.Module]
    batches: list[Batch]
    watched: tuple[str, ...]
    seeds: int


NETWORKS = (
    Network("MLP, relu", mlp(nn.ReLU), digits(), ("0", "2", "4", "6"), 4),
    Network("MLP, gelu", mlp(nn.GELU), digits(), ("0", "2", "4", "6"), 4),
    Network("transformer", Transformer, characters(), ("embedding", "layer1", "layer2", "head"), 2),
)


def started(
    network: Network, width: int, form: str, rate: float, seed: int
) -> tuple[nn.Module, torch.optim.Optimizer]:
    """The network at its start with its optimizer, in one of ``FORMS``."""
    model = network.build(width)
    recipe: recipes.Recipe = recipes.default()
    if form != "default":
        zero = form == "muP, readout 0"
        recipe = recipes.mup(network.build(WIDTHS[0]), zero_readout=zero)
    inputs = network.batches[0][0]
    plan = recipes.planned(recipe, model, recipes.Batch(inputs))
    plan.init_(model, seed)
    return model, torch.optim.Adam(plan.param_groups(rate, model=model))


@contextmanager
def outputs(model: nn.Module, names: tuple[str, ...]) -> Iterator[dict[str, Tensor]]:
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda _, __, output: found.__setitem__(name, output.detach().clone())

    handles = [model.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    yield found
    for handle in handles:
        handle.remove()


def seen(model: nn.Module, network: Network) -> Mapping[str, Tensor]:
    with torch.no_grad(), outputs(model, network.watched) as found:
        model(network.batches[0][0])
    return found


def train(
    model: nn.Module, optimizer: torch.optim.Optimizer, batches: list[Batch], steps: int
) -> float:
    """The mean loss of the last ten steps; infinite where it diverged."""
    losses = []
    for step in range(steps):
        inputs, targets = batches[step % len(batches)]
        loss = F.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    last = float(np.mean(losses[-10:]))
    return last if math.isfinite(last) else math.inf


def rms(tensor: Tensor) -> float:
    return float(tensor.square().mean().sqrt())


def coordinates(network: Network, form: str) -> dict[str, np.ndarray]:
    """For each watched module: RMS of output and of its change, at each width."""
    made = {name: np.zeros((2, len(WIDTHS))) for name in network.watched}
    for place, width in enumerate(WIDTHS):
        for seed in range(network.seeds):
            model, optimizer = started(network, width, form, RATE, seed)
            before = seen(model, network)
            train(model, optimizer, network.batches, STEPS)
            after = seen(model, network)
            for name in network.watched:
                values = rms(after[name]), rms(after[name] - before[name])
                made[name][:, place] += np.array(values) / network.seeds
    return made


def slope(values: np.ndarray) -> float:
    return float(np.polyfit(np.log(WIDTHS), np.log(values), 1)[0])


def best_rate(network: Network, width: int, form: str) -> float:
    """Where a parabola through the lowest loss and its neighbours has its minimum."""
    losses = []
    for rate in RATES:
        runs = [started(network, width, form, rate, seed) for seed in range(2)]
        losses.append(np.mean([train(*run, network.batches, TUNED_STEPS) for run in runs]))
    best = int(np.nanargmin(losses))
    around = losses[max(best - 1, 0) : best + 2]
    shift = 0.0
    if len(around) == 3 and np.isfinite(around).all():
        left, middle, right = np.log(around)
        shift = float(np.clip((left - right) / (2 * (left - 2 * middle + right)), -0.5, 0.5))
    return RATES[best] * 2**shift


def picture(results: Mapping[tuple[str, str], dict[str, np.ndarray]]) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "fanin", "svg.fonttype": "path", "font.size": 9}):
        figure = Figure(figsize=(9.6, 5.2), layout="constrained")
        axes = figure.subplots(2, len(NETWORKS), sharex=True, sharey="col")
        for column, network in enumerate(NETWORKS):
            for row, form in enumerate(("muP", "default")):
                axis = axes[row, column]
                for place, name in enumerate(network.watched):
                    change = results[network.name, form][name][1]
                    colour = mpl.colormaps["viridis"](place / len(network.watched))
                    axis.loglog(WIDTHS, change, "o-", color=colour, label=name, markersize=3)
                axis.set_title(f"{network.name}: {form}")
                axis.set_xticks(WIDTHS, [str(width) for width in WIDTHS], minor=False)
                axis.minorticks_off()
                axis.grid(visible=True, alpha=0.3)
            axes[0, column].legend(fontsize=7, frameon=False)
            axes[1, column].set_xlabel("width")
        for row in range(2):
            axes[row, 0].set_ylabel(f"RMS of the change in {STEPS} steps")
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(PICTURE, metadata={"Date": None})


def main() -> None:
    began = time.perf_counter()
    results = {
        (network.name, form): coordinates(network, form) for network in NETWORKS for form in FORMS
    }
    picture(results)
    print("### muP: the coordinate check\n")
    print(
        f"Exponents of the width, {WIDTHS[0]} to {WIDTHS[-1]}, in the RMS of each layer's output "
        f"and of its change after {STEPS} steps of Adam at rate {RATE:.3g} "
        f"({NETWORKS[0].seeds} seeds, {NETWORKS[-1].seeds} of the transformer, "
        f"torch {torch.__version__.split('+')[0]}). 0 means: independent of the width.\n"
    )
    print(f"| network | layer | change: {' | '.join(FORMS)} | output: {' | '.join(FORMS)} |")
    print(f"| --- | --- |{' --- |' * 2 * len(FORMS)}")
    for network in NETWORKS:
        for name in network.watched:
            shown = [results[network.name, form][name] for form in FORMS]
            cells = [slope(one[kind]) for kind in (1, 0) for one in shown]
            print(f"| {network.name} | {name} | {' | '.join(f'{one:+.2f}' for one in cells)} |")
    network = NETWORKS[0]
    print(f"\nBest rate after {TUNED_STEPS} steps ({network.name}):\n")
    print(f"| form | {' | '.join(map(str, TUNED_WIDTHS))} | largest / smallest |")
    print(f"| --- |{' --- |' * (len(TUNED_WIDTHS) + 1)}")
    for form in FORMS:
        rates = [best_rate(network, width, form) for width in TUNED_WIDTHS]
        cells = " | ".join(f"{rate:.2g}" for rate in rates)
        print(f"| {form} | {cells} | {max(rates) / min(rates):.2f} |")
    print(f"\n![RMS of the change against width]({PICTURE})")
    print(f"\n{time.perf_counter() - began:.0f} s, fanin {fanin.__version__}")


if __name__ == "__main__":
    main()
