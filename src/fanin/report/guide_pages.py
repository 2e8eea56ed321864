"""The guide as pages: one a chapter, an index of verdicts, one of a single claim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fanin.guide import Chapter, Claim, Result, all_chapters
from fanin.report import guide_wording, markdown
from fanin.report.files import made, replacing
from fanin.report.page import inline, rendered

INDEX = "index.html"


def write_pages(
    chapters: Sequence[Chapter],
    claims: Mapping[str, Claim[Any]],
    results: Mapping[str, Result],
    folder: Path,
    *,
    command: str | None = None,
) -> Path:
    """Write the index and a page for each chapter, and return the index's path.

    Args:
        chapters: whose pages are written; the index has all.
        claims: all of the guide.
        results: those that were run.
        folder: made where it is absent.
        command: how to get the same again.

    Raises:
        OutputError: a file cannot be written.
    """
    for chapter in chapters:
        page = chapter_page(all_chapters(), chapter, claims, results, command)
        _write(made(folder) / file_name(chapter), page)
    _write(made(folder) / INDEX, index_page(all_chapters(), claims, results, command))
    return folder / INDEX


def write_claim(result: Result, path: Path, *, command: str | None = None) -> Path:
    """Write the page of one claim, and return its path.

    Raises:
        OutputError: the file cannot be written.
    """
    page = rendered(
        "guide.html",
        command,
        title=result.claim.title,
        subtitle="One claim of the guide: fanin guide",
        parts=[{"claim": claim_values(result.claim, result), "level": 2}],
        links=[],
    )
    _write(path, page)
    return path


def index_page(
    chapters: Sequence[Chapter],
    claims: Mapping[str, Claim[Any]],
    results: Mapping[str, Result],
    command: str | None = None,
) -> str:
    """All verdicts, by chapter."""
    return rendered(
        "guide_index.html",
        command,
        count=f"{len(claims)} claims: {guide_wording.count(results.values())}",
        meanings=[
            (guide_wording.SIGNS[word], word, meaning)
            for word, meaning in guide_wording.MEANINGS.items()
        ],
        chapters=verdict_rows(chapters, claims, results, suffix=".html"),
    )


def chapter_page(
    chapters: Sequence[Chapter],
    chapter: Chapter,
    claims: Mapping[str, Claim[Any]],
    results: Mapping[str, Result],
    command: str | None = None,
) -> str:
    """A chapter with its claims and their results."""
    return rendered(
        "guide.html",
        command,
        title=f"{chapter.number}. {chapter.title}",
        subtitle=f"Chapter {chapter.number} of {len(chapters)}",
        parts=[
            {"text": markdown.html(part["text"])} if "text" in part else part
            for part in chapter_parts(chapter, claims, results)
        ],
        links=list(_links(chapters, chapter)),
    )


def verdict_rows(
    chapters: Sequence[Chapter],
    claims: Mapping[str, Claim[Any]],
    results: Mapping[str, Result],
    *,
    suffix: str,
) -> list[dict[str, Any]]:
    """What the table of verdicts shows; links end with the suffix."""
    rows = []
    for chapter in chapters:
        page = file_name(chapter).removesuffix(".html") + suffix
        rows.append(
            {
                "number": chapter.number,
                "title": chapter.title,
                "href": page,
                "claims": [
                    _verdict_row(claims[name], results.get(name), page) for name in chapter.claims
                ],
            }
        )
    return rows


def chapter_parts(
    chapter: Chapter, claims: Mapping[str, Claim[Any]], results: Mapping[str, Result]
) -> Iterator[dict[str, Any]]:
    """Texts in Markdown, and what the boxes of claims show with the level of their headings."""
    level = 2
    for kind, content in chapter.parts:
        if kind == "claim":
            yield {"claim": claim_values(claims[content], results.get(content)), "level": level}
        else:
            # Below the text's own headings, once there are some.
            level = 3 if content.startswith("## ") or "\n## " in content else level
            yield {"text": content}


def claim_values(claim: Claim[Any], result: Result | None) -> dict[str, Any]:
    """What the box of a claim shows."""
    settings = claim.settings if result is None else claim.changed(result.settings)
    values: dict[str, Any] = {
        "name": claim.name,
        "title": claim.title,
        "statement": claim.statement,
        "experiment": markdown.html(claim.described(settings), inline=True),
        "formula": markdown.mathml(claim.formula, block=True) if claim.formula else "",
        "why": markdown.html(claim.why),
        "try_command": guide_wording.command(claim, claim.try_it),
        "look": markdown.html(claim.try_it.look, inline=True),
        "sources": claim.sources,
        "run": guide_wording.command(claim),
        "verdict": "",
        "instead": "",
        "seconds": "",
    }
    if result is not None:
        values |= {
            "verdict": result.verdict,
            "sign": guide_wording.SIGNS[result.verdict],
            "conditions": guide_wording.conditions(result),
            "picture": inline(result.picture.svg()),
            "label": result.picture.label.rstrip("."),
            "checks": [
                {
                    "what": check.what,
                    "shown": check.shown,
                    "wanted": check.wanted,
                    "scope": check.scope,
                    "outcome": guide_wording.outcome(check),
                }
                for check in result.checks
            ],
            "seconds": f"{result.seconds:.0f} s" if result.seconds >= 1 else "under a second",
        }
        if result.verdict != "supported" and claim.instead:
            values["instead"] = markdown.html(claim.instead)
    return values


def file_name(chapter: Chapter) -> str:
    """Of a chapter's page."""
    return f"{chapter.number:02}-{chapter.slug}.html"


def _verdict_row(claim: Claim[Any], result: Result | None, page: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "title": claim.title,
        "statement": claim.statement,
        "href": f"{page}#{claim.name}",
        "verdict": "",
        "number": "",
    }
    if result is not None:
        first = result.checks[0]
        row |= {
            "verdict": result.verdict,
            "sign": guide_wording.SIGNS[result.verdict],
            "quick": result.quick,
            "number": f"{first.what}: {first.shown}",
        }
    return row


def _links(chapters: Sequence[Chapter], chapter: Chapter) -> Iterator[dict[str, str]]:
    place = chapters.index(chapter)
    yield {"href": INDEX, "text": "All verdicts"}
    if place:
        before = chapters[place - 1]
        yield {"href": file_name(before), "text": f"← {before.number}. {before.title}"}
    if place + 1 < len(chapters):
        after = chapters[place + 1]
        yield {"href": file_name(after), "text": f"{after.number}. {after.title} →"}


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
