"""Pages of the guide to be looked at, from the results that ship with fanin."""

from __future__ import annotations

from pathlib import Path

from fanin import guide
from fanin.guide import Result
from fanin.guide.recorded import recorded
from fanin.report import choice_view, guide_pages
from tests.report.conftest import HOSTILE


def results() -> dict[str, Result]:
    found = {claim.name: recorded(claim) for claim in guide.all_claims()}
    return {name: result for name, result in found.items() if result is not None}


def write_chapter(path: Path, number: int = 3) -> Path:
    claims = {claim.name: claim for claim in guide.all_claims()}
    chapters = guide.all_chapters()
    page = guide_pages.chapter_page(chapters, chapters[number - 1], claims, results())
    path.write_text(page, encoding="utf-8")
    return path


def write_index(path: Path) -> Path:
    claims = {claim.name: claim for claim in guide.all_claims()}
    path.write_text(guide_pages.index_page(guide.all_chapters(), claims, results()), "utf-8")
    return path


def write_hostile(path: Path) -> Path:
    """A claim whose setting and numbers a user gave names that bite."""
    was = results()["symmetry"]
    numbers = {key: {HOSTILE: next(iter(values.values()))} for key, values in was.numbers.items()}
    settings = {**was.settings, "start": HOSTILE}
    result = Result(was.claim, settings, quick=True, numbers=numbers, seconds=1.0)
    return guide_pages.write_claim(result, path, command=f"fanin guide run --set start={HOSTILE}")


def write_choices(path: Path) -> Path:
    from fanin.guide.choosing import choose

    return choice_view.write_page(choose(architecture="lstm"), path)
