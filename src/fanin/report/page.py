"""One self-contained HTML page: no script, no network, light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from fanin.ensembles import Comparison
from fanin.report import figures, summaries
from fanin.report.files import replacing
from fanin.report.schema import versions


def write_page(
    comparisons: Sequence[Comparison], path: str | Path, *, command: str | None = None
) -> Path:
    """Write the page of one comparison or several, and return its path.

    Args:
        comparisons: shown one below the other.
        path: where to; its folder must exist.
        command: how to get the same again.

    Raises:
        OutputError: the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(page(comparisons, command=command), encoding="utf-8")
    return Path(path)


def page(comparisons: Sequence[Comparison], *, command: str | None = None) -> str:
    """The page as text."""
    return rendered(
        "comparison.html",
        command,
        comparisons=[_view(comparison) for comparison in comparisons],
    )


def rendered(template: str, command: str | None, **values: object) -> str:
    """A page from its template; ``command`` gives it again."""
    return _template(template).render(**values, command=command, versions=versions())


def fragment(template: str, **values: object) -> str:
    """A part of a page from its template."""
    return _template(template).render(**values)


def _template(name: str) -> Template:
    environment = Environment(
        loader=PackageLoader("fanin.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def framed_page(comparison: Comparison) -> str:
    """The page in a frame of its own, so that its styles stay inside."""
    return framed(page([comparison]))


def framed(text: str) -> str:
    """A page as a part of another one."""
    frame = '<iframe srcdoc="{}" style="width:100%;height:60rem;border:0"></iframe>'
    return str(Markup(frame).format(escape(text)))  # noqa: S704 - it is the line above


def _view(comparison: Comparison) -> dict[str, object]:
    return {
        "title": comparison.title,
        "headline": summaries.headline(comparison),
        "conclusion": comparison.conclusion,
        "notices": summaries.notices(comparison),
        "metric": comparison.metric_name,
        "level": f"{comparison.level:.3g}",
        "uninformed": f"{comparison.uninformed_loss:.3g}",
        "seeds": len(comparison.seeds),
        "rates": ", ".join(f"{rate:g}" for rate in comparison.learning_rates),
        "runs": len(comparison.runs),
        "seconds": f"{comparison.seconds:.0f}",
        "rows": [
            {
                "place": place + 1,
                "recipe": row.name,
                "rate": f"{row.learning_rate:g}",
                "loss": summaries.shown_loss(row),
                "metric": f"{row.metric:.3f}",
                "interval": summaries.shown_interval(row),
                "p": summaries.shown_p(row, best=place == 0),
                "steps": "-" if row.steps_to_level is None else str(row.steps_to_level),
                "diverged": f"{row.diverged:.0%}" if row.diverged else "-",
            }
            for place, row in enumerate(comparison.ranking)
        ],
        "curves": inline(figures.curves(comparison)),
        "signals": inline(figures.signals(comparison)),
        "rate_figure": inline(figures.rates(comparison)),
    }


def inline(svg: str) -> Markup:
    """A picture of ours as a part of the page."""
    # matplotlib escapes the text that it draws; the rest is its own.
    return Markup(svg)  # noqa: S704
