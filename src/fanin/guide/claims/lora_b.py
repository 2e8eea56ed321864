"""Why LoRA starts one of its two factors at zero."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

import fanin
from fanin.ensembles import Dataset, load
from fanin.errors import InputError
from fanin.guide.checks import Check, above, exactly
from fanin.guide.claim import Change, Claim, Effort, Numbers
from fanin.guide.laboratory import accuracy, bars, mlp, train
from fanin.picture import Picture

# Of held-out accuracy on the new task: what adapters must add to be said to learn.
_LEARNS = 0.2
# Of the scores: the RMS of their change over their own RMS that is no longer a small one.
_CHANGED = 0.1
_RATE = 0.003


@dataclass(frozen=True, slots=True)
class Settings:
    """How A and B start; their rank; hidden layers and units of the network."""

    a: str = "lecun_normal"
    b: str = "zeros"
    rank: int = 4
    depth: int = 2
    width: int = 64


class Adapted(nn.Module):
    """A frozen layer with a low-rank change beside it: W x + B A x."""

    def __init__(self, layer: nn.Linear, rank: int) -> None:
        super().__init__()
        self.layer = layer.requires_grad_(False)
        self.a = nn.Linear(layer.in_features, rank, bias=False)
        self.b = nn.Linear(rank, layer.out_features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output, changed."""
        kept: Tensor = self.layer(x)
        change: Tensor = self.b(self.a(x))
        return kept + change


def measure(settings: Settings, effort: Effort) -> Numbers:
    if settings.rank < 1:
        raise InputError(f"rank must be 1 or more, got {settings.rank}")
    upright = load("digits")
    lying = _turned(upright)
    starts = {
        "tried": (settings.a, settings.b),
        "both zero": ("zeros", "zeros"),
        "both random": ("lecun_normal", "lecun_normal"),
    }
    changed: dict[str, list[float]] = {name: [] for name in starts}
    gained: dict[str, list[float]] = {name: [] for name in starts}
    for seed in effort.seeds(6, 3):
        trained = fanin.init_(mlp(settings.depth, settings.width), "he_normal", seed=seed)
        train(trained, upright, steps=effort.pick(200, 60), learning_rate=_RATE, seed=seed,
              optimizer="adam")  # fmt: skip
        with torch.no_grad():
            before = trained(upright.x_test)
        known = accuracy(trained, lying)
        for name, (a, b) in starts.items():
            model = _adapted(trained, settings.rank)
            recipe = {"*.a.weight": a, "*.b.weight": b, "*": "keep"}
            fanin.init_(model, recipe, seed=seed + 1000)
            with torch.no_grad():
                change = (model(upright.x_test) - before).square().mean() / before.square().mean()
            changed[name].append(float(change.sqrt()))
            train(model, lying, steps=effort.pick(250, 80), learning_rate=_RATE, seed=seed,
                  optimizer="adam")  # fmt: skip
            gained[name].append(accuracy(model, lying) - known)
    return {"a": settings.a, "b": settings.b, "changed": changed, "gained": gained}


def _adapted(trained: nn.Sequential, rank: int) -> nn.Sequential:
    """A copy whose linear layers are frozen and have adapters."""
    layers: list[nn.Module] = []
    for layer in trained:
        if isinstance(layer, nn.Linear):
            copy = nn.Linear(layer.in_features, layer.out_features)
            copy.load_state_dict(layer.state_dict())
            layers.append(Adapted(copy, rank))
        else:
            layers.append(layer)
    return nn.Sequential(*layers)


def _turned(data: Dataset) -> Dataset:
    """The same images, lying on their side."""
    x_train, x_test = (
        torch.rot90(x.reshape(-1, 8, 8), 1, (1, 2)).flatten(1) for x in (data.x_train, data.x_test)
    )
    return replace(data, x_train=x_train, x_test=x_test)


def judge(numbers: Numbers) -> tuple[Check, ...]:
    changed, gained = numbers["changed"], numbers["gained"]
    start = f"A {numbers['a']}, B {numbers['b']}"
    return (
        exactly(f"change of the scores at the start, {start}", changed["tried"], 0.0),
        above(f"held-out accuracy gained on the new task, {start}", gained["tried"], _LEARNS),
        exactly("the same, A and B zero", gained["both zero"], 0.0),
        above("change of the scores at the start, A and B random, over their RMS",
              changed["both random"], _CHANGED),
    )  # fmt: skip


def draw(numbers: Numbers) -> Picture:
    names = {"tried": f"A {numbers['a']}, B {numbers['b']}"}
    return bars(
        {
            names.get(name, name): {
                "change of the scores at the start": numbers["changed"][name],
                "accuracy gained by training": numbers["gained"][name],
            }
            for name in numbers["changed"]
        },
        "What adapters change before training, and what they learn, by how A and B start",
        y="over the scores' RMS; accuracy",
        size=(7.2, 3.6),
    )


CLAIM = Claim(
    name="lora_b",
    part="techniques",
    title="LoRA starts with B = 0",
    statement=(
        "LoRA draws A at random and starts with B = 0, so that training starts from the frozen "
        "model; with both zero it would never start, with both random it would start elsewhere."
    ),
    experiment=(
        "A network of {depth} layers of {width} units learns upright digits and is frozen. "
        "Adapters of rank {rank}, A from {a} and B from {b}, learn digits that lie on their side. "
        "How much do they change the scores before training, and how much accuracy do they "
        "gain?"
    ),
    why=(
        "The change of a layer is a product of two matrices. At B = 0 it is zero whatever A is. "
        "The gradient of B holds $A x$, which is not zero, so B moves at the first step, and A "
        "from the second on. At A = B = 0 both gradients hold the other factor, which is zero: "
        "that is a saddle that no step leaves."
    ),
    formula=(
        r"y = W x + B A x, \quad \frac{\partial L}{\partial B} = \delta\,(A x)^T, \quad "
        r"\frac{\partial L}{\partial A} = B^T \delta\, x^T"
    ),
    settings=Settings(),
    measure=measure,
    judge=judge,
    draw=draw,
    try_it=Change(
        {"a": "zeros", "b": "lecun_normal"},
        "the other factor zero: it starts from the frozen model and learns just as well. That B "
        "is the zero one is a choice; it allows larger learning rates.",
    ),
    flip={"b": "lecun_normal"},
    sources=(
        (
            "Hu et al., LoRA: low-rank adaptation of large language models, 2021, "
            "arXiv:2106.09685, section 4.1"
        ),
        (
            "Hayou, Ghosh, Yu, The impact of initialization on LoRA finetuning dynamics, 2024, "
            "arXiv:2406.08447"
        ),
    ),
)
