"""Thirty ReLU layers at Xavier's scale."""

from torch import nn

from fanin.guide.exercises.exercise import Exercise, Training
from fanin.guide.exercises.tasks import ROWS


def build() -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(30):
        layers += [nn.Linear(64, 64), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(64, 10))
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return model


EXERCISE = Exercise(
    name="depth",
    title="What worked with five layers",
    level="medium",
    story=(
        "Xavier's init served this network well while it had five layers. Now it has thirty "
        "hidden ones. The loss is {start:.3f} before training and {end:.3f} after it, and "
        "{score:.0%} of the held-out digits are right."
    ),
    build=build,
    task=ROWS,
    training=Training(steps=200, learning_rate=3e-4),
    mark=0.6,
    cause="vanishing",
    finding="vanishing",
    effects={
        "dead": "about half of the units are off for each example, as with every ReLU.",
        "fan": "fan_in and fan_out are both 64 here: which fan is taken cannot matter.",
    },
    hint="What share of a signal's mean square does ReLU let through? To the 30th power?",
    solution="""\
from torch import nn

CAUSE = "vanishing"


def fix(model):
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return model
""",
    why="Xavier's variance 1 / n keeps a signal through a linear layer, and ReLU takes half of its "
    "mean square. Thirty layers leave 2^-30, forward and backward. He's variance 2 / n gives the "
    "half back. With five layers the loss of 2^-5 did no harm that anyone saw.",
    reads=("xavier_relu", "he_keeps_relu"),
)
