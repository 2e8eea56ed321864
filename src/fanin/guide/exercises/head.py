"""The output layer is drawn far too large."""

from torch import nn

from fanin.guide.exercises.exercise import Exercise, Training
from fanin.guide.exercises.tasks import ROWS_BY_LOSS


def build() -> nn.Sequential:
    model = nn.Sequential(
        nn.Linear(64, 256), nn.ReLU(),
        nn.Linear(256, 256), nn.ReLU(),
    )  # fmt: skip
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    head = nn.Linear(256, 10)
    nn.init.normal_(head.weight, std=2.0)
    nn.init.zeros_(head.bias)
    return model.append(head)


EXERCISE = Exercise(
    name="head",
    title="A loss that starts too high",
    level="easy",
    story=(
        "The first number in the log is a loss of {start:.1f}, where a network that knows nothing "
        "should say {guess:.3f}. After training it is {end:.2f}, and it is {score:.2f} on held-out "
        "digits. It learns, so nobody looks into it."
    ),
    build=build,
    task=ROWS_BY_LOSS,
    training=Training(steps=60, learning_rate=1e-3),
    mark=0.3,
    cause="output_scale",
    finding="output_scale",
    effects={
        "exploding": "no signal grows from layer to layer: look at the last layer alone.",
        "saturation": "the softmax is one-hot, because its scores are far too large. Why are they?",
    },
    hint="Hidden layers by He: fine. How large are the scores that enter the softmax, and what "
    "does a softmax do to them?",
    solution="""\
from torch import nn

CAUSE = "output_scale"


def fix(model):
    nn.init.zeros_(model[4].weight)
    return model
""",
    why="Scores as large as these tell the softmax that the network is sure, of answers that it "
    "drew at random. The first steps are spent on taking that back, and the hidden layers learn "
    "from its gradients. Zeros are sound in a last layer: its units are told apart by the labels.",
    reads=("zero_inappropriate", "unstable"),
)
