"""The folder that sphinx builds from: pages of the repository, with links that hold there."""

from __future__ import annotations

import posixpath
import re
import shutil
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]

# Pages of the repository that lie outside of docs -> their place on the site.
BESIDE: Final = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "benchmarks/index.md",
    "benchmarks/recommend/README.md": "benchmarks/recommend.md",
    "benchmarks/limits/README.md": "benchmarks/limits.md",
}
# Folders of docs that are taken as they are.
_KEPT: Final = ("pictures", "notebooks")
_CODE: Final = re.compile(r"^(`{3,})[^\n]*\n.*?^\1[ ]*$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")


def repository_pages() -> dict[str, str]:
    """Place on the site -> text, for every page that a person wrote.

    Raises:
        FileNotFoundError: a link leads to a file that the site does not have.
    """
    places = {f"docs/{page.relative_to(ROOT / 'docs')}": "" for page in _written()}
    places = {path: path.removeprefix("docs/") for path in places} | BESIDE
    return {
        place: _relinked((ROOT / path).read_text(encoding="utf-8"), path, places)
        for path, place in places.items()
    }


def _written() -> list[Path]:
    docs = ROOT / "docs"
    return sorted(page for page in docs.rglob("*.md") if page.parts[len(docs.parts)] != "guide")


def _relinked(text: str, path: str, places: dict[str, str]) -> str:
    """With its links as they are on the site; code is left alone."""

    def replace(link: re.Match[str]) -> str:
        target, mark, anchor = link[1].partition("#")
        if "://" in target or not target or target.startswith("mailto:"):
            return link[0]
        found = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        here = posixpath.dirname(places[path])
        if found in places:
            there = places[found]
        elif found.startswith("docs/"):  # a picture, or a page that is generated
            there = found.removeprefix("docs/")
        else:
            raise FileNotFoundError(f"{path} links to {target}, which is no page of the site")
        return f"]({posixpath.relpath(there, here or '.')}{mark}{anchor})"

    made, at = [], 0
    for code in _CODE.finditer(text):
        made += [_LINK.sub(replace, text[at : code.start()]), code[0]]
        at = code.end()
    return "".join((*made, _LINK.sub(replace, text[at:])))


def write(pages: dict[str, str], folder: Path) -> None:
    """Bring the folder to hold these pages and what they show; what is as it was keeps its date."""
    wanted = {folder / name for name in pages}
    for kept in _KEPT:
        wanted |= {folder / kept / one.name for one in (ROOT / "docs" / kept).iterdir()}
    for old in folder.rglob("*"):
        if old.is_file() and old not in wanted and old.relative_to(folder).parts[0] != "guide":
            old.unlink()
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for kept in _KEPT:
        shutil.copytree(ROOT / "docs" / kept, folder / kept, dirs_exist_ok=True)
