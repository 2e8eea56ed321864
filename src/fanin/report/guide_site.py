"""The guide as sources of a documentation site: MyST Markdown with the results that ship."""

from __future__ import annotations

from pathlib import Path

from fanin.guide import Chapter, all_chapters, all_claims
from fanin.guide.choosing import table
from fanin.guide.exercises import exercises
from fanin.guide.recorded import recorded
from fanin.report import choice_view, guide_wording
from fanin.report.guide_pages import chapter_parts, file_name, verdict_rows
from fanin.report.page import fragment

_INDEX = """\
# The guide

The textbook on weight initialization: every statement that can be tested is tested, on your
machine with `fanin guide run`. The verdicts below were computed from a full run, by thresholds
that were set beforehand: {count}.

{meanings}

```{{toctree}}
:maxdepth: 1

{pages}
choosing.md
exercises.md
```

```{{raw}} html
{table}
```
"""

_CHOOSING = """\
# Which initialization for my network?

Each row is a small network of that kind and what `fanin.recommend` prescribes for it, so the table
and the verb cannot disagree. `fanin guide choose --architecture decoder --depth 48` builds the very
network and says what the prescription gives up, what else is made for it, and how to apply it.

```{{raw}} html
<div class="fanin-guide">
{table}
</div>
```
"""
_EXERCISES = """\
# Exercises

Broken networks, from easy to hard: name the cause and mend it. A fix is judged by training.

```sh
fanin guide exercise
fanin guide exercise 1
fanin guide exercise 1 --write answer.py
```

`fanin guide exercise 1 --check answer.py` says whether your answer names the cause, and whether the
mended network trains; `--hint` and `--solution` are there, too.

| number | title | level | the task | mark |
| --- | --- | --- | --- | --- |
{rows}
"""


def write_pages(folder: Path) -> tuple[Path, ...]:
    """Write ``index.md``, chapters, the chooser and the list of exercises; return their paths.

    Args:
        folder: of the site's sources; made where it is absent.
    """
    folder.mkdir(parents=True, exist_ok=True)
    claims = {claim.name: claim for claim in all_claims()}
    results = {
        name: result for name, claim in claims.items() if (result := recorded(claim)) is not None
    }
    written = []
    for chapter in all_chapters():
        parts = (
            part["text"] if "text" in part else _raw("claim_part.html", **part)
            for part in chapter_parts(chapter, claims, results)
        )
        text = "\n\n".join((f"# {chapter.number}. {chapter.title}", *parts))
        written.append(_write(folder / _source(chapter), text))
    pages = "\n".join(_source(chapter) for chapter in all_chapters())
    index = _INDEX.format(
        count=guide_wording.count(results.values()),
        meanings="\n".join(
            f"- {guide_wording.SIGNS[word]} **{word}**: {meaning}."
            for word, meaning in guide_wording.MEANINGS.items()
        ),
        pages=pages,
        table=fragment(
            "verdicts_part.html",
            chapters=verdict_rows(all_chapters(), claims, results, suffix=".html"),
        ),
    )
    choosing = _CHOOSING.format(table=choice_view.fragment(table()))
    rows = "\n".join(
        f"| {number} | {one.title} | {one.level} | {one.task.about} | {one.mark:g} |"
        for number, one in enumerate(exercises(), 1)
    )
    return (
        _write(folder / "index.md", index),
        *written,
        _write(folder / "choosing.md", choosing),
        _write(folder / "exercises.md", _EXERCISES.format(rows=rows)),
    )


def _raw(template: str, **values: object) -> str:
    return f"```{{raw}} html\n{fragment(template, **values)}\n```"


def _source(chapter: Chapter) -> str:
    return file_name(chapter).replace(".html", ".md")


def _write(path: Path, text: str) -> Path:
    path.write_text(f"{text}\n", encoding="utf-8")
    return path
