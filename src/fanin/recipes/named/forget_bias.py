"""The forget gate's bias of 1."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy
from fanin.recipes.reading.recurrent_layers import recurrent_rows, require_biases, require_layers
from fanin.recipes.recipe import ObservedRecipe
from fanin.schemes import constant, zeros
from fanin.schemes.blockwise import blocks
from fanin.schemes.scheme import a_number, as_float


@attrs.frozen(repr=False)
class forget_bias(ObservedRecipe):
    """An LSTM that remembers at the start: the bias of its forget gate is 1, others 0.

    In ``b_ih``, in torch's order of gates i, f, g, o; ``b_hh``, which adds to it, is 0. The
    update gate of a GRU (r, z, n), which keeps the state in torch, gets the same. State weights
    are orthogonal, input weights Xavier uniform, gate by gate, and so are the other weights;
    tables N(0, 1).

    Args:
        value: of the bias.

    Raises:
        InputError: no number.
        ModelError: from ``plan``: no LSTM or GRU of torch.nn, or one without biases.

    References:
        Jozefowicz, Zaremba, Sutskever, An empirical exploration of recurrent network
        architectures, 2015, section 4.
    """

    value: float = attrs.field(default=1.0, converter=as_float, validator=a_number)

    name = "forget_bias"
    rule = "b_f = 1 (LSTM) or b_z = 1 (GRU), other biases 0; orthogonal states, Xavier inputs"
    use = "LSTM and GRU, whatever the task; take chrono where long dependencies are known"
    citation = (
        "Jozefowicz, Zaremba, Sutskever. An empirical exploration of recurrent network "
        "architectures. ICML 2015. Section 4"
    )
    argument = "value"

    def __attrs_post_init__(self) -> None:
        constant(self.value)  # refuses what is not finite

    def rows(self, anatomy: Anatomy) -> Iterable[Row]:
        instead = "Take 'irnn' for an RNN with relu, or 'orthogonal'"
        layers = require_layers(self.name, anatomy, ("lstm", "gru"), instead)
        rows = {row.parameter: row for row in recurrent_rows(anatomy, layers)}
        for layer in layers:
            first, second = require_biases(self.name, layer)
            gates = [zeros()] * layer.gates
            scheme = blocks(*gates[:1], constant(self.value), *gates[2:])
            gate = "forget" if layer.kind == "lstm" else "update"
            reason = f"{self.value:g} on the {gate} gate keeps the state at the start"
            rows[first] = anatomy.row(first, scheme, reason, self.citation)
            rows[second] = anatomy.row(second, zeros(), f"{first!r}, which it adds to, has it all")
        return rows.values()
