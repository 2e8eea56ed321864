"""A deep tanh network with weights that are too small."""

from torch import nn

from fanin.guide.exercises.exercise import Exercise, Training
from fanin.guide.exercises.tasks import ROWS


def build() -> nn.Sequential:
    layers: list[nn.Module] = []
    for fan_in in (64, *[64] * 9):
        layers += [nn.Linear(fan_in, 64), nn.Tanh()]
    model = nn.Sequential(*layers, nn.Linear(64, 10))
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
    return model


EXERCISE = Exercise(
    name="small",
    title="Small random numbers",
    level="easy",
    story=(
        '"Small random numbers", says the lecture from 2012, and 0.01 was small and worked with '
        "two layers. With ten hidden ones the loss is {start:.3f} before training and {end:.3f} "
        "after it."
    ),
    build=build,
    task=ROWS,
    training=Training(steps=200, learning_rate=0.1, optimizer="SGD"),
    mark=0.85,
    cause="vanishing",
    finding="vanishing",
    effects={
        "saturation": "the opposite: every unit is in the middle of tanh, where it is straight.",
    },
    hint="Each layer multiplies the RMS of its input by about std * sqrt(fan_in). Ten times.",
    solution="""\
from torch import nn

CAUSE = "vanishing"


def fix(model):
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight, gain=1.1)
    return model
""",
    why="A layer's factor is 0.01 * sqrt(64) = 0.08, so ten layers leave 1e-11 of the input, and "
    "the gradient fades as much on its way back. What the last layer sees is the same for every "
    "digit. At std gain / sqrt(fan_in) the factor is 1 at any depth.",
    reads=("vanishing", "small_saturates"),
)
