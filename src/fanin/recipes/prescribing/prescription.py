"""What a weight is to be, and the scheme that a gain asks for."""

from __future__ import annotations

import math

import attrs

from fanin.fans import Layout
from fanin.observation.records import Use
from fanin.schemes import Scheme, he_normal, lecun_normal, orthogonal, variance_scaling

_LARGEST_ORTHOGONAL = 2**16
"""Elements; wider weights are near enough to orthogonal, and a factorization costs passes."""


@attrs.frozen
class Prescription:
    """What a weight is to be.

    Args:
        scheme: draws it.
        reason: one sentence.
        source: of the rule.
        target: RMS that its signal is to have; None where it is left to the scheme.
    """

    scheme: Scheme
    reason: str
    source: str
    target: float | None = None


def after(use: Use) -> str:
    ops = use.source.ops if use.source is not None else ()
    if ops:
        return f" after {', '.join(ops)}"
    kind = use.source.kind if use.source is not None else ""
    said = {"input": "the input", "norm": "a norm", "softmax": "an attention", "pool": "a pooling"}
    return f" of {said[kind]}" if kind in said else ""


def drawn(layout: Layout, gain: float) -> Scheme:
    """Orthogonal at that gain, where the width leaves noise that it takes out, else normal.

    The standard deviation is gain / sqrt(fan_in) either way.
    """
    plain = not layout.batch_axes and layout.groups == 1 and layout.out_axes and layout.in_axes
    if not plain or math.prod(layout.shape) > _LARGEST_ORTHOGONAL:
        return scheme_of(gain)
    taps = layout.fan_in * layout.shape[layout.out_axes[0]] / math.prod(layout.shape)
    if not math.isclose(taps, 1.0):
        return scheme_of(gain)  # strides or pooling divide what is summed
    outputs = max(layout.blocks, default=layout.shape[layout.out_axes[0]])
    return orthogonal(gain * math.sqrt(max(1.0, outputs / layout.fan_in)))


def scheme_of(gain: float) -> Scheme:
    if math.isclose(gain, math.sqrt(2), rel_tol=1e-6):
        return he_normal()
    if math.isclose(gain, 1.0, rel_tol=1e-6):
        return lecun_normal()
    return variance_scaling(gain * gain, "fan_in", "normal")


def source_of(gain: float) -> str:
    return he_normal.citation if not math.isclose(gain, 1.0) else LECUN


LECUN = "LeCun, Bottou, Orr, Mueller. Efficient BackProp. 1998. Section 4.6"
SAXE = orthogonal.citation
