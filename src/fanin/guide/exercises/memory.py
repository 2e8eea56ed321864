"""An LSTM whose forget gates are shut."""

import torch
from torch import Tensor, nn

from fanin.guide.exercises.exercise import Exercise, Training
from fanin.guide.exercises.tasks import RECALLED


class Reader(nn.Module):
    """Reads rows and answers after the last."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, width, batch_first=True)
        self.head = nn.Linear(width, 10)

    def forward(self, rows: Tensor) -> Tensor:
        states, _ = self.lstm(rows)
        scores: Tensor = self.head(states[:, -1])
        return scores


def build() -> Reader:
    model = Reader(width=32)
    with torch.no_grad():
        bias = torch.zeros(4 * 32)
        # Rows of an LSTM's bias: input, forget, cell, output gate.
        # A fresh state should not be disturbed by old ones.
        bias[32:64] = -5.0
        for name, parameter in model.lstm.named_parameters():
            if name == "bias_ih_l0":
                parameter.copy_(bias)
            if name == "bias_hh_l0":
                parameter.zero_()
    return model


EXERCISE = Exercise(
    name="memory",
    title="It saw the digit, and forgot",
    level="hard",
    story=(
        "An LSTM reads a digit row by row, waits twelve empty steps, and then says what it saw. "
        "Its gates were set by hand, with care. The loss is {start:.3f} before "
        "training and {end:.3f} after it, and {score:.0%} are right."
    ),
    build=build,
    parts=(Reader,),
    task=RECALLED,
    training=Training(steps=160, learning_rate=1e-2),
    mark=0.65,
    cause="gates",
    finding="vanishing",
    effects={
        "vanishing": "what is lost is lost from step to step. By which part of the LSTM?",
        "saturation": "one kind of gate is in its flat part. Which one, and which end?",
    },
    hint="Per step a cell keeps a share sigmoid(b) of what it holds. What is sigmoid(-5), and its "
    "12th power?",
    solution="""\
import torch

CAUSE = "gates"


def fix(model):
    width = model.lstm.hidden_size
    with torch.no_grad():
        model.lstm.bias_ih_l0[width : 2 * width] = 3.0
    return model
""",
    why="sigmoid(-5) keeps 0.7 % of a cell at each step; after twelve steps nothing is left, and "
    "no gradient finds the way back. With a bias of 3 it keeps 95 %, and 56 % after twelve. Zero "
    "keeps half, which is nothing after twelve: memory is a choice of the init.",
    reads=("four_on_lstm", "vanishing"),
)
