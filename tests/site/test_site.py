"""The site as files: built without a warning, whole, and alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from fanin.diagnosis import KINDS
from fanin.picture import COLOURS
from fanin.recipes import recipe_names
from fanin.schemes import SCHEMES
from tests.site.conftest import ROOT, Built

LOADING = {
    "script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src",
    "image": "href", "video": "src", "audio": "src", "embed": "src", "object": "data",
}  # fmt: skip


class Page(HTMLParser):
    """What a page links to, what it loads, and the places in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.places.add(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in LOADING and LOADING[tag] in given:
            self.loads.append(given[LOADING[tag]])


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


def test_it_builds_without_a_warning_and_says_where_it_lies(built: Built) -> None:
    assert built.status == 0, built.printed
    assert "WARNING" not in built.printed
    assert built.printed.splitlines()[-1] == f"Site: {built.folder / 'index.html'}"


def test_every_scheme_recipe_and_kind_of_finding_has_a_page(site: Path) -> None:
    for folder, names in (
        ("schemes", SCHEMES), ("recipes", recipe_names()), ("findings", KINDS),
    ):  # fmt: skip
        for name in names:
            assert (site / folder / f"{name}.html").exists(), f"{folder}/{name}"


def test_links_lead_to_pages_and_places_that_exist(pages: dict[Path, Page]) -> None:
    broken = []
    for path, page in pages.items():
        for link in page.links:
            target, _, place = unquote(link).partition("#")
            if "://" in target or target.startswith("mailto:"):
                continue
            found = (path.parent / target).resolve() if target else path
            if not found.exists():
                broken.append(f"{path.name} -> {link}")
            elif place and found.suffix == ".html" and place not in pages[found].places:
                broken.append(f"{path.name} -> {link}: no such place")
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        for load in page.loads:
            assert not re.match(r"(https?:)?//", load), f"{path.name} loads {load}"
    for style in site.rglob("*.css"):
        loaded = re.findall(r"url\(([^)]*)\)|@import\s+(\S+)", style.read_text(encoding="utf-8"))
        for one in (first or second for first, second in loaded):
            assert "//" not in one.strip("\"'")[:8], f"{style.name} loads {one}"


def test_formulas_are_markup_of_mathematics(site: Path) -> None:
    for name in SCHEMES:
        text = (site / "schemes" / f"{name}.html").read_text(encoding="utf-8")
        assert "<math" in text, name
        assert "mathjax" not in "".join(Page(site / "schemes" / f"{name}.html").loads).lower(), name


def test_a_scheme_has_its_formula_source_picture_and_code(site: Path) -> None:
    for name, scheme in SCHEMES.items():
        text = (site / "schemes" / f"{name}.html").read_text(encoding="utf-8")
        assert 'role="img"' in text, name
        assert f'<span class="nc">{name}</span>' in text, f"{name} without its code"
        words = re.sub(r"<[^>]+>", "", text)
        assert scheme.citation.split(",")[0].split(".")[0] in words, f"{name} without its source"


def test_a_finding_has_limits_and_a_report(site: Path) -> None:
    for kind in KINDS:
        text = re.sub(r"<[^>]+>", "", (site / "findings" / f"{kind}.html").read_text("utf-8"))
        assert re.search(r"(BROKEN|WARNING): \d", text), kind
        assert "benchmarks/limits/" in text, kind


def palette(text: str) -> Iterator[dict[str, str]]:
    for block in re.findall(r":root \{(.*?)\}", text, re.DOTALL):
        yield dict(re.findall(r"--([\w-]+): ([^;]+);", block))


def test_site_reports_and_pictures_share_one_palette(site: Path) -> None:
    style = ROOT / "src" / "fanin" / "report" / "templates" / "style.css"
    light, dark = palette(style.read_text())
    names = ("blue", "vermilion", "green", "pink", "orange", "sky", "purple", "brown")
    assert tuple(light[name] for name in names) == COLOURS
    page = (site / "index.html").read_text(encoding="utf-8")
    assert f"--color-background-primary: {light['paper']};" in page
    assert f"--color-background-primary: {dark['paper']};" in page
