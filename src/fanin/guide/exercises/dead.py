"""ReLU layers whose biases are far below zero."""

from torch import nn

from fanin.guide.exercises.exercise import Exercise, Training
from fanin.guide.exercises.tasks import ROWS


def build() -> nn.Sequential:
    model = nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(),
        nn.Linear(128, 128), nn.ReLU(),
        nn.Linear(128, 128), nn.ReLU(),
        nn.Linear(128, 10),
    )  # fmt: skip
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            # Few units on for each input: a sparse code
            nn.init.constant_(layer.bias, -3.0)
    return model


EXERCISE = Exercise(
    name="dead",
    title="A sparse code",
    level="easy",
    story=(
        "Sparse codes are good, an engineer read, and set the biases so that few units are on. "
        "The weights are He's. The loss is {start:.3f} before training and {end:.3f} after it."
    ),
    build=build,
    task=ROWS,
    training=Training(steps=200, learning_rate=1e-3),
    mark=0.85,
    cause="dead",
    finding="dead",
    effects={
        "symmetry": "the units differ; that they all give zero has another reason.",
        "vanishing": "the weights have the right scale; what cuts the signal off?",
    },
    hint="How many units of the second hidden layer are on for any digit at all?",
    solution="""\
from torch import nn

CAUSE = "dead"


def fix(model):
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.bias)
    return model
""",
    why="He's weights give sums of RMS about 1.4. Less 3, few are above zero in the first layer "
    "and none in the next. A unit that is off for every example has gradient zero, for its bias "
    "as well, so nothing brings it back.",
    reads=("he_dying",),
)
