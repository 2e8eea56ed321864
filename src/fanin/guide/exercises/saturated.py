"""tanh layers with weights of std 1."""

from torch import nn

from fanin.guide.exercises.exercise import Exercise, Training
from fanin.guide.exercises.tasks import ROWS


def build() -> nn.Sequential:
    layers: list[nn.Module] = []
    for fan_in in (64, 128, 128, 128):
        layers += [nn.Linear(fan_in, 128), nn.Tanh()]
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=1.0)
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers, nn.Linear(128, 10))


EXERCISE = Exercise(
    name="saturated",
    title="Standard normal weights",
    level="easy",
    story=(
        '"Unit variance is what one standardises to", said the review, and so the weights have '
        "it. The loss starts at {start:.2f} and ends at {end:.2f}; of the held-out digits "
        "{score:.0%} are right."
    ),
    build=build,
    task=ROWS,
    training=Training(steps=200, learning_rate=1e-3),
    mark=0.88,
    cause="saturation",
    finding="saturation",
    effects={
        "exploding": "gradients do grow on their way back, and signals cannot: what holds them?",
    },
    hint="What is the std of the sum of 128 numbers near 1, each times a weight of std 1? Where on "
    "tanh is that?",
    solution="""\
from torch import nn

CAUSE = "saturation"


def fix(model):
    for layer in model[:-1]:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
    return model
""",
    why="A unit sums 128 inputs, so its std is sqrt(128), about 11. tanh is flat there: units are "
    "switches at -1 or 1, the network is a random hash of its input, and a small step changes "
    "it all or nothing. std 1 / sqrt(fan_in) brings the sums to 1.",
    reads=("saturation_vanishes", "unstable"),
)
