"""An observation for people: on a terminal, and as a page with its dataflow as a picture."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from fanin.observation.observed import Observation
from fanin.report import wording
from fanin.report.dataflow_svg import dataflow_picture
from fanin.report.depth import depth_picture, profile
from fanin.report.files import replacing
from fanin.report.findings import findings, headline, outcome
from fanin.report.observation_tables import parameter_table, signal_table, use_table
from fanin.report.observation_terminal import terminal_view
from fanin.report.page import framed, inline, rendered
from fanin.report.scale import legend, scale_styles

__all__ = ["framed_page", "page", "terminal_view", "write_page"]


def write_page(observation: Observation, path: str | Path, *, command: str | None = None) -> Path:
    """Write the page of an observation, and return its path.

    Args:
        observation: what was seen.
        path: where to; its folder must exist.
        command: how to get the same again.

    Raises:
        OutputError: the file cannot be written.
    """
    text = page(observation, command=command)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return Path(path)


def page(observation: Observation, *, command: str | None = None) -> str:
    """The page as text."""
    depth = len(profile(observation))
    return rendered(
        "observation.html",
        command,
        model=wording.visible(observation.model),
        headline=headline(observation),
        objective=wording.objective(observation.objective),
        outcome=outcome(observation),
        findings=[
            [(title, wording.visible(text)) for title, text in group]
            for group in findings(observation)
        ],
        dataflow=dataflow_picture(observation),
        legend=legend(),
        scale_styles=scale_styles(),
        depth=inline(depth_picture(observation).svg()) if depth > 1 else Markup(),
        uses=use_table(observation),
        signals=signal_table(observation),
        parameters=parameter_table(observation),
    )


def framed_page(observation: Observation) -> str:
    """The page in a frame of its own, so that its styles stay inside."""
    return framed(page(observation))
