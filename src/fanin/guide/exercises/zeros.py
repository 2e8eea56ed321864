"""Every weight is zero."""

from torch import nn

from fanin.guide.exercises.exercise import Exercise, Training
from fanin.guide.exercises.tasks import ROWS


def build() -> nn.Sequential:
    model = nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(),
        nn.Linear(128, 128), nn.ReLU(),
        nn.Linear(128, 10),
    )  # fmt: skip
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model


EXERCISE = Exercise(
    name="zeros",
    title="The loss that does not move",
    level="easy",
    story=(
        "An engineer wants every run to start from the same weights, and from none that chance "
        "picked. The loss is {start:.3f} before training, which is ln 10, and {end:.3f} after it. "
        "It was the learning rate, they thought, and tried five. Of the held-out digits "
        "{score:.0%} are right."
    ),
    build=build,
    task=ROWS,
    training=Training(steps=200, learning_rate=1e-3),
    mark=0.85,
    cause="symmetry",
    finding="symmetry",
    effects={
        "dead": "nothing is cut off here: the units are on the edge of ReLU, all in one place.",
        "vanishing": "the signal is zero because all weights are the same number, zero.",
    },
    hint="Compare any two units of a layer: what do they read, what do they give, what gradient "
    "do they get? Only one parameter of this network gets any gradient at all.",
    solution="""\
from torch import nn

CAUSE = "symmetry"


def fix(model):
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return model
""",
    why="All units of a layer compute the same number and get the same gradient, so no step can "
    "tell them apart. With zeros it is worse: a weight's gradient is what it reads times the "
    "gradient of what it gives, and one of both is zero in every layer. Only the last bias moves, "
    "and it learns how frequent the digits are. Random weights make units differ; biases may stay "
    "zero.",
    reads=("symmetry", "zero_gradients"),
)
