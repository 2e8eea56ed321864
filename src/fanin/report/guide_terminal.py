"""The guide on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fanin.guide import Chapter, Claim, Result
from fanin.guide.checks import Verdict
from fanin.report import guide_wording, markdown

_STYLES: Final[Mapping[Verdict, str]] = {
    "supported": "green",
    "qualified": "yellow",
    "refuted": "red",
}
_INDENT = (0, 0, 0, 2)


def listing(
    chapters: Sequence[Chapter],
    claims: Mapping[str, Claim[Any]],
    results: Mapping[str, Result],
) -> Iterator[RenderableType]:
    """All claims with their verdicts, by chapter."""
    for chapter in chapters:
        yield Text(f"{chapter.number}. {chapter.title}", style="bold")
        table = Table(box=None, show_header=False, padding=(0, 1, 0, 1))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for name in chapter.claims:
            claim = claims[name]
            table.add_row(verdict(results.get(name)), Text(name), Text(claim.title, style="dim"))
        yield table
        yield Text()


def verdict(result: Result | None) -> Text:
    """Sign and word; of a quick run with a question mark."""
    if result is None:
        return Text("· not run", style="dim")
    word = f"{guide_wording.SIGNS[result.verdict]} {result.verdict}{'?' if result.quick else ''}"
    return Text(word, style=_STYLES[result.verdict])


def finished(result: Result) -> Text:
    """One line for a claim that was run: its verdict and the first number that decides it."""
    line = verdict(result)
    line.pad_right(13 - len(line.plain))
    line.append(f"{result.claim.name}", style="bold")
    line.append(f"  {result.seconds:.1f} s", style="dim")
    return line


def claim_view(claim: Claim[Any], result: Result | None) -> Iterator[RenderableType]:
    """A claim with its result, whole."""
    head = verdict(result)
    head.append(f"  {claim.title}", style="bold default")
    yield head
    if result is not None and guide_wording.conditions(result):
        yield Text(guide_wording.conditions(result), style="dim")
    yield Text()
    yield Padding(Text(f"“{claim.statement}”", style="italic"), _INDENT)
    yield Text()
    settings = claim.settings if result is None else claim.changed(result.settings)
    yield _prose("Experiment", claim.described(settings))
    if result is not None:
        yield _checks(result)
    if claim.formula:
        yield Padding(Text(markdown.latex_text(claim.formula)), (0, 0, 1, 4))
    yield _prose("Why", claim.why)
    if result is not None and result.verdict != "supported" and claim.instead:
        yield _prose("What is true instead", claim.instead)
    yield _prose("Try it", claim.try_it.look)
    yield Padding(Text(guide_wording.command(claim, claim.try_it)), (0, 0, 1, 4))
    yield Text("Sources", style="bold")
    yield Padding(Text("\n".join(claim.sources), style="dim"), _INDENT)


def chapter_view(
    chapter: Chapter, claims: Mapping[str, Claim[Any]], results: Mapping[str, Result]
) -> Iterator[RenderableType]:
    """A chapter's text, with a line for each claim."""
    yield Text(f"{chapter.number}. {chapter.title}\n", style="bold")
    for kind, content in chapter.parts:
        if kind == "text":
            yield Markdown(markdown.terminal_text(content))
            yield Text()
            continue
        line = verdict(results.get(content))
        line.append(f"  “{claims[content].statement}”", style="italic default")
        line.append(f"\nfanin guide show {content}", style="dim")
        yield Padding(line, (0, 0, 1, 2))


def _prose(title: str, text: str) -> Group:
    body = Markdown(markdown.terminal_text(text))
    return Group(Text(title, style="bold"), Padding(body, (0, 0, 1, 2)))


def _checks(result: Result) -> Padding:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for head in ("measured", "value", "wanted", "seen"):
        table.add_column(head, overflow="fold")
    for check in result.checks:
        table.add_row(
            Text(f"{check.what}{' (reach)' if check.scope else ''}"), Text(check.shown),
            Text(check.wanted), Text(guide_wording.outcome(check)),
        )  # fmt: skip
    return Padding(table, (0, 0, 1, 2))
