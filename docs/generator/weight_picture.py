"""A weight as a matrix of coloured cells, and its histogram: SVG, written out.

Thirty of them stand on the site, and a plotting library takes a third of a second for each.
"""

from __future__ import annotations

import base64
import io
from html import escape
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fanin.picture import COLOURS
from fanin.report.histogram import Drawn

_WIDTH, _HEIGHT, _TOP, _BOTTOM, _LEFT, _RIGHT = 420, 285, 34, 250, 10, 410
_ENDS: Final = [[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in COLOURS[:2]]
_MIDDLE: Final = [244, 244, 244]


def weight_picture(weight: NDArray[np.float32], drawn: Drawn) -> str:
    """Two ``<svg>`` elements, side by side or one below the other, in the colours of their page."""
    label = escape(f"A weight drawn by {drawn.scheme}", quote=True)
    parts = (("as a matrix", _matrix(weight)), ("as a histogram", _histogram(drawn)))
    return "\n".join(
        f'<svg role="img" aria-label="{label}, {kind}" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'font-size="15">{"".join(lines)}</svg>'
        for kind, lines in parts
    )


def _matrix(weight: NDArray[np.float32]) -> tuple[str, ...]:
    low, high = _LEFT, _RIGHT
    return (
        _text(low, 22, "the weight: a row for each unit", "start"),
        (
            f'<image x="{low}" y="{_TOP}" width="{high - low}" height="{_BOTTOM - _TOP}" '
            f'preserveAspectRatio="none" style="image-rendering: pixelated" '
            f'href="{_pixels(weight)}"/>'
        ),
        _text((low + high) / 2, _BOTTOM + 24, "in", "middle"),
    )


def _pixels(weight: NDArray[np.float32]) -> str:
    """One pixel for each element, from blue over grey to vermilion."""
    share = (weight / (np.abs(weight).max() or 1.0))[..., None]
    blue, vermilion, grey = (np.array(one) for one in (*_ENDS, _MIDDLE))
    colours = grey + np.abs(share) * (np.where(share < 0, blue, vermilion) - grey)
    file = io.BytesIO()
    Image.fromarray(colours.round().astype(np.uint8)).save(file, "png")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _histogram(drawn: Drawn) -> list[str]:
    shares = np.array(drawn.counts) / sum(drawn.counts)
    edges = np.array(drawn.edges)
    low, high = float(edges[0]), float(edges[-1])
    if low == high:
        low, high = low - 1.0, high + 1.0
        edges = np.array([edges[0] - 0.05, edges[0] + 0.05])

    def across(value: float) -> float:
        return _LEFT + (value - low) / (high - low) * (_RIGHT - _LEFT)

    made = [
        _text(_LEFT, 22, f"its elements; the highest bar is {shares.max():.3g} of them", "start")
    ]
    for share, start, end in zip(shares, edges[:-1], edges[1:], strict=True):
        tall = share / shares.max() * (_BOTTOM - _TOP)
        made.append(
            f'<rect x="{across(start):.1f}" y="{_BOTTOM - tall:.1f}" height="{tall:.1f}" '
            f'width="{across(end) - across(start) - 1:.1f}" style="fill: var(--blue)"/>'
        )
    made.append(f'<path d="M{_LEFT} {_BOTTOM}H{_RIGHT}" style="stroke: var(--faint); fill: none"/>')
    inside = [0.0] if low < 0.0 < high and min(-low, high) > 0.15 * (high - low) else []
    for value, anchor in ((low, "start"), *((zero, "middle") for zero in inside), (high, "end")):
        made.append(_text(across(value), _BOTTOM + 24, f"{value:.3g}", anchor))
    return made


def _text(x: float, y: float, text: Any, anchor: str) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="currentColor">'
        f"{escape(str(text))}</text>"
    )
