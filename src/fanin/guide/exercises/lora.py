"""Adapters with both factors zero."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fanin.guide.exercises.exercise import Exercise, Training
from fanin.guide.exercises.tasks import ROWS, TURNED


class Adapted(nn.Module):
    """A frozen layer and a low-rank change to it: W x + B (A x)."""

    def __init__(self, layer: nn.Linear, rank: int) -> None:
        super().__init__()
        self.layer = layer.requires_grad_(False)
        self.down = nn.Parameter(torch.zeros(rank, layer.in_features))
        self.up = nn.Parameter(torch.zeros(layer.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        kept: Tensor = self.layer(x)
        return kept + (x @ self.down.T) @ self.up.T


def build() -> nn.Sequential:
    layers: list[nn.Module] = []
    for layer in pretrained():
        if isinstance(layer, nn.Linear):
            layers.append(Adapted(layer, rank=8))
        else:
            layers.append(layer)
    return nn.Sequential(*layers)


def pretrained() -> nn.Sequential:
    """A network that has learned upright digits."""
    digits = ROWS.examples()
    model = nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(),
        nn.Linear(128, 128), nn.ReLU(),
        nn.Linear(128, 10),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        loss = cross_entropy(model(digits.x_train), digits.y_train)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return model


EXERCISE = Exercise(
    name="lora",
    title="Fine-tuning changes nothing",
    level="hard",
    story=(
        "A network has learned upright digits. Low-rank adapters are to teach it digits that lie "
        "on their side; its own weights are frozen. They start at zero, so that nothing is lost. "
        "Nothing is gained either: the loss is {start:.3f} before and {end:.3f} after, and "
        "{score:.0%} of the lying digits are right."
    ),
    build=build,
    parts=(Adapted, pretrained),
    task=TURNED,
    training=Training(steps=300, learning_rate=3e-3),
    mark=0.8,
    cause="zero_product",
    finding="symmetry",
    effects={
        "symmetry": "equal units are not what stops it: make the rows of one factor differ, and "
        "ask why the other may stay zero.",
        "vanishing": "no scale fades here: the gradient is exactly zero. Of which factor, and why?",
    },
    hint="Write the gradient of B A x with respect to A, and then with respect to B.",
    solution="""\
from torch import nn

CAUSE = "zero_product"


def fix(model):
    for layer in model:
        if hasattr(layer, "down"):
            nn.init.kaiming_normal_(layer.down, nonlinearity="linear")
    return model
""",
    why="The gradient of B is (A x) times what comes back, that of A is B times it. With both "
    "zero, both gradients are zero, for ever. One factor at random and the other zero gives the "
    "same start, no change to the network, and B moves at the first step. LoRA draws A.",
    reads=("zero_gradients", "zero_inappropriate"),
)
