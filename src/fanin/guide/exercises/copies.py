"""A network that was widened by copying its units."""

import torch
from torch import nn

from fanin.guide.exercises.exercise import Exercise, Training
from fanin.guide.exercises.tasks import ROWS


def build() -> nn.Sequential:
    small, small_head = nn.Linear(64, 2), nn.Linear(2, 10)
    wide, head = nn.Linear(64, 64), nn.Linear(64, 10)
    with torch.no_grad():
        # 32 copies of each unit, which share out what it gives
        wide.weight.copy_(small.weight.repeat(32, 1))
        wide.bias.copy_(small.bias.repeat(32))
        head.weight.copy_(small_head.weight.repeat(1, 32) / 32)
        head.bias.copy_(small_head.bias)
    return nn.Sequential(wide, nn.Tanh(), head)


EXERCISE = Exercise(
    name="copies",
    title="Wider, and no better",
    level="medium",
    story=(
        "A network of 2 hidden units was widened to 64 so that it computes exactly what it did. "
        "The weights are random, of a sound scale. Trained, it gets {score:.0%} of the held-out "
        "digits right; the loss ends at {end:.2f}."
    ),
    build=build,
    task=ROWS,
    training=Training(steps=300, learning_rate=1e-2),
    mark=0.92,
    cause="symmetry",
    finding="symmetry",
    hint="Print rows 0 and 2 of the first weight, and the gradients of both.",
    solution="""\
import torch

CAUSE = "symmetry"


def fix(model):
    with torch.no_grad():
        weight = model[0].weight
        weight += 0.1 * torch.randn_like(weight)
    return model
""",
    why="A copy with the same weights in and out gets the same gradient as its original, so it "
    "stays one. 64 units are 2. Noise on the weights in, or copies that differ in their weights "
    "out, make them part. Net2Net adds that noise for this reason.",
    reads=("symmetry", "symmetry_forever"),
)
