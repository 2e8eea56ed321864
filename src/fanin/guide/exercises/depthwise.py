"""Depthwise convolutions drawn by a fan that is not theirs."""

from torch import nn

from fanin.guide.exercises.exercise import Exercise, Training
from fanin.guide.exercises.tasks import IMAGES


def build() -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(1, 32, 3, 2, 1), nn.ReLU()]
    for _ in range(8):
        layers += [
            nn.Conv2d(32, 32, 3, padding=1, groups=32), nn.ReLU(),
            nn.Conv2d(32, 32, 1), nn.ReLU(),
        ]  # fmt: skip
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))
    for layer in model:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return model


EXERCISE = Exercise(
    name="depthwise",
    title="He, by the book",
    level="hard",
    story=(
        "He's paper says that fan_in and fan_out serve equally well, and torch computes either. "
        "This small MobileNet takes fan_out in every layer. The loss is {start:.3f} before "
        "training and {end:.3f} after it."
    ),
    build=build,
    task=IMAGES,
    training=Training(steps=70, learning_rate=3e-3),
    mark=0.7,
    cause="fan",
    finding="vanishing",
    effects={
        "vanishing": "signals fade, and the gain is He's, right for ReLU. What is wrong with the "
        "scale then?",
    },
    hint="How many products does one output of a convolution with groups=32 sum? And by what "
    "number does torch divide? Compare fanin.fans.conv((32, 1, 3, 3), groups=32).",
    solution="""\
from torch import nn

CAUSE = "fan"


def fix(model):
    for layer in model:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return model
""",
    why="A depthwise 3 x 3 filter sums 9 products and its inputs' gradients 9 again. torch's "
    "fan_out reads the shape (32, 1, 3, 3) alone, knows nothing of groups and says 288: each of "
    "eight layers comes out sqrt(32) times too small. A fan belongs to the operation, not to a "
    "shape.",
    reads=("he_keeps_relu", "layer_variance"),
)
