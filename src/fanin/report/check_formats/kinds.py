"""What each kind of finding means, for readers who meet it in a CI."""

from __future__ import annotations

from typing import Final

import attrs

from fanin.diagnosis.finding import Kind


@attrs.frozen
class About:
    """A kind in words.

    Args:
        title: a few words.
        meaning: what is the matter, and why it hinders training.
        remedy: what helps in general; a finding says what helps where it is.
    """

    title: str
    meaning: str
    remedy: str


ABOUT: Final[dict[Kind, About]] = {
    "nonfinite": About(
        "Inf or NaN",
        "The forward pass, the loss or a gradient holds Inf or NaN at initialization. An optimizer "
        "that follows it makes every parameter NaN.",
        "Find the first operation that puts out such a number; lower the scale of what it reads.",
    ),
    "symmetry": About(
        "Units that stay equal",
        "Units of a layer start with equal weights and get equal gradients, so that they stay "
        "copies of one unit for as long as the network is trained.",
        "Draw the weights at random, for instance by he_normal, instead of setting a constant.",
    ),
    "dead": About(
        "Dead units",
        "Units, or what runs into them, put out zero for every example of the batch, so that no "
        "gradient reaches their weights.",
        "Set the biases in front of them to zero and draw the weights at the gain of the "
        "activation.",
    ),
    "saturation": About(
        "Saturated units",
        "Most values lie in the flat part of their activation, whose derivative is almost zero, "
        "so that the layers before them learn slowly or not at all.",
        "Lower the scale of the weights in front of the activation.",
    ),
    "exploding": About(
        "Exploding signals",
        "The scale of signals or gradients grows from layer to layer, so that no learning rate "
        "suits all layers.",
        "Draw the weights at the scale that keeps signals, or put a norm into the blocks.",
    ),
    "vanishing": About(
        "Vanishing signals",
        "The scale of signals or gradients shrinks from layer to layer, so that early layers learn "
        "slowly or not at all.",
        "Draw the weights at the scale that keeps signals, or add residual connections.",
    ),
    "output_scale": About(
        "Scale of the output",
        "The outputs are so large or so small for the loss that the first steps of training go "
        "into rescaling them.",
        "Draw the last weight at the scale that suits the loss.",
    ),
}
"""A line for each kind."""
