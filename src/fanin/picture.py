"""A picture: drawn when it is asked for, as SVG inside a page, as a file, or in a notebook."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fanin.errors import OutputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Readable on white and on near black; Okabe, Ito 2008, without its black and yellow.
COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#a6761d",
)  # fmt: skip
_STYLES = ("-", "--", ":", "-.")


@dataclass(frozen=True, slots=True)
class Ink:
    """The colours of text and of what shall not stand out."""

    text: str
    faint: str


# Stand-ins that the page's own colours replace.
_OF_THE_PAGE = Ink("#010203", "#040506")
_ON_WHITE = Ink("#1b1d20", "#c9cdd2")

Draw = Callable[["Figure", Ink], None]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture made by matplotlib, without a display.

    Args:
        draw: fills an empty figure, with the colours that it is given.
        label: says in one sentence what can be seen.
        size: width and height in inches.
    """

    draw: Draw
    label: str
    size: tuple[float, float] = (6.4, 3.6)

    def svg(self) -> str:
        """An ``<svg>`` element for a page: text stays text and takes the page's colours."""
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        text = io.StringIO()
        with _style(_OF_THE_PAGE):
            canvas = FigureCanvasSVG(self._figure(_OF_THE_PAGE))
            canvas.print_svg(text, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
        svg = text.getvalue()
        svg = svg[svg.index("<svg") :]
        svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
        svg = svg.replace(_OF_THE_PAGE.text, "currentColor")
        svg = svg.replace(_OF_THE_PAGE.faint, "var(--faint)")
        for attribute in ("width", "height"):
            svg = re.sub(rf'<svg ([^>]*?){attribute}="[^"]*"', r"<svg \1", svg, count=1)
        label = html.escape(self.label)
        return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)

    def savefig(self, path: str | Path, *, dpi: float = 150) -> Path:
        """Write the picture to a file, on white; the suffix says the format (svg, png, pdf).

        Raises:
            OutputError: a format that is not known, or a file that cannot be written.
        """
        with _style(_ON_WHITE):
            try:
                self._figure(_ON_WHITE).savefig(path, dpi=dpi, facecolor="white")
            except (OSError, ValueError) as error:
                raise OutputError(f"cannot write the picture {path}: {error}") from None
        return Path(path)

    def _repr_svg_(self) -> str:
        text = io.StringIO()
        with _style(_ON_WHITE):
            self._figure(_ON_WHITE).savefig(text, format="svg", facecolor="white")
        return text.getvalue()

    def _figure(self, ink: Ink) -> Figure:
        from matplotlib.figure import Figure

        figure = Figure(figsize=self.size, layout="constrained")
        self.draw(figure, ink)
        return figure


def line(place: int) -> dict[str, Any]:
    """Colour and dashes of the line at a place."""
    return {
        "color": COLOURS[place % len(COLOURS)],
        "linestyle": _STYLES[place // len(COLOURS) % len(_STYLES)],
    }


def plain(name: str) -> str:
    """A name for a legend: a dollar sign in it would begin a formula."""
    return name.replace("$", r"\$")


def _style(ink: Ink) -> Any:
    from matplotlib import rc_context

    return rc_context(
        {
            "axes.edgecolor": ink.faint,
            "axes.facecolor": "none",
            "axes.grid": True,
            "axes.labelcolor": ink.text,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlesize": 11,
            "figure.facecolor": "none",
            "font.size": 10,
            "grid.color": ink.faint,
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "legend.labelcolor": ink.text,
            "lines.linewidth": 1.8,
            "svg.fonttype": "none",
            "svg.hashsalt": "fanin",
            "text.color": ink.text,
            "xtick.color": ink.faint,
            "xtick.labelcolor": ink.text,
            "ytick.color": ink.faint,
            "ytick.labelcolor": ink.text,
        }
    )
