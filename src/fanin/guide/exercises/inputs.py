"""A sound init, and pixels from 0 to 255."""

from torch import nn

from fanin.guide.exercises.exercise import Exercise, Training
from fanin.guide.exercises.tasks import BYTES


def build() -> nn.Sequential:
    model = nn.Sequential(
        nn.Linear(64, 64), nn.Tanh(),
        nn.Linear(64, 64), nn.Tanh(),
        nn.Linear(64, 10),
    )  # fmt: skip
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return model


EXERCISE = Exercise(
    name="inputs",
    title="Xavier does not help either",
    level="medium",
    story=(
        "The team has tried Xavier, He and orthogonal weights: nothing trains well. This is the "
        "Xavier run. The loss goes from {start:.2f} to {end:.2f}, and {score:.0%} of the held-out "
        "digits are right."
    ),
    build=build,
    task=BYTES,
    training=Training(steps=200, learning_rate=0.05, optimizer="SGD"),
    mark=0.88,
    cause="inputs",
    finding="saturation",
    effects={
        "saturation": "the first layer is saturated indeed. Its weights are Xavier's: why then?",
    },
    inputs_too=True,
    hint="Every init assumes something of what the first layer reads.",
    solution="""\
CAUSE = "inputs"


def prepare(x):
    # The mean and std of the training part would do as well.
    return (x - 77.8) / 95.8
""",
    why="The rules for weights keep the scale that comes in, and what comes in has an RMS above "
    "100. The first layer's sums are far out on tanh, whichever rule drew it. Smaller first "
    "weights are no way out: their gradients are as large as the inputs. Standardise those: "
    "then one init serves every data set.",
    reads=("input_scale",),
)
