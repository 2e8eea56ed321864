"""What a prescription gives up by the network's structure and task; "" where it does not show."""

from __future__ import annotations

import math

from fanin import schemes
from fanin.guide.chooser.parts import base
from fanin.guide.chooser.shown import Shown


def branches(shown: Shown) -> str:
    """Branches that start small."""
    last = [
        row
        for row in shown.rows("attention output", "last of branch")
        if "last weight of one of" in row.reason
    ]
    if not last or shown.case.tuning != "all" or not any("times" in row.reason for row in last):
        return ""
    return (
        f"Each of {len(last)} branches starts small, so that deep blocks say little at first; "
        "all of their weights get a gradient in the first step. Zeros instead (Fixup, zero gamma) "
        "start at the identity, allow higher rates, and leave the other weights of a branch "
        "without a gradient until the last one has moved."
    )


def normed_branches(shown: Shown) -> str:
    """Branches that end in a norm."""
    if shown.case.architecture != "resnet" or shown.case.norm == "none":
        return ""
    return (
        "The scale of each branch is that of its last norm, which starts at 1: the stream grows "
        "with every block. A start of 0 for that norm (zero_gamma) makes blocks the identity; with "
        "large batches it trains better, with the branch's weights without a gradient in the first "
        "step."
    )


def post(shown: Shown) -> str:
    """Norms after each sum."""
    if shown.case.norm != "post":
        return ""
    return (
        "A norm after each sum divides what came before by the growth of the stream: gradients "
        "are largest near the output at the start, so that deep post-norm networks need warmup or "
        "DeepNorm's weighted skips. Norms inside the branches need neither."
    )


def no_norm(shown: Shown) -> str:
    """Streams without norms."""
    if not shown.case.residual or shown.case.norm != "none":
        return ""
    return (
        "Without norms nothing holds the scale once training moves it, so that the highest rate "
        "that trains is lower than with them."
    )


def tables(shown: Shown) -> str:
    """Tokens of RMS 1."""
    rows = [row for row in shown.rows("tokens") if not shown.case.tied]
    if not rows:
        return ""
    std = rows[0].std
    return (
        f"Tokens start at RMS {std:.3g}, the scale that the weights behind them are drawn for. "
        f"Adam's steps have the size of its rate, whatever the scale: a table of std 0.02 "
        f"is turned {std / 0.02:.3g} times as fast."
    )


def tied(shown: Shown) -> str:
    """A table that is the head, too."""
    if not shown.case.tied:
        return ""
    std = shown.rows("tokens")[0].std
    return (
        "One table cannot have RMS 1 as a signal and give scores of RMS 1 as a head: the head "
        f"wins, and tokens enter the stream at RMS {std:.3g}. Multiply them by sqrt(width) in the "
        "model where the stream is not normed first."
    )


def scores(shown: Shown) -> str:
    """Scores that are not 0."""
    rows = [row for row in shown.rows("head") if row.predicted and "scores" in row.reason]
    if not rows or shown.case.task != "classes":
        return ""
    square = float(rows[0].predicted or 0.0) ** 2
    return (
        f"Scores of RMS {math.sqrt(square):.3g} cost about {square / 2:.2g} of loss above the "
        "logarithm of the number of classes at the start. A head of zeros starts at that number, "
        "and gives no gradient to what lies before it in the first step."
    )


def regression(shown: Shown) -> str:
    """An output that starts near the mean."""
    rows = [row for row in shown.rows("head") if "targets' spread" in row.reason]
    if not rows:
        return ""
    return (
        f"The output starts at {rows[0].predicted:.3g}, near the mean of the targets: the loss "
        "starts near their variance, and gradients of the layers before the head start as small. "
        "Standardise the targets, or the head has to carry their scale."
    )


def prior(shown: Shown) -> str:
    """A bias that knows the classes."""
    rows = [row for row in shown.rows("head bias") if row.scheme != schemes.zeros()]
    if not rows or shown.case.task != "rare":
        return ""
    return (
        "The bias knows the share of the seldom class, so the first steps need not learn it, and "
        "its examples are not drowned. It holds for data of that share: oversampling, class "
        "weights or another share at test time ask for another bias."
    )


def chrono(shown: Shown) -> str:
    """Gates that remember for long."""
    if not shown.drawn_by(schemes.chrono_bias):
        return ""
    return (
        f"Gates are told to remember for up to {shown.case.length} steps. Where the task needs "
        "only a few, states that hardly change slow the start: take forget_bias."
    )


def forget(shown: Shown) -> str:
    """Gates that start open."""
    rows = [row for row in shown.rows("gate bias") if isinstance(base(row.scheme), schemes.blocks)]
    if not rows:
        return ""
    kept = 1 / (1 + math.exp(-1.0))
    return (
        f"A gate's bias of 1 keeps a share of {kept:.2g} of the state a step: half of it is gone "
        f"after {math.log(0.5) / math.log(kept):.2g} steps. Dependencies over many steps "
        "ask for chrono."
    )


def state(shown: Shown) -> str:
    """A state that is copied."""
    if not shown.drawn_by(schemes.identity):
        return ""
    return (
        "A state that is copied keeps its gradient over any length, and nothing bounds it: one "
        "eigenvalue above 1 and it explodes. Small rates and clipping belong to it."
    )


def orthogonal_state(shown: Shown) -> str:
    """A state without gates."""
    if shown.case.architecture != "rnn" or shown.drawn_by(schemes.identity):
        return ""
    return (
        "An orthogonal state keeps its norm, and tanh takes from it every step: the memory of a "
        "network without gates is short whatever the init, so for long sequences take gates."
    )


def frozen(shown: Shown) -> str:
    """A new head on a frozen network."""
    if shown.case.tuning != "head":
        return ""
    return (
        "What is frozen is kept, and the new head gives scores at once. Before the whole network "
        "is trained on, a head of zeros or a small one (transfer) sends smaller gradients into "
        "trained weights."
    )


def adapters(shown: Shown) -> str:
    """Adapters that start as nothing."""
    if shown.case.tuning != "lora":
        return ""
    return "B = 0 starts at the trained network exactly, and A gets no gradient until B has moved."
