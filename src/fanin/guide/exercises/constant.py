"""Every weight is the same number, of a sound scale."""

from torch import nn

from fanin.guide.exercises.exercise import Exercise, Training
from fanin.guide.exercises.tasks import ROWS


def build() -> nn.Sequential:
    model = nn.Sequential(
        nn.Linear(64, 128), nn.Tanh(),
        nn.Linear(128, 128), nn.Tanh(),
        nn.Linear(128, 10),
    )  # fmt: skip
    for layer in model:
        if isinstance(layer, nn.Linear):
            # As large as Xavier's, without its noise
            nn.init.constant_(layer.weight, 1 / layer.in_features)
            nn.init.zeros_(layer.bias)
    return model


EXERCISE = Exercise(
    name="constant",
    title="It learns, and then it does not",
    level="easy",
    story=(
        "Zeros are bad, everyone knows, so an engineer took a number that is not zero. Now the "
        "loss does fall: from {start:.3f} to {end:.3f}. There it stays, and {score:.0%} of the "
        "held-out digits are right. 256 hidden units should do better."
    ),
    build=build,
    task=ROWS,
    training=Training(steps=200, learning_rate=3e-3),
    mark=0.85,
    cause="symmetry",
    finding="symmetry",
    hint="How many different hidden units does this network have before training? And after it?",
    solution="""\
from torch import nn

CAUSE = "symmetry"


def fix(model):
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
    return model
""",
    why="128 units that start equal and get equal gradients are one unit, written down 128 times. "
    "The network has one hidden number to tell ten digits apart. The scale of the weights does "
    "not matter here; that they differ does.",
    reads=("symmetry", "symmetry_forever"),
)
