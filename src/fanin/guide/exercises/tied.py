"""A standard normal embedding that is also the output layer."""

from torch import Tensor, nn

from fanin.guide.exercises.exercise import Exercise, Training
from fanin.guide.exercises.tasks import NEXT_PIXEL


class NextPixel(nn.Module):
    """Sixteen tokens in, scores of the next one out."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(17, width)
        self.mix = nn.Linear(16 * width, width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 17, bias=False)
        self.head.weight = self.table.weight  # tied

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.mix(self.table(tokens).flatten(1))
        scores: Tensor = self.head(self.norm(hidden))
        return scores


def build() -> NextPixel:
    model = NextPixel(width=64)
    nn.init.normal_(model.table.weight)
    nn.init.kaiming_normal_(model.mix.weight, nonlinearity="linear")
    nn.init.zeros_(model.mix.bias)
    return model


EXERCISE = Exercise(
    name="tied",
    title="One table for both ends",
    level="hard",
    story=(
        "A small language model of pixels: its embedding is drawn as nn.Embedding does it, and to "
        "save parameters the same table gives the scores. A guess by frequency has a loss of "
        "{guess:.2f}. This starts at {start:.1f}, ends at {end:.2f}, and scores {score:.2f} on "
        "held-out pixels."
    ),
    build=build,
    parts=(NextPixel,),
    task=NEXT_PIXEL,
    training=Training(steps=100, learning_rate=1e-3),
    mark=1.75,
    cause="output_scale",
    finding="output_scale",
    effects={
        "exploding": "the norm holds the signal at RMS 1. What follows it?",
        "saturation": "the softmax is one-hot, because its scores are far too large. Why are they?",
    },
    hint="The norm gives 64 numbers of RMS 1. What is the std of their product with a row of the "
    "table?",
    solution="""\
from torch import nn

CAUSE = "output_scale"


def fix(model):
    nn.init.normal_(model.table.weight, std=0.02)
    nn.init.kaiming_normal_(model.mix.weight, nonlinearity="linear")
    return model
""",
    why="A score sums 64 products of numbers near 1: std sqrt(64) = 8. As a table, std 1 "
    "is fine; as a head it needs 1 / sqrt(width) or less. Tied weights serve two uses, and the "
    "stricter one rules: GPT-2 takes 0.02.",
    reads=("layer_variance", "four_on_transformer"),
)
