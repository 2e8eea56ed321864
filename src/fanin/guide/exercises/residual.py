"""Twenty-four residual blocks without norms, their branches unscaled."""

from torch import Tensor, nn

from fanin.guide.exercises.exercise import Exercise, Training
from fanin.guide.exercises.tasks import ROWS


class Block(nn.Module):
    """x plus a branch of two layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        branch: Tensor = self.second(self.first(x).relu())
        return x + branch


def build() -> nn.Sequential:
    blocks = [Block(64) for _ in range(24)]
    model = nn.Sequential(nn.Linear(64, 64), *blocks, nn.Linear(64, 10))
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
    return model


EXERCISE = Exercise(
    name="residual",
    title="He everywhere",
    level="medium",
    story=(
        "Skips make depth easy, and He's init suits ReLU: so twenty-four blocks of both. The loss "
        "starts at {start:.3g} and ends at {end:.3g}. Is it the data, "
        "the rate, the depth?"
    ),
    build=build,
    parts=(Block,),
    task=ROWS,
    training=Training(steps=60, learning_rate=2e-3),
    mark=0.8,
    cause="exploding",
    finding="exploding",
    effects={
        "output_scale": "the scores are huge, because what the last layer reads is. Since where?",
        "nonfinite": "float32 holds these numbers; they only have no business being so large.",
    },
    hint="A branch at He's scale gives as much mean square as it reads, or more. And then it is "
    "added to what it read.",
    solution="""\
from torch import nn

CAUSE = "exploding"


def fix(model):
    for block in model:
        if hasattr(block, "second"):
            nn.init.zeros_(block.second.weight)
    nn.init.xavier_normal_(model[-1].weight)
    return model
""",
    why="Each block adds to its stream a branch with at least as much mean square as the stream "
    "has, so it doubles or more: 24 blocks, 2^24 or more. Start the branches at zero (the "
    "network is then linear, and trains), or their last weights at 1 / sqrt(24) of He's scale.",
    reads=("exploding", "variance_is_enough"),
)
