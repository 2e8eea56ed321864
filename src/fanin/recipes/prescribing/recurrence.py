"""Weights of recurrent layers, and states that are fed back by hand."""

from __future__ import annotations

import math

from fanin.observation.records import Use
from fanin.recipes.prescribing.prescription import LECUN, SAXE, Prescription
from fanin.recipes.reading.anatomy import Anatomy
from fanin.schemes import identity, lecun_normal, orthogonal, scaled

RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu"})


def of_recurrent_layer(use: Use) -> Prescription:
    own = use.parameter.rpartition(".")[2]
    if own.startswith("weight_hh"):
        if use.op == "rnn_relu":
            return Prescription(identity(), "the state of a ReLU network is kept as it is", _IRNN)
        return Prescription(
            orthogonal(), "a state that is fed back keeps its norm, gate by gate", SAXE
        )
    if own.startswith("weight_hr"):
        return Prescription(lecun_normal(), "keeps the second moment of the state", LECUN)
    if use.op == "rnn_relu" and use.time_steps:
        return Prescription(
            scaled(lecun_normal(), 1 / math.sqrt(use.time_steps)),
            f"what {use.time_steps} steps add to a state that is kept sums to RMS 1",
            _IRNN,
        )
    return Prescription(lecun_normal(), "each gate reads its input at second moment 1", LECUN)


def of_state(anatomy: Anatomy, use: Use) -> Prescription:
    """Of a recurrent network written by hand."""
    # The first step reads an empty state: what its function is shows at the next ones.
    sources = [one.source for one in anatomy.uses_of(use.parameter)]
    if any(one and one.gain and math.isclose(one.gain, math.sqrt(2)) for one in sources):
        return Prescription(identity(), "the state of a ReLU network is kept as it is", _IRNN)
    return Prescription(orthogonal(), "a state that is fed back keeps its norm", SAXE)


_IRNN = (
    "Le, Jaitly, Hinton. A simple way to initialize recurrent networks of rectified linear units. "
    "2015. arXiv:1504.00941"
)
