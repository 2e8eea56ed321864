"""What a prescription gives up along a row of weights; "" where it does not show."""

from __future__ import annotations

import math

from fanin import schemes, theory
from fanin.guide.chooser.parts import base, span
from fanin.guide.chooser.shown import Shown
from fanin.recipes.plans.row import Row


def widths(shown: Shown) -> str:
    """Both directions keep their scale only where widths agree."""
    known = [row for row in shown.rows() if row.layout is not None and row.layout.fan_out]
    apart = [
        (row, row.layout.fan_out / row.layout.fan_in)
        for row in known
        if row.layout is not None and row.layout.op != "embedding"
        and not row.parameter.startswith(("head", "stem"))
        and not math.isclose(row.layout.fan_in, row.layout.fan_out)
    ]  # fmt: skip
    if not apart or shown.case.tuning != "all":
        return ""
    row, ratio = max(apart, key=lambda one: abs(math.log(one[1])))
    return (
        "The forward signal is kept and the gradient is not where widths differ: "
        f"{row.parameter} multiplies the gradient's mean square by fan_out / fan_in = {ratio:.3g} "
        "beside what its gain does. Xavier's 2 / (fan_in + fan_out) shares the error between both."
    )


def orthogonal(shown: Shown) -> str:
    """What orthogonality costs."""
    rows = shown.drawn_by(schemes.orthogonal)
    if not rows or shown.case.tuning != "all":
        return ""
    sides = [max(row.shape[0], math.prod(row.shape[1:])) for row in rows]
    return (
        "Orthogonal weights take the chance of narrow layers out of the scale, and cost a "
        f"factorization each: about n^3 operations, n up to {max(sides)} here. Gaussian weights "
        "of the same std come free, and a wide layer shows little difference."
    )


def no_isometry(shown: Shown) -> str:
    """What it does not give with ReLU."""
    # With relu half of the singular values are lost whatever the weights are.
    if shown.case.activation != "relu" or shown.case.architecture not in {"mlp", "cnn"}:
        return ""
    rows = [row for row in shown.hidden if isinstance(base(row.scheme), schemes.orthogonal)]
    if len(rows) < 2 or shown.case.norm != "none":
        return ""
    return (
        "With ReLU orthogonal weights do not keep all directions: the units that are off lose "
        "theirs, so that singular values spread with depth. They do so with tanh, near 0."
    )


def pairs(shown: Shown) -> str:
    """What mirrored units take."""
    rows = shown.drawn_by(schemes.looks_linear)
    width = max((row.shape[0] for row in rows if not row.parameter.startswith("head")), default=0)
    if not width:
        return ""
    return (
        f"Units start as mirror images of each other: {width} units are {width // 2} different "
        "ones, and the whole network starts as a linear one. Training has to part the pairs before "
        "it has the width that it was given; dropout or a norm between two weights breaks the "
        "cancelling."
    )


_FEW = 4
"""Layers: the chance of fewer does not add up to much."""


def _is_gaussian(row: Row) -> bool:
    scheme = base(row.scheme)
    if isinstance(scheme, schemes.looks_linear) and scheme.base is not None:
        scheme = base(scheme.base)
    return not isinstance(scheme, schemes.orthogonal | schemes.siren)


def chance(shown: Shown) -> str:
    """The drift of Gaussian weights along depth."""
    rows = [row for row in shown.hidden if _is_gaussian(row)]
    if shown.case.norm != "none" or shown.case.residual or len(rows) < _FEW:
        return ""
    depth_over_width = sum(1 / row.layout.fan_in for row in rows if row.layout is not None)
    return (
        f"{len(rows)} of these weights are Gaussian, and their scale drifts by chance along depth: "
        f"the sum of 1 / fan_in over them, {depth_over_width:.3g} here, says how far (for ReLU the "
        "variance of the logarithm of the mean square is about five times it). A wider network "
        "drifts less."
    )


def drifts(shown: Shown) -> str:
    """The gradient where the signal is kept."""
    rows = [row for row in shown.rows("hidden weight") if row.layout is not None]
    if shown.case.norm != "none" or not rows or shown.drawn_by(schemes.looks_linear, schemes.siren):
        return ""
    name = shown.case.activation
    gain = 1.0 if name == "linear" else theory.gain(name)
    drawn = [row.std * math.sqrt(row.layout.fan_in) for row in rows if row.layout is not None]
    if name == "linear" or not any(math.isclose(one, gain, rel_tol=1e-3) for one in drawn):
        return ""  # another gain, chosen so that this does not happen
    chi = theory.chi_1(name, gain)
    if math.isclose(chi, 1.0, rel_tol=1e-2):
        return ""
    return (
        f"At this gain {name} keeps the signal's mean square, and multiplies the gradient's by "
        f"{chi:.3g} a layer, {chi ** len(rows):.3g} over {len(rows)}. Both at once would "
        "take smaller signals, pairs of opposite sign or a norm."
    )


def small_signals(shown: Shown) -> str:
    """Signals small enough for gradients to pass."""
    known = [row.predicted for row in shown.rows("hidden weight") if row.predicted]
    if not known or max(known) > _SMALL or not shown.says("all directions keep their scale"):
        return ""
    return (
        f"Signals are kept at RMS {max(known):.3g}, where {shown.case.activation} is nearly "
        "linear: gradients pass all layers, and curvature has to be learned."
    )


_SMALL = 0.8


def scale_free(shown: Shown) -> str:
    """Weights before a norm."""
    if not shown.says("scale-free"):
        return ""
    gain = min(part.gains[0] for part in shown.parts if "scale-free" in part.reason and part.gains)
    turned = 1 / math.sqrt(3) / gain
    return (
        "The norm forgives any std: it only sets how far a step turns the weight. At gain "
        f"{gain:.3g} a step of Adam turns it {turned:.3g} times as far as at torch's default of "
        "1 / sqrt(3), as a higher learning rate would."
    )


def batch_growth(shown: Shown) -> str:
    """Gradients through batch norms."""
    if shown.case.norm != "batch" or shown.case.residual:
        return ""
    rows = shown.hidden
    first, last = rows[0].gradient, rows[-1].gradient
    seen = (
        f" Here its RMS at the first weight is {first / last:.3g} times that at the last "
        f"of {len(rows)}."
        if first and last
        else ""
    )
    rate = math.pi / (math.pi - 1)
    return (
        "Batch norm keeps signals whatever the weights are, and no init keeps its gradients: with "
        f"ReLU their mean square grows by pi / (pi - 1) = {rate:.3g} a layer toward the input in "
        f"wide networks.{seen} Skips cure it, depth alone makes it worse."
    )


def sine(shown: Shown) -> str:
    """Networks of sines."""
    rows = shown.drawn_by(schemes.siren)
    if not rows:
        return ""
    return (
        "The frequency inside the sine decides what is learned first: a high one fits fine detail, "
        "and noise as well. It belongs to the data, and the bounds hold for uniform inputs in "
        "-1 to 1."
    )


def measured(shown: Shown) -> str:
    """Factors that belong to one batch."""
    found = [part.measured for part in shown.parts if part.measured]
    if not found:
        return ""
    low, high = min(one[0] for one in found), max(one[1] for one in found)
    return (
        f"Factors that a measurement added ({span(low, high)}) hold for the batch that was "
        "seen: give recommend inputs scaled as in training."
    )
