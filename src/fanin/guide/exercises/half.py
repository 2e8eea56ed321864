"""Standard normal weights in float16."""

from torch import nn

from fanin.guide.exercises.exercise import Exercise, Training
from fanin.guide.exercises.tasks import HALF


def build() -> nn.Sequential:
    layers: list[nn.Module] = []
    for fan_in in (64, 128, 128, 128, 128, 128):
        layers += [nn.Linear(fan_in, 128), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(128, 10))
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return model.half()


EXERCISE = Exercise(
    name="half",
    title="nan",
    level="medium",
    story=(
        "On the old card, in float32, this network at least gave a number. On the new one it runs "
        "in float16. The loss is {start} before training and {end} after it; the driver was "
        "blamed, then the card."
    ),
    build=build,
    task=HALF,
    training=Training(steps=60, learning_rate=0.1, optimizer="SGD"),
    mark=0.8,
    cause="nonfinite",
    finding="nonfinite",
    effects={
        "exploding": "signals grow, and float32 would hold them. What happens in float16?",
    },
    hint="The largest number of float16 is 65504. By what factor does each layer change the RMS?",
    solution="""\
from torch import nn

CAUSE = "nonfinite"


def fix(model):
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return model
""",
    why="With std 1 a layer of 128 inputs and ReLU multiplies the RMS by sqrt(128 / 2) = 8. Six of "
    "them make 262144, beyond 65504: Inf, and in the loss Inf - Inf, NaN. At He's scale all "
    "signals are near 1, where every type of float is at home.",
    reads=("exploding", "by_precision"),
)
