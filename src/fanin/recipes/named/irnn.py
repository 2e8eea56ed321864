"""IRNN: a recurrent net of ReLU that starts as the identity."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from fanin.observation.records import Use
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy, Choice
from fanin.recipes.reading.recurrent_layers import require_layers
from fanin.recipes.recipe import ObservedRecipe
from fanin.schemes import identity, normal, xavier_uniform
from fanin.schemes.scheme import a_number, as_float


@attrs.frozen(repr=False)
class irnn(ObservedRecipe):
    """A ReLU RNN that copies its state: W_hh the identity, W_ih N(0, 0.001), biases 0.

    So are, as in the paper, the weights that read the state and feed the output N(0, 0.001).
    Other weights, of which the paper has none, are Xavier uniform, and tables N(0, 1).

    Args:
        std: of the weights that are not recurrent.

    Raises:
        InputError: the std is negative or no number.
        ModelError: from ``plan``: no RNN of torch.nn, or one with tanh, an LSTM or a GRU.

    References:
        Le, Jaitly, Hinton, A simple way to initialize recurrent networks of rectified linear
        units, 2015, arXiv:1504.00941, section 2.
    """

    std: float = attrs.field(default=0.001, converter=as_float, validator=a_number)

    name = "irnn"
    rule = "W_hh = I, W_ih and output N(0, 0.001), biases 0"
    use = "nn.RNN with nonlinearity='relu' on long sequences"
    citation = (
        "Le, Jaitly, Hinton. A simple way to initialize recurrent networks of rectified linear "
        "units. 2015. arXiv:1504.00941. Section 2"
    )
    argument = "std"

    def __attrs_post_init__(self) -> None:
        normal(std=self.std)  # refuses what is no std

    def rows(self, anatomy: Anatomy) -> Iterable[Row]:
        instead = (
            "Make it nn.RNN(..., nonlinearity='relu'), or take 'forget_bias' for LSTM and GRU and "
            "'orthogonal' for an RNN with tanh"
        )
        layers = require_layers(self.name, anatomy, ("rnn_relu",), instead)
        states = {layer.weight_hh for layer in layers}
        inputs = {layer.weight_ih for layer in layers}

        def weight(use: Use) -> Choice:
            if use.parameter in states:
                return identity(), "the identity: with ReLU the state is copied from step to step"
            if use.parameter in inputs:
                return normal(std=self.std), f"N(0, {self.std:g}): inputs start as a small addition"
            if use.feeds_output and use.branch is None:
                return normal(std=self.std), f"N(0, {self.std:g}): the output starts near 0"
            return xavier_uniform(), "a weight outside of the recurrent net"

        return anatomy.rows(
            weight,
            table=lambda _: (normal(std=1.0), "a row of a table is read alone: N(0, 1)"),
            source=self.citation,
        )
