"""How the scale of a signal is shown: seven colours around an RMS of 1."""

from __future__ import annotations

import math

from markupsafe import Markup

_DECADES = 3
COLOURS = ("#0072b2", "#3d8fc4", "#7ea9c8", "#8b9199", "#cf9f7a", "#d6803f", "#d55e00")
"""For 1e-3 and less, 1e-2, 0.1, 1, 10, 100, 1e3 and more."""
_LABELS = ("1e-3", "0.01", "0.1", "1", "10", "100", "1e3")


def scale_class(rms: float | None) -> str:
    """The style of a line or number: "s0" to "s6", "none", "zero" or "odd" (Inf or NaN)."""
    if rms is None:
        return "none"
    if not math.isfinite(rms):
        return "odd"
    if rms <= 0:
        return "zero"
    decade = round(math.log10(rms))
    return f"s{min(max(decade, -_DECADES), _DECADES) + _DECADES}"


def scale_styles() -> Markup:
    """The styles of the classes, for the page."""
    rules = [
        f".wire.s{place} {{ stroke: {colour};"
        f" stroke-width: {1.5 + 0.7 * abs(place - _DECADES):g} }}"
        f" .head.s{place} {{ fill: {colour} }}"
        for place, colour in enumerate(COLOURS)
    ]
    return Markup("\n".join(rules))  # noqa: S704 - numbers and colours of ours


def legend() -> Markup:
    """The colours with their numbers, and the lines that stand for no number."""
    entries = [(f"s{place}", label) for place, label in enumerate(_LABELS)]
    entries += [("zero", "0"), ("odd", "Inf, NaN"), ("none", "not measured")]
    parts, x = [], 4
    for kind, label in entries:
        parts.append(
            Markup(
                '<path class="wire {0}" d="M{1} 12h26"/><text x="{2}" y="16" class="op">{3}</text>'
            ).format(kind, x, x + 32, label)
        )
        x += 32 + 7 * len(label) + 20
    return Markup(
        '<svg role="img" aria-label="Colours of the RMS" width="{0}" height="24" '
        'viewBox="0 0 {0} 24">{1}</svg>'
    ).format(x, Markup().join(parts))
