"""The causes that an answer may name: a closed set, so that an answer is right or wrong."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, Literal

Cause = Literal[
    "symmetry",
    "dead",
    "saturation",
    "exploding",
    "vanishing",
    "nonfinite",
    "output_scale",
    "fan",
    "gates",
    "inputs",
    "zero_product",
]

CAUSES: Final = MappingProxyType[Cause, str](
    {
        "symmetry": "units are equal, get equal gradients and stay equal",
        "dead": "units are off for every example and get no gradient",
        "saturation": "units sit where the activation is flat",
        "exploding": "signals or gradients grow from layer to layer",
        "vanishing": "the std is too small for this activation and depth: signals fade",
        "nonfinite": "a number is beyond what its type can hold: Inf, then NaN",
        "output_scale": "the hidden layers are well, the scores start far too large",
        "fan": "the right gain, divided by the wrong number of inputs",
        "gates": "a gate is shut or open for good, so a state is not kept",
        "inputs": "the weights suit inputs of RMS 1, and these are not",
        "zero_product": "two factors are zero: each needs the other for its gradient",
    }
)
"""Cause to what it means: the kinds of ``fanin.check`` first, then those that exercises add."""
