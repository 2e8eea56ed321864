"""How a number in the code came about, as a short formula."""

from __future__ import annotations

import math
from collections.abc import Iterable

from fanin import schemes
from fanin.fans import Layout
from fanin.schemes import Scheme
from fanin.schemes.variance import fan

# What torch calls them says it all, or the numbers do.
_PLAIN = (
    schemes.zeros, schemes.ones, schemes.constant, schemes.normal, schemes.uniform, schemes.given,
    schemes.orthogonal, schemes.identity, schemes.dirac, schemes.sparse,
)  # fmt: skip


def formula(scheme: Scheme, layout: Layout | None) -> str:
    """E.g. ``std = sqrt(2 / 256)``; "" where the numbers are those of the scheme itself."""
    if isinstance(scheme, schemes.scaled):
        inner = formula(scheme.base, layout)
        return f"{inner}, times {scheme.factor:.6g}" if inner else ""
    if isinstance(scheme, schemes.blocks):
        known = scheme.layouts(layout) if layout else (None,) * len(scheme.schemes)
        return _each(formula(one, part) for one, part in zip(scheme.schemes, known, strict=True))
    if isinstance(scheme, (schemes.masked, schemes.per_unit)):
        return formula(scheme.base, layout)
    name = getattr(scheme, "name", "")
    if isinstance(scheme, schemes.truncated_normal):
        return "truncated, with the std that remains corrected" if scheme.corrected else "truncated"
    if type(scheme) is schemes.SCHEMES.get(name) and layout is not None:
        text = _each(_of_fans(scheme, part) for part in layout.parts())
        if text:
            return f"{name}: {text}"
    said = getattr(scheme, "formula", "")
    return f"{name}: {said}" if said and not isinstance(scheme, _PLAIN) else ""


def _of_fans(scheme: Scheme, layout: Layout) -> str:
    n, o = layout.fan_in, layout.fan_out
    if isinstance(scheme, schemes.spectral):
        gain = f"{scheme.gain:.6g} " if scheme.gain != 1 else ""
        return f"std = {gain}sqrt({o:.6g} / {n:.6g}) / (sqrt({n:.6g}) + sqrt({o:.6g}))"
    if isinstance(scheme, schemes.siren):
        if scheme.first:
            return f"bound = 1 / {n:.6g}"
        return f"bound = sqrt(6 / {n:.6g}) / {scheme.w0:.6g}"
    if isinstance(scheme, schemes.torch_default):
        law = scheme.law(layout)
        squared = 3 * law.std**2
        return f"bound = 1 / sqrt({1 / squared:.6g})" if squared and scheme.of == "layer" else ""
    scaling = getattr(scheme, "scaling", None)
    if scaling is None:
        return ""
    scale, mode, shape = scaling()
    if shape == "uniform":
        return f"bound = sqrt({3 * scale:.6g} / {fan(layout, mode):.6g})"
    return f"std = sqrt({scale:.6g} / {fan(layout, mode):.6g})" + (
        ", cut at 2 std and corrected"
        if shape == "truncated_normal" and math.isfinite(scale)
        else ""
    )


def _each(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))
